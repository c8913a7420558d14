//! The serial line of a modem at a baud rate: octets in and time told, out comes what has crossed, and when.
//!
//! Ten bits an octet (8N1), each way for itself. A burst begins when octets come to an idle line; what has crossed is
//! counted from its beginning, so that no remainder is ever lost and nobody who asks late slows the line down. Knows
//! nothing of AT, nor of who carries the octets.

use std::{collections::VecDeque, time::Duration};

/// Bits that an octet takes on the line: start, eight, stop.
const BITS: u128 = 10;
const NANOS: u128 = 1_000_000_000;
/// For how long octets are gathered before they are handed on while more follow, as adapters do for the sake of the
/// processor.
const GATHERED: Duration = Duration::from_millis(8);

/// Octets that have crossed a line since the beginning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Octets {
    /// From the terminal.
    pub to_modem: u64,
    /// From the modem.
    pub to_terminal: u64,
}

/// Both ways.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) to_modem: Way,
    pub(super) to_terminal: Way,
}

impl Line {
    pub(super) const fn octets(&self) -> Octets {
        Octets { to_modem: self.to_modem.crossed, to_terminal: self.to_terminal.crossed }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.to_modem.octets.is_empty() && self.to_terminal.octets.is_empty()
    }

    /// When one way has something to hand on. `baud` 0: at once.
    pub(super) fn due(&self, baud: u32) -> Option<Duration> {
        [self.to_modem.due(baud), self.to_terminal.due(baud)].into_iter().flatten().min()
    }

    /// Nobody holds an end any more: what is under way is gone.
    pub(super) fn cut(&mut self) {
        self.to_modem.clear();
        self.to_terminal.clear();
    }
}

/// What has come to the other end.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Arrived {
    pub(super) octets: Vec<u8>,
    /// When the last of them did.
    pub(super) at: Duration,
    /// Items whose notice is complete with them.
    pub(super) announced: Vec<u64>,
}

/// One way.
#[derive(Debug, Default)]
pub(super) struct Way {
    octets: VecDeque<u8>,
    /// Items, each with the count of octets that have crossed once its notice has.
    notices: VecDeque<(u64, u64)>,
    crossed: u64,
    /// When the burst began, and how many of its octets have crossed.
    began: Duration,
    of_burst: u64,
    /// When the last octet had crossed.
    free: Duration,
}

impl Way {
    /// Puts octets on the line, and which item their last completes the notice of.
    pub(super) fn push(&mut self, baud: u32, at: Duration, octets: &[u8], announces: Option<u64>) {
        if self.octets.is_empty() {
            self.began = at.max(self.free);
            self.of_burst = 0;
        }
        self.octets.extend(octets);
        if let Some(item) = announces {
            self.notices.push_back((self.crossed + self.octets.len() as u64, item));
        }
    }

    /// Takes what has crossed by now.
    pub(super) fn take(&mut self, baud: u32, now: Duration) -> Arrived {
        let since = now.saturating_sub(self.began).as_nanos();
        let whole = match baud {
            0 => u64::MAX,
            _ => u64::try_from(since * u128::from(baud) / (BITS * NANOS)).unwrap_or(u64::MAX),
        };
        let count = usize::try_from(whole.saturating_sub(self.of_burst)).unwrap_or(usize::MAX).min(self.octets.len());
        let octets: Vec<u8> = self.octets.drain(..count).collect();
        self.of_burst += count as u64;
        self.crossed += count as u64;
        let complete = self.notices.iter().take_while(|(position, _)| *position <= self.crossed).count();
        let announced = self.notices.drain(..complete).map(|(_, item)| item).collect();
        let at = if baud == 0 { now } else { self.crossing(baud, self.of_burst) };
        if count > 0 {
            self.free = at;
        }
        Arrived { octets, at, announced }
    }

    fn due(&self, baud: u32) -> Option<Duration> {
        let gathered = u128::from(baud) * GATHERED.as_nanos() / (BITS * NANOS);
        let count = self.octets.len().min(usize::try_from(gathered).unwrap_or(usize::MAX).max(1));
        (count > 0).then(|| self.crossing(baud, self.of_burst + count as u64))
    }

    /// When that many octets of the burst have crossed.
    fn crossing(&self, baud: u32, octets: u64) -> Duration {
        let nanos = (u128::from(octets) * BITS * NANOS).div_ceil(u128::from(baud.max(1)));
        match baud {
            0 => self.began,
            _ => self.began.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))),
        }
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.notices.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(7);
    const BAUD: u32 = 115_200;

    fn after(micros: u64) -> Duration {
        START + Duration::from_micros(micros)
    }

    fn loaded(octets: usize) -> Way {
        let mut way = Way::default();
        way.push(BAUD, START, &(0..octets).map(|octet| octet as u8).collect::<Vec<_>>(), None);
        way
    }

    #[test]
    fn an_octet_takes_ten_bits() {
        let table = [
            (115_200, 0, 0),
            (115_200, 86, 0),
            (115_200, 87, 1),
            (115_200, 1_000_000, 11_520),
            (9_600, 1_000_000, 960),
            (300, 33_333, 0),
            (300, 33_334, 1),
            (0, 0, 20_000),
        ];
        for (baud, micros, crossed) in table {
            let mut way = Way::default();
            way.push(baud, START, &[0; 20_000], None);
            assert_eq!(way.take(baud, after(micros)).octets.len(), crossed, "{baud} baud, {micros} us");
        }
    }

    #[test]
    fn however_often_it_is_asked_the_same_has_crossed() {
        for step in [1_u64, 13, 87, 999, 250_000] {
            let mut way = loaded(11_520 * 2);
            let mut got = Vec::new();
            for micros in (0..1_000_000).step_by(step as usize).chain([1_000_000]) {
                got.extend(way.take(BAUD, after(micros)).octets);
            }
            assert_eq!(got.len(), 11_520, "asked every {step} us");
            assert!(got.iter().enumerate().all(|(at, octet)| at as u8 == *octet), "in their order");
        }
    }

    #[test]
    fn who_asks_when_it_is_due_gets_everything_and_loses_no_time() {
        for baud in [300, 9_600, 57_600, 115_200, 921_600, 1_234_567] {
            let mut way = Way::default();
            way.push(baud, START, &[7; 5_000], None);
            let (mut last, mut count, mut asked) = (START, 0, 0_u32);
            while let Some(due) = way.due(baud) {
                let arrived = way.take(baud, due);
                assert!(!arrived.octets.is_empty() && due > last, "{baud} baud");
                (last, count, asked) = (arrived.at, count + arrived.octets.len(), asked + 1);
            }
            let exact = 5_000.0 * 10.0 / f64::from(baud);
            assert_eq!(count, 5_000);
            assert!(((last - START).as_secs_f64() - exact).abs() < 1e-6, "{baud} baud: {last:?}");
            // An octet of 300 baud takes longer than octets are gathered.
            let most = (exact / GATHERED.as_secs_f64() * 1.2).max(5_000.0 * f64::from(u8::from(baud < 1_250)));
            assert!(f64::from(asked) <= most + 1.0, "{baud} baud: asked {asked} times");
        }
    }

    #[test]
    fn what_follows_at_once_waits_for_what_goes_before_and_a_pause_counts_for_nothing() {
        let mut way = loaded(100);
        let arrived = way.take(BAUD, after(20_000));
        // 100 octets end after 8,680.6 us; what asked late is told when it was.
        assert_eq!((arrived.octets.len(), arrived.at.as_micros()), (100, after(8_680).as_micros()));
        way.push(BAUD, after(8_000), &[1], None);
        assert_eq!(way.due(BAUD).map(|due| due.as_micros()), Some(after(8_767).as_micros()), "the line was busy");
        assert_eq!(way.take(BAUD, after(9_000)).octets.len(), 1);
        way.push(BAUD, after(500_000), &[2; 10], None);
        assert_eq!(way.take(BAUD, after(500_500)).octets.len(), 5, "nothing is saved up");
    }

    #[test]
    fn a_notice_is_complete_with_its_last_octet() {
        let mut way = Way::default();
        way.push(BAUD, START, &[1; 10], None);
        way.push(BAUD, START, &[2; 10], Some(17));
        way.push(BAUD, START, &[3; 10], None);
        assert!(way.take(BAUD, after(19 * 87)).announced.is_empty());
        assert_eq!(way.take(BAUD, after(20 * 87)).announced, [17]);
        assert!(way.take(BAUD, after(9_000)).announced.is_empty());
        assert_eq!(way.due(BAUD), None);
    }
}

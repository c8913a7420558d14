//! Writes a session down as redacted transcript lines.

use std::time::Duration;

use super::{Line, Redactor};

/// Pauses shorter than this are not written.
const TICK: Duration = Duration::from_millis(1);

/// Records one session. Times are counted from any moment, and never go back.
#[derive(Debug, Default)]
pub struct Recorder {
    redactor: Redactor,
    /// The time that the lines so far account for.
    told: Duration,
}

impl Recorder {
    /// What was written to the modem at once.
    pub fn sent(&mut self, at: Duration, octets: &[u8]) -> Vec<Line> {
        let line = Line::Sent(self.redactor.sent(octets));
        self.timed(at, vec![line])
    }

    /// What came from the modem.
    pub fn received(&mut self, at: Duration, octets: &[u8]) -> Vec<Line> {
        let pieces = self.redactor.received(at, octets);
        self.timed(at, pieces.into_iter().map(Line::Received).collect())
    }

    /// The end: what is left of an unfinished line.
    pub fn finish(&mut self, at: Duration) -> Vec<Line> {
        let rest = self.redactor.flush(at);
        self.timed(at, rest.into_iter().map(Line::Received).collect())
    }

    fn timed(&mut self, at: Duration, mut lines: Vec<Line>) -> Vec<Line> {
        let passed = at.saturating_sub(self.told);
        if passed >= TICK && !lines.is_empty() {
            let millis = Duration::from_millis(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
            self.told += millis;
            lines.insert(0, Line::Passes(millis));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::write;

    #[test]
    fn pauses_are_written_before_what_ends_them() {
        let mut recorder = Recorder::default();
        let ms = Duration::from_millis;
        let mut lines = recorder.sent(ms(0), b"AT+CSQ\r");
        lines.extend(recorder.received(ms(40), b"\r\n+CSQ: 1"));
        lines.extend(recorder.received(ms(45), b"7,99\r"));
        lines.extend(recorder.received(ms(45), b"\n"));
        lines.extend(recorder.received(ms(1045), b"+CRE"));
        lines.extend(recorder.finish(ms(1050)));
        let text: Vec<String> = lines.iter().map(write).collect();
        assert_eq!(
            text,
            ["> AT+CSQ\\r", "@ +40ms", "< \\r", "< \\n", "@ +5ms", "< +CSQ: 17,99\\r", "< \\n", "@ +1005ms", "< +XXX"]
        );
    }
}

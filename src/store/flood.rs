//! When one sender writes to one SIM more often than is good for a mailbox: which SMS then go into one mail together, and
//! when that mail is complete (S15).
//!
//! Pure: numbers and running time in, a place out. Each SMS has a mail of its own until as many came within a minute as
//! may; those after it are gathered in a digest, which is closed when the flood pauses, when it has waited for a minute,
//! or when it is full. Whom a mail goes to follows from the SIM, so the messages of a digest share their recipient, too.

use std::time::Duration;

use crate::model::RunTime;

/// What came before within this time counts.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// A digest goes after this long without another message for it.
const PAUSE: Duration = Duration::from_secs(10);
/// A digest goes this long after its first message, whatever else comes.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Messages in a digest.
const MOST_MESSAGES: u32 = 100;
/// Octets of a digest before its transfer encoding; a longer message is a digest of its own.
const MOST_OCTETS: u64 = 64 * 1024;
/// What a digest says of each message beside its text, in octets.
const FACTS: u64 = 512;

/// Where the mail about a message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// By itself.
    Alone,
    /// In the digest that is being gathered.
    Gathered,
    /// In a new digest, as its first.
    First,
}

/// A digest that takes in messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Gathering {
    /// When its first message came.
    pub(super) opened: RunTime,
    /// When it is to be closed, if nothing else comes.
    pub(super) ripe: RunTime,
    /// Messages in it.
    pub(super) messages: u32,
    /// Their octets.
    pub(super) octets: u64,
}

/// Where a message of `text` octets goes, of which `earlier` came within [`WINDOW`] from the same sender to the same SIM.
/// `limit`: how many of those get a mail each; 0 = all of them.
pub(super) fn place(limit: u32, earlier: u32, gathering: Option<&Gathering>, text: usize, now: RunTime) -> Place {
    match gathering {
        _ if limit == 0 => Place::Alone,
        // Also when the flood has ebbed: what comes later is not to be mailed earlier.
        Some(gathering) if gathering.has_room(text, now) => Place::Gathered,
        _ if earlier >= limit => Place::First,
        _ => Place::Alone,
    }
}

impl Gathering {
    /// A digest that begins with a message of `text` octets.
    pub(super) fn begun(text: usize, now: RunTime) -> Self {
        Self { opened: now, ripe: now, messages: 0, octets: 0 }.with(text, now)
    }

    /// The same with one message more.
    pub(super) fn with(self, text: usize, now: RunTime) -> Self {
        let ripe = now.after(PAUSE).min(self.opened.after(LONGEST_WAIT));
        Self { ripe, messages: self.messages.saturating_add(1), octets: self.octets.saturating_add(cost(text)), ..self }
    }

    /// Whether nothing more fits in.
    pub(super) const fn is_full(&self) -> bool {
        self.messages >= MOST_MESSAGES || self.octets >= MOST_OCTETS
    }

    fn has_room(&self, text: usize, now: RunTime) -> bool {
        !self.is_full() && now < self.ripe && self.octets.saturating_add(cost(text)) <= MOST_OCTETS
    }
}

fn cost(text: usize) -> u64 {
    FACTS.saturating_add(u64::try_from(text).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> RunTime {
        RunTime(1_000_000 + seconds * 1000)
    }

    /// Plays arrivals, in seconds, with one text; returns the places and the sizes of the digests that were closed.
    fn play(limit: u32, text: usize, arrivals: &[i64]) -> (Vec<Place>, Vec<u32>) {
        let (mut places, mut closed) = (Vec::new(), Vec::new());
        let mut gathering: Option<Gathering> = None;
        for (index, second) in arrivals.iter().enumerate() {
            let now = at(*second);
            closed.extend(gathering.take_if(|open| open.ripe <= now).map(|open| open.messages));
            let since = now.before(WINDOW);
            let earlier = arrivals[..index].iter().filter(|earlier| at(**earlier) > since).count();
            let place = place(limit, u32::try_from(earlier).unwrap(), gathering.as_ref(), text, now);
            if place != Place::Gathered {
                closed.extend(gathering.take().map(|open| open.messages));
            }
            gathering = match (place, gathering) {
                (Place::Alone, _) => None,
                (Place::First, _) => Some(Gathering::begun(text, now)),
                (Place::Gathered, open) => open.map(|open| open.with(text, now)),
            };
            closed.extend(gathering.take_if(|open| open.is_full()).map(|open| open.messages));
            places.push(place);
        }
        closed.extend(gathering.map(|open| open.messages));
        (places, closed)
    }

    fn alone(places: &[Place]) -> usize {
        places.iter().filter(|place| **place == Place::Alone).count()
    }

    #[test]
    fn sixty_within_a_minute_get_a_mail_each() {
        let (places, closed) = play(60, 20, &(0..60).collect::<Vec<_>>());
        assert_eq!((alone(&places), closed), (60, vec![]));
        let (places, closed) = play(60, 20, &[0; 61]);
        assert_eq!((alone(&places), places[60], closed), (60, Place::First, vec![1]));
    }

    #[test]
    fn one_a_second_is_no_flood_however_long() {
        let (places, _) = play(60, 20, &(0..3600).collect::<Vec<_>>());
        assert_eq!(alone(&places), 3600);
    }

    #[test]
    fn a_burst_becomes_full_digests_and_a_rest() {
        let (places, closed) = play(60, 20, &[0; 300]);
        assert_eq!((alone(&places), closed), (60, vec![100, 100, 40]));
    }

    #[test]
    fn none_of_a_lasting_flood_waits_longer_than_a_minute() {
        // Two a second for ten minutes: never full before the minute is over in a digest of a hundred.
        let arrivals: Vec<i64> = (0..1200).map(|half| half / 2).collect();
        let (places, closed) = play(60, 20, &arrivals);
        assert_eq!(alone(&places), 60);
        assert_eq!(closed.iter().sum::<u32>(), 1140);
        assert!(closed.iter().all(|messages| *messages <= 100));
        let open = (0..30).fold(Gathering::begun(20, at(0)), |open, second| open.with(20, at(second * 2)));
        assert_eq!(open.ripe, at(60));
        assert_eq!(place(60, 100, Some(&open), 20, at(60)), Place::First);
    }

    #[test]
    fn a_pause_ends_a_digest_and_a_minute_of_peace_the_flood() {
        let mut arrivals = vec![0; 70];
        arrivals.extend([9, 19, 71]);
        let (places, closed) = play(60, 20, &arrivals);
        assert_eq!(places[70..], [Place::Gathered, Place::First, Place::Alone]);
        assert_eq!(closed, [11, 1]);
    }

    #[test]
    fn what_comes_after_the_flood_does_not_overtake_its_digest() {
        let open = Gathering::begun(20, at(0));
        assert_eq!(place(60, 3, Some(&open), 20, at(9)), Place::Gathered);
        assert_eq!(place(60, 3, Some(&open), 20, at(10)), Place::Alone);
    }

    #[test]
    fn long_texts_fill_a_digest_sooner() {
        let (_, closed) = play(1, 7 * 1024, &[0; 20]);
        assert_eq!(closed, [8, 8, 3]);
        // Longer than a digest may be: one message each, none left out.
        let (_, closed) = play(1, 100_000, &[0; 4]);
        assert_eq!(closed, [1, 1, 1]);
    }

    #[test]
    fn without_a_limit_nothing_is_gathered() {
        let (places, closed) = play(0, 20, &[0; 500]);
        assert_eq!((alone(&places), closed), (500, vec![]));
        let open = Gathering::begun(20, at(0));
        assert_eq!(place(0, 500, Some(&open), 20, at(1)), Place::Alone);
    }
}

//! How long an address that keeps sending wrong tokens has to wait. The time is handed in.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Failures that cost nothing.
const FREE_FAILURES: u32 = 5;
/// Checks under way at once for an address that never failed; one for those that did.
const CHECKS: u32 = 3;
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// However long the wait, one trial per this time is let through: a misconfigured plugin must not lock out the others
/// on its host.
const TRIAL_EVERY: Duration = Duration::from_secs(10);
/// An address is forgotten this long after its last failure.
const MEMORY: Duration = Duration::from_secs(900);
const CAPACITY: usize = 4096;

/// Whether a trial may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admission {
    /// Yes; [`Backoff::ended`] has to follow.
    Go(Standing),
    /// The address has enough checks under way.
    Busy,
    /// Not before this time has passed.
    Wait(Duration),
}

/// What is known of an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It has not failed lately.
    Clean,
    /// It has.
    Failed,
}

/// Failures by address.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    peers: HashMap<IpAddr, Peer>,
}

#[derive(Debug)]
struct Peer {
    failures: u32,
    under_way: u32,
    blocked_until: Instant,
    last_trial: Instant,
}

/// The unit that is counted: one IPv4 address, one IPv6 /64.
pub(super) fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

impl Backoff {
    /// Asks for a trial.
    pub(super) fn admit(&mut self, peer: IpAddr, now: Instant) -> Admission {
        self.make_room(peer, now);
        let entry =
            self.peers.entry(peer).or_insert(Peer { failures: 0, under_way: 0, blocked_until: now, last_trial: now });
        let free_at = entry.blocked_until.min(entry.last_trial + TRIAL_EVERY);
        if entry.failures >= FREE_FAILURES && now < free_at {
            return Admission::Wait(free_at - now);
        }
        let (standing, most) = if entry.failures == 0 { (Standing::Clean, CHECKS) } else { (Standing::Failed, 1) };
        if entry.under_way >= most {
            return Admission::Busy;
        }
        entry.under_way += 1;
        entry.last_trial = now;
        Admission::Go(standing)
    }

    /// A trial is over: failed, good, or (`None`) never decided.
    pub(super) fn ended(&mut self, peer: IpAddr, failed: Option<bool>, now: Instant) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        entry.under_way = entry.under_way.saturating_sub(1);
        match failed {
            Some(true) => {
                entry.failures += 1;
                let over = entry.failures.saturating_sub(FREE_FAILURES - 1);
                let wait = Duration::from_secs(1_u64 << over.min(9)).min(LONGEST_WAIT);
                entry.last_trial = now;
                // Not asked for before the free ones are used up.
                entry.blocked_until = now + wait;
            }
            Some(false) => entry.failures = 0,
            None => {}
        }
        if entry.failures == 0 && entry.under_way == 0 {
            self.peers.remove(&peer);
        }
    }

    fn make_room(&mut self, peer: IpAddr, now: Instant) {
        if self.peers.len() < CAPACITY || self.peers.contains_key(&peer) {
            return;
        }
        self.peers.retain(|_, entry| entry.under_way > 0 || now < entry.last_trial + MEMORY);
        if self.peers.len() >= CAPACITY
            && let Some(oldest) = self.peers.iter().min_by_key(|(_, entry)| entry.last_trial).map(|(peer, _)| *peer)
        {
            self.peers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn fail(backoff: &mut Backoff, now: Instant) {
        assert!(matches!(backoff.admit(PEER, now), Admission::Go(_)));
        backoff.ended(PEER, Some(true), now);
    }

    #[test]
    fn waits_double_after_five_failures_but_a_trial_is_free_every_ten_seconds() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        for _ in 0..5 {
            fail(&mut backoff, now);
        }
        for seconds in [2, 4, 8, 10, 10, 10, 10, 10, 10] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(backoff.admit(PEER, now), Admission::Wait(wait));
            now += wait;
            fail(&mut backoff, now);
        }
        assert_eq!(backoff.peers[&PEER].blocked_until - now, LONGEST_WAIT);
    }

    #[test]
    fn success_clears_the_slate() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for _ in 0..4 {
            fail(&mut backoff, now);
        }
        assert_eq!(backoff.admit(PEER, now), Admission::Go(Standing::Failed));
        backoff.ended(PEER, Some(false), now);
        assert!(backoff.peers.is_empty());
    }

    #[test]
    fn one_check_at_a_time_for_who_failed_before_and_a_few_for_others() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(backoff.admit(PEER, now), Admission::Go(Standing::Clean));
        }
        assert_eq!(backoff.admit(PEER, now), Admission::Busy);
        backoff.ended(PEER, Some(true), now);
        backoff.ended(PEER, None, now);
        assert_eq!(backoff.admit(PEER, now), Admission::Busy);
        backoff.ended(PEER, None, now);
        assert_eq!(backoff.admit(PEER, now), Admission::Go(Standing::Failed));
    }

    #[test]
    fn addresses_are_grouped_and_bounded() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(peer_of(parse("2001:db8:1:2:3:4:5:6")), parse("2001:db8:1:2::"));
        assert_eq!(peer_of(parse("::ffff:192.0.2.1")), PEER);
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        for number in 0..5000_u32 {
            let peer = IpAddr::V4(number.into());
            backoff.admit(peer, now);
            backoff.ended(peer, Some(true), now);
        }
        assert_eq!(backoff.peers.len(), CAPACITY);
    }

    #[test]
    fn room_is_made_for_strangers_only_and_by_what_is_over() {
        let peer = |number: u32| IpAddr::V4(number.into());
        let full = |start: Instant| {
            let mut backoff = Backoff::default();
            for number in 0..4096_u32 {
                let now = start + Duration::from_millis(number.into());
                backoff.admit(peer(number), now);
                if number != 7 {
                    backoff.ended(peer(number), Some(true), now);
                }
            }
            backoff
        };
        let start = Instant::now();
        for (asks, after, left, what) in [
            (9, 899_000, 4096, "who is known needs no room"),
            (9, 2_000_000, 4096, "who is known needs no room, however old the others are"),
            (5000, 10_000, 4096, "the oldest goes"),
            (5000, 900_010, 4096 - 11 + 1 + 1, "all that are over go, but not who has a check under way"),
        ] {
            let mut backoff = full(start);
            let _ = backoff.admit(peer(asks), start + Duration::from_millis(after));
            assert_eq!(backoff.peers.len(), left, "{what}");
            assert!(backoff.peers.contains_key(&peer(asks)), "{what}");
            assert_eq!(backoff.peers.contains_key(&peer(0)), asks == 9, "{what}");
            assert!(backoff.peers.contains_key(&peer(7)), "{what}");
        }
        let mut backoff = Backoff::default();
        backoff.admit(peer(1), start);
        backoff.ended(peer(1), Some(true), start);
        backoff.admit(peer(2), start + Duration::from_secs(2000));
        assert!(backoff.peers.contains_key(&peer(1)), "nobody is forgotten while there is room");
    }
}

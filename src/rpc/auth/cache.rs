//! Verdicts on tokens that opened something, by keyed digest. The time is handed in.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::constant_time;

/// HMAC-SHA256 of a token under the key of this process.
pub(super) type Digest = [u8; 32];

const CAPACITY: usize = 64;
const LIFETIME: Duration = Duration::from_secs(600);

/// What is known of one token: for each hash that was checked, whether it matched.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdicts {
    by_hash: BTreeMap<String, bool>,
}

impl Verdicts {
    /// Notes one check.
    pub(super) fn add(&mut self, hash: &str, matched: bool) {
        self.by_hash.insert(hash.to_owned(), matched);
    }

    /// These and the others.
    pub(super) fn and(mut self, others: &Self) -> Self {
        self.by_hash.extend(others.by_hash.iter().map(|(hash, matched)| (hash.clone(), *matched)));
        self
    }

    /// Whether `hash` was checked.
    pub(super) fn covers(&self, hash: &str) -> bool {
        self.by_hash.contains_key(hash)
    }

    /// Whether `hash` was checked and matched.
    pub(super) fn matched(&self, hash: &str) -> bool {
        self.by_hash.get(hash) == Some(&true)
    }

    fn any(&self) -> bool {
        self.by_hash.values().any(|matched| *matched)
    }
}

/// The least recently used of 64 entries makes room; each is forgotten ten minutes after its last use. A verdict does not
/// age: it is on a hash, and a hash that is taken out of the configuration is not asked for any more. A token in use must
/// not have to be checked again, since its address may have to wait for that because of wrong ones from a neighbour.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Digest, Entry>,
}

#[derive(Debug)]
struct Entry {
    verdicts: Arc<Verdicts>,
    used: Instant,
}

impl Cache {
    /// What is known, if it covers all of `hashes`.
    pub(super) fn lookup(&mut self, digest: &Digest, hashes: &[&str], now: Instant) -> Option<Arc<Verdicts>> {
        self.known(digest, now).filter(|verdicts| hashes.iter().all(|hash| verdicts.covers(hash)))
    }

    /// Whatever is known.
    pub(super) fn known(&mut self, digest: &Digest, now: Instant) -> Option<Arc<Verdicts>> {
        self.entries.retain(|_, entry| now.saturating_duration_since(entry.used) < LIFETIME);
        // Every entry is compared in constant time: how far a lookup got tells nothing.
        let found = self.entries.iter_mut().fold(None, |found, (key, entry)| {
            let same = constant_time::verify_slices_are_equal(key, digest).is_ok();
            if same { Some(entry) } else { found }
        })?;
        found.used = now;
        Some(Arc::clone(&found.verdicts))
    }

    /// Keeps the verdicts on a token that opened something; others would let strangers fill the cache.
    pub(super) fn remember(&mut self, digest: Digest, verdicts: &Arc<Verdicts>, now: Instant) {
        if !verdicts.any() {
            return;
        }
        if self.entries.len() >= CAPACITY
            && !self.entries.contains_key(&digest)
            && let Some(oldest) = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
        {
            self.entries.remove(&oldest);
        }
        self.entries.insert(digest, Entry { verdicts: Arc::clone(verdicts), used: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(pairs: &[(&str, bool)]) -> Arc<Verdicts> {
        let mut verdicts = Verdicts::default();
        pairs.iter().for_each(|(hash, matched)| verdicts.add(hash, *matched));
        Arc::new(verdicts)
    }

    #[test]
    fn known_only_for_the_hashes_checked() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        cache.remember([1; 32], &verdicts(&[("a", true), ("b", false)]), start);
        let known = cache.lookup(&[1; 32], &["a", "b"], start + Duration::from_secs(599)).unwrap();
        assert!(known.matched("a"));
        assert!(!known.matched("b"));
        assert!(!known.matched("c"), "it was not checked");
        assert!(cache.lookup(&[1; 32], &["a", "c"], start).is_none());
        assert!(cache.lookup(&[2; 32], &["a"], start).is_none());
    }

    #[test]
    fn what_was_known_and_what_was_checked_now_are_kept_together() {
        let both = (*verdicts(&[("a", true), ("b", false)])).clone().and(&verdicts(&[("c", true)]));
        assert_eq!(both.by_hash, verdicts(&[("a", true), ("b", false), ("c", true)]).by_hash);
    }

    #[test]
    fn a_token_in_use_is_known_for_as_long_as_it_is_used() {
        let (mut cache, mut now) = (Cache::default(), Instant::now());
        cache.remember([1; 32], &verdicts(&[("a", true)]), now);
        for _ in 0..100 {
            now += Duration::from_secs(599);
            assert!(cache.lookup(&[1; 32], &["a"], now).is_some());
        }
        assert!(cache.lookup(&[1; 32], &["a"], now + LIFETIME).is_none());
    }

    #[test]
    fn tokens_that_open_nothing_are_not_kept() {
        let mut cache = Cache::default();
        cache.remember([1; 32], &verdicts(&[("a", false)]), Instant::now());
        assert!(cache.entries.is_empty());
    }

    #[test]
    fn the_least_recently_used_entry_makes_room() {
        let (mut cache, start) = (Cache::default(), Instant::now());
        for number in 0..64 {
            cache.remember([number; 32], &verdicts(&[("a", true)]), start + Duration::from_millis(number.into()));
        }
        let later = start + Duration::from_secs(1);
        assert!(cache.known(&[0; 32], later).is_some());
        cache.remember([64; 32], &verdicts(&[("a", true)]), later);
        assert_eq!(cache.entries.len(), CAPACITY);
        assert!(cache.known(&[0; 32], later).is_some());
        assert!(cache.known(&[1; 32], later).is_none());
        // One that is there takes nobody's place.
        cache.remember([3; 32], &verdicts(&[("b", true)]), later);
        assert_eq!(cache.entries.len(), CAPACITY);
        assert!(cache.known(&[2; 32], later).is_some());
    }
}

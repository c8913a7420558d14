//! Who may call: tokens against the hashes of the configuration, without letting a stranger buy processor time.
//!
//! A bcrypt check takes a tenth of a second of one core. So verdicts on good tokens are cached under a keyed digest, all
//! other checks go through one worker with a short queue in which nobody waits for those who failed, and an address that
//! keeps failing has to wait. A refused token gets one answer whatever the reason. Tokens are never logged: the log has
//! the peer and eight hex digits of the digest.

mod backoff;
mod cache;
mod hash;
mod queue;

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use aws_lc_rs::{hmac, rand};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use self::{
    backoff::{Admission, Backoff, Standing, peer_of},
    cache::{Cache, Digest, Verdicts},
    queue::Queue,
};

/// bcrypt looks at 72 octets; more would be cut off silently.
const LONGEST_TOKEN: usize = 72;

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The token opens nothing that was asked for.
    Invalid,
    /// Too many wrong tokens from this address.
    TooMany {
        /// Until the next try counts.
        seconds: u64,
    },
    /// The queue is full.
    Busy,
}

/// The token checker. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Authenticator {
    shared: Arc<Shared>,
    jobs: Arc<Jobs>,
}

/// The callers' end of the queue.
struct Jobs(Arc<Queue<Job>>);

impl Drop for Jobs {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Shared {
    key: hmac::Key,
    cache: Mutex<Cache>,
    backoff: Mutex<Backoff>,
}

struct Job {
    token: SecretString,
    digest: Digest,
    /// Those still to be looked at.
    hashes: BTreeSet<String>,
    verdicts: Verdicts,
    answer: oneshot::Sender<Arc<Verdicts>>,
}

impl Authenticator {
    /// Starts the worker. It ends with the last clone.
    ///
    /// # Errors
    /// If the system gives no random numbers or no thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())
            .map_err(|_| std::io::Error::other("no random numbers"))?;
        let shared = Arc::new(Shared { key, cache: Mutex::default(), backoff: Mutex::default() });
        let queue = Arc::new(Queue::new());
        let (worker, jobs) = (Arc::clone(&shared), Arc::new(Jobs(Arc::clone(&queue))));
        std::thread::Builder::new().name("token-check".to_owned()).spawn(move || work(&worker, &queue))?;
        Ok(Self { shared, jobs })
    }

    /// Which of `hashes` the token opens: one at least.
    pub(crate) async fn opened(&self, peer: IpAddr, token: &SecretString, hashes: &[&str]) -> Result<Opened, Refusal> {
        let digest = self.digest(token);
        let plausible = is_plausible(token.expose_secret());
        if plausible && let Some(verdicts) = self.cache().lookup(&digest, hashes, Instant::now()) {
            return Opened::of(verdicts, hashes).ok_or(Refusal::Invalid);
        }
        let peer = peer_of(peer);
        let standing = match self.backoff().admit(peer, Instant::now()) {
            Admission::Go(standing) => standing,
            Admission::Busy => return Err(Refusal::Busy),
            Admission::Wait(wait) => return Err(Refusal::TooMany { seconds: wait.as_secs().max(1) }),
        };
        let trial = Trial { shared: &self.shared, peer, failed: None };
        let verdicts = match plausible {
            true => self.verify(standing, token, digest, hashes).await,
            false => Ok(Arc::default()),
        };
        let opened = verdicts.map(|verdicts| Opened::of(verdicts, hashes));
        match opened {
            Ok(Some(opened)) => {
                trial.ended(false);
                Ok(opened)
            }
            Ok(None) => {
                trial.ended(true);
                let [a, b, c, d, ..] = digest;
                tracing::warn!(%peer, token = format_args!("{a:02x}{b:02x}{c:02x}{d:02x}"), "wrong API token");
                Err(Refusal::Invalid)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// A digest of something that must not be kept itself, under the key of this process.
    pub(crate) fn digest_of(&self, octets: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.shared.key, octets);
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }

    fn digest(&self, token: &SecretString) -> Digest {
        self.digest_of(token.expose_secret().as_bytes())
    }

    async fn verify(
        &self,
        standing: Standing,
        token: &SecretString,
        digest: Digest,
        hashes: &[&str],
    ) -> Result<Arc<Verdicts>, Refusal> {
        let (answer, answered) = oneshot::channel();
        let hashes = hashes.iter().map(|&hash| hash.to_owned()).collect();
        let job = Job { token: token.clone(), digest, hashes, verdicts: Verdicts::default(), answer };
        if !self.jobs.0.add(standing, job) {
            return Err(Refusal::Busy);
        }
        answered.await.map_err(|_| Refusal::Busy)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        lock(&self.shared.cache)
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        lock(&self.shared.backoff)
    }
}

/// What a token opens, of the hashes it was held against.
#[derive(Clone, Debug)]
pub(crate) struct Opened(Arc<Verdicts>);

impl Opened {
    fn of(verdicts: Arc<Verdicts>, hashes: &[&str]) -> Option<Self> {
        hashes.iter().any(|hash| verdicts.matched(hash)).then_some(Self(verdicts))
    }

    /// Whether it opens what `hash` guards.
    pub(crate) fn by(&self, hash: &str) -> bool {
        self.0.matched(hash)
    }
}

/// One admitted trial; it is given back also when the caller hangs up while waiting.
struct Trial<'a> {
    shared: &'a Shared,
    peer: IpAddr,
    failed: Option<bool>,
}

impl Trial<'_> {
    fn ended(mut self, failed: bool) {
        self.failed = Some(failed);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        lock(&self.shared.backoff).ended(self.peer, self.failed, Instant::now());
    }
}

/// The worker: one hash after the other. Every hash of a check is looked at, also after one that matched, so that the
/// work does not tell which one did.
fn work(shared: &Shared, queue: &Queue<Job>) {
    while let Some(mut turn) = queue.next() {
        let job = &mut turn.job;
        if job.answer.is_closed() {
            continue;
        }
        // The same token may have been waiting twice.
        if let Some(known) = lock(&shared.cache).known(&job.digest, Instant::now()) {
            job.verdicts = (*known).clone().and(&job.verdicts);
        }
        job.hashes.retain(|hash| !job.verdicts.covers(hash));
        if let Some(hash) = job.hashes.pop_first() {
            job.verdicts.add(&hash, hash::verify(job.token.expose_secret(), &hash));
        }
        if !job.hashes.is_empty() {
            queue.again(turn);
            continue;
        }
        let job = turn.job;
        let verdicts = Arc::new(job.verdicts);
        lock(&shared.cache).remember(job.digest, &verdicts, Instant::now());
        drop(job.answer.send(verdicts));
    }
}

/// A lock whose data stays whole whatever its holder did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_plausible(token: &str) -> bool {
    !token.is_empty() && token.len() <= LONGEST_TOKEN && !token.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn token(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn hashes(tokens: &[&str]) -> Vec<String> {
        tokens.iter().map(|token| bcrypt::hash(token, 4).unwrap()).collect()
    }

    async fn check(auth: &Authenticator, peer: IpAddr, text: &str, hashes: &[String]) -> Result<Opened, Refusal> {
        let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
        auth.opened(peer, &token(text), &hashes).await
    }

    #[tokio::test]
    async fn good_and_bad_tokens() {
        let auth = Authenticator::start().unwrap();
        let known = hashes(&["alpha", "beta"]);
        let opened = check(&auth, PEER, "beta", &known).await.unwrap();
        assert_eq!(known.iter().map(|hash| opened.by(hash)).collect::<Vec<_>>(), [false, true]);
        for bad in ["gamma", "", "beta\0", &"b".repeat(73)] {
            let refused = check(&auth, PEER, bad, &known).await.err();
            assert_eq!(refused, Some(Refusal::Invalid), "{bad:?}");
        }
    }

    #[test]
    fn what_no_hash_was_made_of_is_not_checked() {
        let (longest, longer) = ("b".repeat(72), "b".repeat(73));
        for (token, plausible) in [("a", true), (&longest, true), (&longer, false), ("", false), ("a\0b", false)] {
            assert_eq!(is_plausible(token), plausible, "{token:?}");
        }
    }

    #[test]
    fn the_worker_ends_with_the_last_clone() {
        let auth = Authenticator::start().unwrap();
        let shared = Arc::downgrade(&auth.shared);
        drop(auth.clone());
        assert!(shared.strong_count() > 1, "it works for the other clone");
        drop(auth);
        let patience = Instant::now() + std::time::Duration::from_secs(10);
        while shared.upgrade().is_some() {
            assert!(Instant::now() < patience, "the thread is still there");
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn five_failures_make_strangers_wait_but_not_cached_tokens() {
        let auth = Authenticator::start().unwrap();
        let known = hashes(&["alpha"]);
        check(&auth, PEER, "alpha", &known).await.unwrap();
        for round in 0..5 {
            let refused = check(&auth, PEER, &format!("bad{round}"), &known).await.err();
            assert_eq!(refused, Some(Refusal::Invalid));
        }
        let refused = check(&auth, PEER, "bad", &known).await;
        assert!(matches!(refused, Err(Refusal::TooMany { seconds: 1..=2 })), "{refused:?}");
        assert!(check(&auth, PEER, "alpha", &known).await.is_ok());
        let neighbour = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));
        assert_eq!(check(&auth, neighbour, "bad", &known).await.err(), Some(Refusal::Invalid));
    }

    #[tokio::test]
    async fn a_full_queue_is_an_answer() {
        let auth = Authenticator::start().unwrap();
        let slow = [bcrypt::hash("other", 10).unwrap()];
        let calls = (0..40_u8).map(|host| {
            let (auth, slow) = (auth.clone(), slow.clone());
            let peer = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, host));
            async move { check(&auth, peer, "wrong", &slow).await.err() }
        });
        let mut set = tokio::task::JoinSet::new();
        calls.for_each(|call| drop(set.spawn(call)));
        // When one has been checked, all have been queued or refused.
        let mut busy = 0;
        while set.join_next().await.unwrap().unwrap() == Some(Refusal::Busy) {
            busy += 1;
        }
        assert!((1..=8).contains(&busy), "{busy} of 40 refused");
    }

    #[tokio::test]
    async fn who_never_failed_does_not_wait_for_those_who_did() {
        let auth = Authenticator::start().unwrap();
        let one = bcrypt::hash("other", 8).unwrap();
        let dear: Vec<String> = (10..50).map(|number| format!("{}{number}{}", &one[..50], &one[52..])).collect();
        let failing = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));
        let quick = hashes(&["alpha"]);
        assert_eq!(check(&auth, failing, "bad", &quick).await.err(), Some(Refusal::Invalid));
        let slow = tokio::spawn({
            let auth = auth.clone();
            async move { check(&auth, failing, "worse", &dear).await }
        });
        tokio::task::yield_now().await;
        assert!(check(&auth, PEER, "alpha", &quick).await.is_ok());
        assert!(!slow.is_finished(), "its forty hashes came first");
        slow.abort();
    }
}

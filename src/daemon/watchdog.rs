//! Feeds systemd's watchdog (sd_watchdog_enabled(3)) as long as the daemon can do its work: timers run, and the store's
//! writer takes its turns. A dead modem, mail server or disk never stops the feeding: a restart cures none of them.

use tokio::time::{Duration, MissedTickBehavior, error::Elapsed, interval, timeout};
use tracing::error;

use crate::store::{Store, StoreError};

/// Feeds until it is dropped. `patience`: how long systemd waits.
pub(super) async fn feed(store: Store, patience: Duration) {
    // Two meals may be missed.
    let pause = (patience / 3).max(Duration::from_millis(1));
    let mut ticker = interval(pause);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticker.tick().await;
        let answer = timeout(pause, store.turn()).await;
        if works(&answer) {
            super::run::tell_systemd(&[sd_notify::NotifyState::Watchdog]);
        } else {
            error!("the store takes no turns; if that lasts, systemd starts the daemon anew");
        }
    }
}

/// Whether the store's writer is at work. An error of the database is an answer.
const fn works(answer: &Result<Result<(), StoreError>, Elapsed>) -> bool {
    !matches!(answer, Err(_) | Ok(Err(StoreError::Busy | StoreError::Closed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_writer_that_answers_is_at_work() {
        let late = timeout(Duration::from_secs(1), std::future::pending::<Result<(), StoreError>>()).await;
        assert!(!works(&late));
        for (answer, expected) in [
            (Ok(()), true),
            (Err(StoreError::Sqlite("disk full".to_owned())), true),
            (Err(StoreError::Busy), false),
            (Err(StoreError::Closed), false),
        ] {
            assert_eq!(works(&Ok(answer.clone())), expected, "{answer:?}");
        }
    }
}

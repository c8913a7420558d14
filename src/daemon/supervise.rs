//! Keeps a task alive: one that panics is started again after a pause that grows.

use std::future::Future;

use tokio::time::{Duration, Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::error;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Runs what `start` makes, again after each panic, until it ends by itself or `cancel`.
pub(super) fn supervise<F, S>(tasks: &TaskTracker, cancel: &CancellationToken, name: String, start: S)
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn() -> F + Send + 'static,
{
    let cancel = cancel.clone();
    let tracker = tasks.clone();
    tasks.spawn(async move {
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let Err(fault) = tracker.spawn(start()).await else { return };
            error!(task = %name, %fault, "a task failed and is started again");
            if started.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_twice_is_started_three_times() {
        let starts = Arc::new(AtomicU32::new(0));
        let tasks = TaskTracker::new();
        let counted = Arc::clone(&starts);
        supervise(&tasks, &CancellationToken::new(), "test".to_owned(), move || {
            let start = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(start >= 2, "falls over") }
        });
        tasks.close();
        tasks.wait().await;
        assert_eq!(starts.load(Ordering::Relaxed), 3);
    }
}

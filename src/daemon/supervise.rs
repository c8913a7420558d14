//! Keeps tasks alive: one that panics is started again after a pause that grows, or, where it cannot be, ends the
//! daemon.

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
            if tracker.spawn(start()).await.is_ok() {
                return;
            }
            // The error has the panic's message in it, and that may hold what no log must have.
            error!(task = %name, "a task failed and is started again");
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

/// Runs a task that cannot be started again. Should it panic, `fallen` is cancelled: the daemon ends, and whoever started
/// it starts all of it anew.
pub(super) fn essential<F>(tasks: &TaskTracker, fallen: &CancellationToken, name: &'static str, task: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let fallen = fallen.clone();
    let running = tasks.spawn(task);
    tasks.spawn(async move {
        if running.await.is_err() {
            error!(task = name, "a task failed that nothing works without");
            fallen.cancel();
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
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

    #[tokio::test(start_paused = true)]
    async fn the_log_has_the_task_and_not_what_it_was_busy_with() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt().with_writer(move || Shared(Arc::clone(&writer))).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let (tasks, fallen) = (TaskTracker::new(), CancellationToken::new());
        let busy = || async { panic!("code {}", 246_810) };
        essential(&tasks, &fallen, "well-known", busy());
        supervise(&tasks, &fallen, "well-kept".to_owned(), busy);
        fallen.cancelled().await;
        tasks.close();
        tasks.wait().await;
        let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
        assert!(log.contains("well-known") && log.contains("well-kept") && !log.contains("246810"), "{log}");
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_essential_task_that_panics_ends_the_daemon() {
        let (tasks, fallen) = (TaskTracker::new(), CancellationToken::new());
        essential(&tasks, &fallen, "well", async {});
        tasks.close();
        tasks.wait().await;
        assert!(!fallen.is_cancelled());
        tasks.reopen();
        essential(&tasks, &fallen, "ill", async { panic!("falls over") });
        fallen.cancelled().await;
    }
}

//! One deadline per connection, moved by what happens on it.
//!
//! hyper has one time-out for header and idle time together and none for an answer the peer does not read, so the
//! connection's task watches this clock instead. A call moves the deadline three times, nearly always to where the timer
//! need not follow: it is looked at again when it runs out, and woken only for a deadline before that.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::Instant,
};

use super::Limits;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Between two requests.
    Idle,
    /// Some of a request's header was read.
    Header,
    /// A request is being served.
    Busy,
}

/// The deadline of one connection. Clones share it.
#[derive(Clone)]
pub(super) struct Deadline {
    limits: Limits,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    sooner: Notify,
}

struct State {
    phase: Phase,
    until: Instant,
    /// When the timer runs out.
    timer: Instant,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deadline {
    /// Starts with the first request's header.
    pub(super) fn new(limits: Limits) -> Self {
        let until = Instant::now() + limits.header;
        let state = Mutex::new(State { phase: Phase::Header, until, timer: until });
        Self { limits, shared: Arc::new(Shared { state, sooner: Notify::new() }) }
    }

    /// Returns when the deadline has passed.
    pub(super) async fn passed(&self) {
        loop {
            let now = Instant::now();
            let timer = {
                let mut state = self.shared.state();
                // Where it was set to run out sooner, the call that asked for it may be over by now: it runs out once.
                if state.timer <= now {
                    state.timer = state.until;
                }
                state.timer
            };
            if timer <= now {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(timer) => {}
                () = self.shared.sooner.notified() => {}
            }
        }
    }

    /// A request was read up to its body; idle time begins when the guard is dropped.
    pub(super) fn busy(&self) -> Busy {
        self.enter(Phase::Busy, self.limits.request);
        Busy(self.clone())
    }

    fn octets_read(&self) {
        if self.shared.state().phase == Phase::Idle {
            self.enter(Phase::Header, self.limits.header);
        }
    }

    fn enter(&self, phase: Phase, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.shared.state();
        (state.phase, state.until) = (phase, until);
        if until < state.timer {
            state.timer = until;
            self.shared.sooner.notify_one();
        }
    }
}

/// A request under way.
pub(super) struct Busy(Deadline);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle, self.0.limits.idle);
    }
}

/// A stream that tells the deadline when something was read.
pub(super) struct Watched<S> {
    stream: S,
    deadline: Deadline,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, deadline: Deadline) -> Self {
        Self { stream, deadline }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.deadline.octets_read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn header_then_request_then_idle_then_header() {
        let limits = Limits::default();
        let start = Instant::now();
        Deadline::new(limits).passed().await;
        assert_eq!(start.elapsed(), limits.header);

        let deadline = Deadline::new(limits);
        let start = Instant::now();
        let busy = deadline.busy();
        deadline.octets_read();
        deadline.passed().await;
        assert_eq!(start.elapsed(), limits.request, "octets of the body do not move it");
        drop(busy);

        let start = Instant::now();
        deadline.passed().await;
        assert_eq!(start.elapsed(), limits.idle);

        drop(deadline.busy());
        let start = Instant::now();
        let watcher = tokio::spawn({
            let deadline = deadline.clone();
            async move { deadline.passed().await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        deadline.octets_read();
        watcher.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(1) + limits.header);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_one_after_the_other_leave_the_timer_alone() {
        let limits = Limits::default();
        let deadline = Deadline::new(limits);
        let start = Instant::now();
        let watcher = tokio::spawn({
            let deadline = deadline.clone();
            async move { deadline.passed().await }
        });
        tokio::task::yield_now().await;
        let mut timers = std::collections::BTreeSet::new();
        for _ in 0..200 {
            deadline.octets_read();
            timers.insert(deadline.shared.state().timer);
            drop(deadline.busy());
            timers.insert(deadline.shared.state().timer);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(timers.len() < 12, "{} times in 20 s", timers.len());
        deadline.octets_read();
        watcher.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(20) + limits.header, "the last header never came whole");
    }
}

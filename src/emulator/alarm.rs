//! A timer finer than the runtime's, which counts in milliseconds: an octet at 115,200 baud takes 87 microseconds.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd, RawFd},
};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::{
    io::unix::AsyncFd,
    sync::Notify,
    time::{Duration, Instant},
};

/// Goes off once for each setting (timerfd_create(2)).
#[derive(Debug)]
pub(super) struct Alarm(AsyncFd<Timer>);

#[derive(Debug)]
struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    #[expect(deprecated, reason = "its successor is unsafe; the timer keeps its descriptor, as that one demands")]
    pub(super) fn new() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        Ok(Self(AsyncFd::new(Timer(timer))?))
    }

    /// Waits until `wake` rings, or `next` is there; whether it was that. Loses nothing if it is dropped.
    pub(super) async fn quiet(&self, wake: &Notify, next: Option<Instant>) -> io::Result<bool> {
        let Some(next) = next else {
            wake.notified().await;
            return Ok(false);
        };
        // A setting of 0 would be none.
        let left = next.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        self.0.get_ref().0.set(Expiration::OneShot(TimeSpec::from_duration(left)), TimerSetTimeFlags::empty())?;
        tokio::select! {
            () = wake.notified() => Ok(false),
            guard = self.0.readable() => {
                guard?.clear_ready();
                Ok(next <= Instant::now())
            }
        }
    }
}

//! A day in minutes: one thread, tokio's paused clock, and the daemon's clocks bound to it.
//!
//! The paused clock jumps to the next timer whenever the runtime is about to sleep. That is right only if nothing
//! outside the runtime is about to answer. Three things are outside: the store's writer thread, which is waited for
//! before the runtime sleeps; blocking tasks, for which tokio holds the clock itself; and loopback sockets, whose octets
//! the kernel hands over a moment later: while one is open, ticks keep each jump so small that no deadline is missed.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use smsgate::store::{ClockSource, Store};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::Instant,
};

/// The longest jump: what a reading of the socket may be late by, in the day's time.
const TICK: Duration = Duration::from_millis(250);
/// How long the kernel gets, in real time, to hand over what was written to a socket.
const LOOPBACK: Duration = Duration::from_micros(60);
/// How long the machine had been up when the day began.
const UPTIME: Duration = Duration::from_secs(1000);

/// What the runtime waits for before time moves on.
#[derive(Debug, Default)]
pub struct Pacing {
    store: OnceLock<Store>,
    /// Connections to the mail server.
    pub sockets: AtomicUsize,
}

impl Pacing {
    /// The store whose answers are waited for.
    pub fn watch(&self, store: &Store) {
        self.store.set(store.clone()).expect("one store");
    }

    fn before_sleep(&self) {
        let Some(store) = self.store.get() else { return };
        let mut looks = 0_u32;
        while store.unanswered() > 0 {
            looks += 1;
            if looks < 50 { thread::yield_now() } else { thread::sleep(Duration::from_micros(20)) }
        }
        if self.sockets.load(Ordering::Relaxed) > 0 {
            thread::sleep(LOOPBACK);
        }
    }
}

/// A runtime whose time is paused and moves on as soon as nothing is left to do.
pub fn runtime(pacing: &Arc<Pacing>) -> Runtime {
    let pacing = Arc::clone(pacing);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .on_thread_park(move || pacing.before_sleep())
        .build()
        .expect("a runtime");
    runtime.spawn(async {
        loop {
            tokio::time::sleep(TICK).await;
        }
    });
    runtime
}

/// The daemon's clock: tokio's, whoever asks.
#[derive(Debug)]
pub struct DayClock {
    runtime: Handle,
    start: Instant,
    epoch: Timestamp,
}

impl DayClock {
    /// A clock that shows `epoch` now. Needs a runtime.
    pub fn new(epoch: Timestamp) -> Self {
        Self { runtime: Handle::current(), start: Instant::now(), epoch }
    }

    /// Since the day began.
    pub fn elapsed(&self) -> Duration {
        // The store asks from a thread of its own.
        let _guard = self.runtime.enter();
        self.start.elapsed()
    }
}

impl ClockSource for DayClock {
    fn boot_id(&self) -> String {
        "the day".to_owned()
    }

    fn boottime(&self) -> Duration {
        UPTIME + self.elapsed()
    }

    fn wall(&self) -> Timestamp {
        self.epoch + SignedDuration::try_from(self.elapsed()).expect("a day is not long")
    }
}

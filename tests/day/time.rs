//! A day in minutes: one thread, tokio's paused clock, and the daemon's clocks bound to it.
//!
//! The paused clock jumps to the next timer whenever the runtime is about to sleep. That is right only if nothing
//! outside the runtime is about to answer. Three things are outside: the store's writer thread, which is waited for
//! before the runtime sleeps; blocking tasks, for which tokio holds the clock itself; and loopback sockets, whose octets
//! the kernel hands over a moment later: while one is open, ticks keep each jump so small that no deadline is missed.

use std::{
    sync::{
        Arc, Mutex,
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
    store: Mutex<Option<Store>>,
    /// Connections to the mail server.
    pub sockets: AtomicUsize,
}

impl Pacing {
    /// The store whose answers are waited for from now on.
    pub fn watch(&self, store: &Store) {
        *self.store.lock().unwrap() = Some(store.clone());
    }

    fn before_sleep(&self) {
        let store = self.store.lock().unwrap();
        let Some(store) = store.as_ref() else { return };
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

/// The daemon's clock: tokio's, whoever asks. What the wall clock shows can be set, as can be how fast it goes.
#[derive(Debug)]
pub struct DayClock {
    runtime: Handle,
    start: Instant,
    epoch: Timestamp,
    hands: Mutex<Hands>,
    boot: Mutex<Boot>,
}

/// The wall clock since it was set last.
#[derive(Clone, Copy, Debug)]
struct Hands {
    set_at: Duration,
    shown: Timestamp,
    /// Millionths by which it is fast; less than 0: slow.
    fast: i64,
}

/// The machine since it was switched on last.
#[derive(Clone, Copy, Debug)]
struct Boot {
    number: u32,
    began: Duration,
    /// How long it had been up then.
    up: Duration,
}

impl DayClock {
    /// A clock that shows `epoch` now. Needs a runtime.
    pub fn new(epoch: Timestamp) -> Self {
        let hands = Hands { set_at: Duration::ZERO, shown: epoch, fast: 0 };
        let boot = Boot { number: 1, began: Duration::ZERO, up: UPTIME };
        let (runtime, start) = (Handle::current(), Instant::now());
        Self { runtime, start, epoch, hands: Mutex::new(hands), boot: Mutex::new(boot) }
    }

    /// Since the day began.
    pub fn elapsed(&self) -> Duration {
        // The store asks from a thread of its own.
        let _guard = self.runtime.enter();
        self.start.elapsed()
    }

    /// What a wall clock that is right shows.
    pub fn right(&self) -> Timestamp {
        self.epoch + SignedDuration::try_from(self.elapsed()).unwrap()
    }

    /// Sets the wall clock, which from then on is fast by so many millionths.
    pub fn set(&self, shown: Timestamp, fast: i64) {
        *self.hands.lock().unwrap() = Hands { set_at: self.elapsed(), shown, fast };
    }

    /// The machine starts anew. The wall clock is not touched.
    pub fn reboot(&self) {
        let mut boot = self.boot.lock().unwrap();
        *boot = Boot { number: boot.number + 1, began: self.elapsed(), up: Duration::from_secs(20) };
    }
}

impl ClockSource for DayClock {
    fn boot_id(&self) -> String {
        format!("boot {}", self.boot.lock().unwrap().number)
    }

    fn boottime(&self) -> Duration {
        let boot = *self.boot.lock().unwrap();
        boot.up + self.elapsed().saturating_sub(boot.began)
    }

    fn wall(&self) -> Timestamp {
        let hands = *self.hands.lock().unwrap();
        let passed = self.elapsed().saturating_sub(hands.set_at).as_micros();
        let passed = i64::try_from(passed).unwrap();
        hands.shown + SignedDuration::from_micros(passed + passed / 1_000_000 * hands.fast)
    }
}

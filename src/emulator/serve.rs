//! A world in use by several tasks: one for each modem, which sleeps until something is there for it.
//!
//! [`VirtualPool`] gives streams inside the process.

use std::{
    collections::HashMap,
    io,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::Notify,
    time::Instant,
};

use super::{modem::Modem, network::Network, personality::Personality, playback, replay::Replay, world::World};

/// Marks a recorded session in the place of a model.
const TRACE: &str = "trace:";

/// A world in use by several tasks.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    start: Instant,
    /// One a modem: something may be there to write.
    wakes: Mutex<Vec<Arc<Notify>>>,
    /// How many streams each modem has had; only the last is served.
    streams: Mutex<HashMap<usize, u64>>,
    /// Anything happened.
    activity: Notify,
}

impl Shared {
    /// Shares a world from now on.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(Inner {
            world: Mutex::new(world),
            start: Instant::now(),
            wakes: Mutex::default(),
            streams: Mutex::default(),
            activity: Notify::new(),
        }))
    }

    /// Does something to the world, and wakes whom it concerns.
    pub fn with<T>(&self, act: impl FnOnce(&mut World, Duration) -> T) -> T {
        let now = self.0.start.elapsed();
        let mut world = lock(&self.0.world);
        let result = act(&mut world, now);
        world.settle(now);
        let woken = world.take_woken();
        drop(world);
        for index in woken {
            self.wake(index).notify_one();
        }
        self.0.activity.notify_waiters();
        result
    }

    /// Waits until nothing is under way any more, that long at most; whether it came to that.
    pub async fn wait_idle(&self, at_most: Duration) -> bool {
        let idle = async {
            loop {
                let activity = self.0.activity.notified();
                tokio::pin!(activity);
                activity.as_mut().enable();
                if lock(&self.0.world).is_idle() {
                    return;
                }
                activity.await;
            }
        };
        tokio::time::timeout(at_most, idle).await.is_ok()
    }

    /// A stream to a modem, as a terminal that opens its port has it. An earlier stream to it ends.
    ///
    /// # Errors
    /// The modem is not plugged.
    pub fn open(&self, index: usize) -> io::Result<DuplexStream> {
        if self.plugged(index).is_none() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the virtual modem is not plugged"));
        }
        let stream = {
            let mut streams = lock(&self.0.streams);
            let count = streams.entry(index).or_default();
            *count += 1;
            *count
        };
        self.with(|world, now| world.closed(now, index));
        let (near, far) = tokio::io::duplex(4096);
        let shared = self.clone();
        tokio::spawn(async move {
            let is_last = || lock(&shared.0.streams).get(&index) == Some(&stream);
            serve_stream(&shared, index, far, is_last).await;
            // It may have been rung for its successor.
            shared.wake(index).notify_one();
        });
        Ok(near)
    }

    /// Output of a modem that is due, and when to call [`Self::timeout`].
    pub(super) fn output(&self, index: usize) -> (Vec<u8>, Option<Instant>) {
        let now = self.0.start.elapsed();
        let mut world = lock(&self.0.world);
        let output = world.poll_output(now, index);
        let next = world.poll_timeout(index).and_then(|due| self.0.start.checked_add(due));
        drop(world);
        if !output.is_empty() {
            self.0.activity.notify_waiters();
        }
        (output, next)
    }

    /// Bytes from the terminal.
    pub(super) fn input(&self, index: usize, bytes: &[u8]) {
        self.with(|world, now| world.handle_input(now, index, bytes));
    }

    /// Something was due.
    pub(super) fn timeout(&self, index: usize) {
        self.with(|world, now| world.handle_timeout(now, index));
    }

    /// Which plug it is and the name of its link, if the modem is plugged.
    pub(super) fn plugged(&self, index: usize) -> Option<(u64, String)> {
        lock(&self.0.world).modem(index).and_then(|modem| modem.link().map(|link| (modem.plugs, link.to_owned())))
    }

    /// From now on one bell rings for all of these modems.
    pub(super) fn join_wakes(&self, modems: Range<usize>) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        let mut wakes = lock(&self.0.wakes);
        if wakes.len() < modems.end {
            wakes.resize_with(modems.end, Arc::default);
        }
        for one in wakes.get_mut(modems).unwrap_or_default() {
            *one = Arc::clone(&wake);
        }
        wake
    }

    /// Rings when something may be there for the modem.
    pub(super) fn wake(&self, index: usize) -> Arc<Notify> {
        let mut wakes = lock(&self.0.wakes);
        if wakes.len() <= index {
            wakes.resize_with(index + 1, Arc::default);
        }
        wakes.get(index).cloned().unwrap_or_default()
    }
}

/// Waits until the modem is rung for, or `next` is there; whether it was that.
pub(super) async fn quiet(wake: &Notify, next: Option<Instant>) -> bool {
    match next {
        Some(next) => tokio::time::timeout_at(next, wake.notified()).await.is_err(),
        None => {
            wake.notified().await;
            false
        }
    }
}

/// Modems of `port = virtual:...`, one a slot, in one network.
#[derive(Debug)]
pub struct VirtualPool {
    shared: Shared,
    slots: Mutex<HashMap<String, usize>>,
}

impl VirtualPool {
    /// An empty pool. Needs a tokio runtime from the first [`Self::connect`] on.
    #[must_use]
    pub fn new(epoch: jiff::Timestamp, seed: u64) -> Self {
        Self { shared: Shared::new(World::new(Network::new(epoch, seed))), slots: Mutex::default() }
    }

    /// Its world.
    #[must_use]
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// How often the slot's modem was plugged in; `None` while it is not.
    #[must_use]
    pub fn plugs(&self, slot: &str) -> Option<u64> {
        let index = *lock(&self.slots).get(slot)?;
        self.shared.plugged(index).map(|(plugs, _)| plugs)
    }

    /// A stream to the slot's modem, which is made when first asked for, with the number its SIM shall have (one of the
    /// network's own if none is given). An earlier stream to it ends. `trace:FILE` plays a recorded session.
    ///
    /// # Errors
    /// No model has that name, or the modem is not plugged.
    pub fn connect(&self, slot: &str, personality: &str, number: Option<&str>) -> io::Result<DuplexStream> {
        if let Some(path) = personality.strip_prefix(TRACE) {
            return Ok(playback::stream(Replay::load(Path::new(path))?));
        }
        let personality = Personality::named(personality)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no virtual modem `{personality}`")))?;
        let index = {
            let mut slots = lock(&self.slots);
            let serial = slots.len();
            *slots.entry(slot.to_owned()).or_insert_with(|| {
                let number = number.map_or_else(|| format!("+491700000{serial:03}"), str::to_owned);
                self.shared.with(|world, _| world.add(Modem::new(personality, &number, serial as u64)))
            })
        };
        self.shared.open(index)
    }
}

async fn serve_stream(shared: &Shared, index: usize, mut stream: DuplexStream, is_last: impl Fn() -> bool) {
    let mut buffer = [0; 1024];
    let wake = shared.wake(index);
    let plug = shared.plugged(index);
    while is_last() && plug.is_some() && shared.plugged(index) == plug {
        let (output, next) = shared.output(index);
        if stream.write_all(&output).await.is_err() {
            return;
        }
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(count) if count > 0 => shared.input(index, buffer.get(..count).unwrap_or_default()),
                _ => return,
            },
            timed_out = quiet(&wake, next) => if timed_out { shared.timeout(index); },
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

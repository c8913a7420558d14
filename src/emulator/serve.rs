//! Serves a world: one task a modem, one timer for all. [`VirtualPool`] gives streams inside the process.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::Notify,
    time::Instant,
};

use super::{modem::Modem, network::Network, personality::Personality, world::World};

/// A world in use by several tasks.
#[derive(Clone, Debug)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    start: Instant,
    changed: Arc<Notify>,
}

impl Shared {
    /// Shares a world from now on.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), start: Instant::now(), changed: Arc::new(Notify::new()) }
    }

    /// Does something to the world, and lets every task see what came of it.
    pub fn with<T>(&self, act: impl FnOnce(&mut World, Duration) -> T) -> T {
        let now = self.start.elapsed();
        let mut world = self.lock();
        let result = act(&mut world, now);
        world.settle(now);
        drop(world);
        self.changed.notify_waiters();
        result
    }

    /// Output of a modem that is due, and when to look again.
    pub(super) fn output(&self, index: usize) -> (Vec<Vec<u8>>, Option<Instant>) {
        let now = self.start.elapsed();
        let mut world = self.lock();
        let output = world.poll_output(now, index).into();
        let next = world.poll_timeout(now).and_then(|due| self.start.checked_add(due));
        (output, next)
    }

    pub(super) fn plugged(&self, index: usize) -> Option<String> {
        self.lock().modem(index).filter(|modem| modem.plugged).map(|modem| modem.link.clone())
    }

    pub(super) const fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the world changes or `next` is there.
pub(super) async fn quiet(changed: impl Future<Output = ()>, next: Option<Instant>) -> bool {
    match next {
        Some(next) => tokio::time::timeout_at(next, changed).await.is_err(),
        None => {
            changed.await;
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

    /// A stream to the slot's modem, which is made when first asked for.
    ///
    /// # Errors
    /// No model has that name.
    pub fn connect(&self, slot: &str, personality: &str) -> io::Result<DuplexStream> {
        let personality = Personality::named(personality)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no virtual modem `{personality}`")))?;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let serial = slots.len();
        let index = *slots.entry(slot.to_owned()).or_insert_with(|| {
            let number = format!("+491700000{serial:03}");
            self.shared.with(|world, _| world.add(Modem::new(personality, &number, serial as u64)))
        });
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(serve_stream(self.shared.clone(), index, far));
        Ok(near)
    }
}

async fn serve_stream(shared: Shared, index: usize, mut stream: DuplexStream) {
    let mut buffer = [0; 1024];
    while shared.plugged(index).is_some() {
        let changed = shared.changed().notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (output, next) = shared.output(index);
        for piece in output {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(count) if count > 0 => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    shared.with(|world, now| world.handle_input(now, index, bytes));
                }
                _ => return,
            },
            timed_out = quiet(changed, next) => if timed_out { shared.with(|_, _| ()); },
        }
    }
}

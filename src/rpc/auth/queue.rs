//! Checks that wait for the worker: those of addresses that never failed first, and hash by hash, who has had the fewest
//! first.
//!
//! A call may ask for as many hashes as there are slots, each a tenth of a second. So whoever asks for one does not wait
//! for those who ask for many, and who never failed does not wait for those who did.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use super::backoff::Standing;

/// Checks that may wait for addresses that never failed, of whom each has a few: first turns of all of them take some
/// three seconds.
const CLEAN: usize = 32;
/// And for those that did.
const FAILED: usize = 8;

/// The queue between callers and the worker.
pub(super) struct Queue<J> {
    lanes: Mutex<Lanes<J>>,
    changed: Condvar,
}

impl<J> Queue<J> {
    pub(super) fn new() -> Self {
        Self { lanes: Mutex::new(Lanes::new()), changed: Condvar::new() }
    }

    /// Adds a check; false if too many wait already.
    #[must_use]
    pub(super) fn add(&self, standing: Standing, job: J) -> bool {
        let added = self.lock().add(standing, job);
        self.changed.notify_one();
        added
    }

    /// Waits for the next check whose turn it is; `None` once the queue is closed.
    pub(super) fn next(&self) -> Option<Turn<J>> {
        let mut lanes = self.lock();
        loop {
            if lanes.closed {
                return None;
            }
            if let Some(found) = lanes.next() {
                return Some(found);
            }
            lanes = self.changed.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes back a check that is not done: it has its next turn after those who had fewer.
    pub(super) fn again(&self, turn: Turn<J>) {
        self.lock().lane(turn.standing).push_back(Turn { had: turn.had.saturating_add(1), ..turn });
    }

    /// Ends the worker, and drops what waits.
    pub(super) fn close(&self) {
        let mut lanes = self.lock();
        *lanes = Lanes { closed: true, ..Lanes::new() };
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Lanes<J>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A check whose turn it is.
pub(super) struct Turn<J> {
    pub(super) job: J,
    standing: Standing,
    /// Turns before this one.
    had: u32,
}

struct Lanes<J> {
    clean: VecDeque<Turn<J>>,
    failed: VecDeque<Turn<J>>,
    closed: bool,
}

impl<J> Lanes<J> {
    const fn new() -> Self {
        Self { clean: VecDeque::new(), failed: VecDeque::new(), closed: false }
    }

    const fn lane(&mut self, standing: Standing) -> &mut VecDeque<Turn<J>> {
        match standing {
            Standing::Clean => &mut self.clean,
            Standing::Failed => &mut self.failed,
        }
    }

    fn add(&mut self, standing: Standing, job: J) -> bool {
        let most = match standing {
            Standing::Clean => CLEAN,
            Standing::Failed => FAILED,
        };
        let lane = self.lane(standing);
        let fits = lane.len() < most;
        if fits {
            lane.push_back(Turn { job, standing, had: 0 });
        }
        fits
    }

    fn next(&mut self) -> Option<Turn<J>> {
        let lane = if self.clean.is_empty() { &mut self.failed } else { &mut self.clean };
        let (at, _) = lane.iter().enumerate().min_by_key(|(_, turn)| turn.had)?;
        lane.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clean_come_first_and_then_those_with_the_fewest_turns() {
        let queue = Queue::new();
        let jobs = [
            (Standing::Failed, "x", 2),
            (Standing::Clean, "a", 3),
            (Standing::Failed, "y", 1),
            (Standing::Clean, "b", 2),
        ];
        assert!(jobs.into_iter().all(|(standing, name, turns)| queue.add(standing, (name, turns))));
        let mut served = String::new();
        for round in 0..9 {
            if round == 3 {
                assert!(queue.add(Standing::Clean, ("c", 1)));
            }
            let mut turn = queue.next().unwrap();
            served.push_str(turn.job.0);
            turn.job.1 -= 1;
            if turn.job.1 > 0 {
                queue.again(turn);
            }
        }
        assert_eq!(served, "abacbaxyx");
    }

    #[test]
    fn a_lane_that_is_full_leaves_room_in_the_other() {
        let queue = Queue::new();
        assert!((0..FAILED).all(|job| queue.add(Standing::Failed, job)));
        assert!(!queue.add(Standing::Failed, FAILED));
        assert!((0..CLEAN).all(|job| queue.add(Standing::Clean, job)));
        assert!(!queue.add(Standing::Clean, CLEAN));
    }

    #[test]
    fn closing_ends_the_worker() {
        let queue = std::sync::Arc::new(Queue::<u8>::new());
        let worker = std::thread::spawn({
            let queue = std::sync::Arc::clone(&queue);
            move || queue.next()
        });
        queue.close();
        assert!(worker.join().unwrap().is_none());
    }
}

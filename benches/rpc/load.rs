//! Load: as much as goes through, or so much and no less; and what it cost whom.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{client::Target, process};

/// Calls of a connection before anything is counted.
const WARM_UP: usize = 50;

/// What one run came to.
pub struct Run {
    wall: Duration,
    server: Duration,
    clients: Duration,
    /// Of each call, sorted.
    times: Vec<Duration>,
    /// Of them never made, since they fell too far behind.
    forgone: usize,
}

impl Run {
    /// Calls for each second that the server had of its core.
    pub fn calls_per_core_second(&self) -> f64 {
        self.calls() / self.server.as_secs_f64()
    }

    pub fn calls_per_second(&self) -> f64 {
        self.calls() / self.wall.as_secs_f64()
    }

    /// The server's processor time for a call.
    pub fn microseconds(&self) -> f64 {
        self.server.as_secs_f64() * 1e6 / self.calls()
    }

    /// How much of its core the server had, in hundredths.
    pub fn share(&self) -> f64 {
        self.server.as_secs_f64() / self.wall.as_secs_f64() * 100.0
    }

    /// The clients'.
    pub fn client_microseconds(&self) -> f64 {
        self.clients.as_secs_f64() * 1e6 / self.calls()
    }

    /// The time within which this share of the answers came.
    pub fn milliseconds(&self, share: f64) -> f64 {
        let rank = (self.times.len() as f64 * share) as usize;
        self.times[rank.min(self.times.len() - 1)].as_secs_f64() * 1e3
    }

    fn calls(&self) -> f64 {
        (self.times.len() - self.forgone) as f64
    }
}

/// Each connection asks again as soon as it has its answer.
pub fn closed(target: &Target, connections: usize, length: Duration, pid: u32) -> Run {
    measured(connections, pid, |_, begin| {
        let mut line = target.connect();
        (0..WARM_UP).for_each(|_| line.call());
        let end = begin.wait() + length;
        timed_until(end, || line.call())
    })
}

/// Calls are due at fixed times, whether earlier ones were answered or not. Where they fall behind by more than the length
/// of the run, those still due count with the time that they have waited.
pub fn open(target: &Target, connections: usize, length: Duration, rate: f64, pid: u32) -> Run {
    let gap = Duration::from_secs_f64(connections as f64 / rate);
    measured(connections, pid, |connection, begin| {
        let mut line = target.connect();
        (0..WARM_UP).for_each(|_| line.call());
        let begin = begin.wait();
        let first = begin + gap.mul_f64(connection as f64 / connections as f64);
        let (mut times, mut forgone) = (Vec::new(), 0);
        for serial in 0.. {
            let due = first + gap * serial;
            if due >= begin + length {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if begin.elapsed() < 2 * length {
                line.call();
            } else {
                forgone += 1;
            }
            times.push(due.elapsed());
        }
        (times, forgone)
    })
}

/// Each call on a connection of its own.
pub fn reconnecting(target: &Target, clients: usize, length: Duration, pid: u32, resumes: bool) -> Run {
    measured(clients, pid, |_, begin| {
        let target = target.resuming(resumes);
        let call = || {
            let mut line = target.connect();
            line.call();
            let resumed = line.resumed();
            line.close();
            resumed
        };
        // The second leaves it to the first what to resume.
        for _ in 0..2 {
            call();
        }
        let end = begin.wait() + length;
        timed_until(end, || assert_eq!(call(), resumes, "sessions are resumed if asked to, and only then"))
    })
}

fn timed_until(end: Instant, mut call: impl FnMut()) -> Times {
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        if began >= end {
            return (times, 0);
        }
        call();
        times.push(began.elapsed());
    }
}

/// What one client saw: how long calls took, and how many of them it never made.
type Times = (Vec<Duration>, usize);

/// Where clients that are ready wait for each other.
pub struct Begin(std::sync::Barrier);

impl Begin {
    fn wait(&self) -> Instant {
        self.0.wait();
        Instant::now()
    }
}

/// Runs clients on threads of their own, and counts from when all are ready.
fn measured(clients: usize, pid: u32, client: impl Fn(usize, &Begin) -> Times + Sync) -> Run {
    let begin = Begin(std::sync::Barrier::new(clients + 1));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|number| (number, &client, &begin)).collect();
        let threads: Vec<_> =
            threads.into_iter().map(|(number, client, begin)| scope.spawn(move || client(number, begin))).collect();
        let began = begin.wait();
        let (server, own) = (process::time_of(pid), process::time_of(std::process::id()));
        let (mut times, mut forgone) = (Vec::new(), 0);
        for thread in threads {
            let (of_one, forgone_by_one) = thread.join().unwrap();
            times.extend(of_one);
            forgone += forgone_by_one;
        }
        let wall = began.elapsed();
        times.sort_unstable();
        let server = process::time_of(pid) - server;
        Run { wall, server, clients: process::time_of(std::process::id()) - own, times, forgone }
    })
}

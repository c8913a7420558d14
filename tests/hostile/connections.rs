//! S6 and S7: connections that are held, dragged out, chopped, stacked and broken off. Somebody else's call goes through
//! all the same, and nothing of them stays.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    figures::{Times, descriptors, resident, threads},
    peer::Target,
    rig::Rig,
    scale::figure,
};

const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
/// The daemon's longest deadline for somebody who gets nowhere is 10 s (a body).
const SETTLED: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A daemon, the way to it, and what it holds while nobody is connected.
struct Calm {
    rig: Rig,
    target: Target,
    descriptors: usize,
    memory: u64,
    pings: Times,
}

impl Calm {
    fn start(runtime: &Runtime) -> Self {
        let rig = Rig::start(1);
        rig.until_ready(1);
        let target = Target::of(&rig.site);
        let pings = runtime.block_on(pings(&target, Duration::from_secs(1)));
        let pid = rig.pid();
        // The rig's own client may be on its way out.
        let mut held = descriptors(pid);
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(10));
            held = held.min(descriptors(pid));
        }
        Self { target, descriptors: held, memory: resident(pid), pings, rig }
    }

    /// Descriptors are back, threads never grew with connections, memory did not pile up.
    fn assert_restored(&self, since: Instant) {
        let pid = self.rig.pid();
        self.rig.until("the descriptors are back", || descriptors(pid) <= self.descriptors);
        let took = since.elapsed();
        let grown = resident(pid).saturating_sub(self.memory);
        eprintln!(
            "{} descriptors again after {took:.1?}; {grown} KiB more resident; {} threads",
            self.descriptors,
            threads(pid)
        );
        assert!(took < SETTLED, "the descriptors took {took:?}");
        assert!(grown < figure("CONNECTIONS_GROWTH_KIB", 16 * 1024, 8 * 1024), "{grown} KiB more");
    }
}

/// Pings from an address of its own, each on a connection of its own.
async fn pings(target: &Target, length: Duration) -> Times {
    let mut times = Times::default();
    let began = Instant::now();
    while began.elapsed() < length {
        times.push(target.timed(ELSEWHERE, "ping", &[]).await.expect("a ping from elsewhere is answered"));
        sleep(Duration::from_millis(20)).await;
    }
    times
}

/// What a peer does that wants to keep a connection for nothing.
#[derive(Clone, Copy)]
enum Holding {
    /// Nothing at all.
    Silent,
    /// A TLS handshake that stops in the middle.
    HalfHandshake,
    /// A header, octet by octet.
    SlowHeader,
    /// A body, octet by octet.
    SlowBody,
    /// The end of its direction right after the handshake.
    HalfClosed,
}

impl Holding {
    async fn hold(self, target: &Target, source: Ipv4Addr) -> io::Result<()> {
        match self {
            Self::Silent => rest(target.tcp(source).await?).await,
            Self::HalfHandshake => {
                let mut stream = target.tcp(source).await?;
                // A record that announces more than comes.
                stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await?;
                rest(stream).await
            }
            Self::SlowHeader => trickle(target, source, b"POST / HTTP/1.1\r\nX: ").await,
            Self::SlowBody => {
                trickle(target, source, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n").await
            }
            Self::HalfClosed => {
                let mut stream = target.tls(source).await?;
                stream.shutdown().await?;
                rest(stream).await
            }
        }
    }
}

async fn trickle(target: &Target, source: Ipv4Addr, head: &[u8]) -> io::Result<()> {
    let mut stream = target.tls(source).await?;
    stream.write_all(head).await?;
    loop {
        stream.write_all(b"a").await?;
        stream.flush().await?;
        let mut octet = [0];
        if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(200), stream.read(&mut octet)).await {
            return Ok(());
        }
    }
}

/// Stays until the other end has had enough.
async fn rest(mut stream: impl AsyncReadExt + Unpin) -> io::Result<()> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map(drop)
}

#[test]
fn s06_slow_and_silent_peers() {
    let each = u32::try_from(figure("HOLDERS", 100, 500)).unwrap();
    let length = Duration::from_secs(figure("HOLDING_SECONDS", 5, 20));
    let bar = Duration::from_millis(figure("HOLDING_P99_MS", 100, 100));
    let runtime = runtime();
    let calm = Calm::start(&runtime);
    let over = Arc::new(AtomicBool::new(false));
    let under = runtime.block_on(async {
        let mut holders = JoinSet::new();
        let tries = Arc::new(AtomicU64::new(0));
        let kinds =
            [Holding::Silent, Holding::HalfHandshake, Holding::SlowHeader, Holding::SlowBody, Holding::HalfClosed];
        for (kind, number) in kinds.iter().flat_map(|kind| (0..each).map(move |number| (*kind, number))) {
            let (target, over, tries) = (calm.target.clone(), Arc::clone(&over), Arc::clone(&tries));
            holders.spawn(async move {
                // A hundred addresses; refused or dropped, everyone comes again.
                let source = Ipv4Addr::new(127, 0, 4, u8::try_from(number % 100).unwrap() + 1);
                while !over.load(Ordering::Relaxed) {
                    tries.fetch_add(1, Ordering::Relaxed);
                    let _ = timeout(Duration::from_secs(30), kind.hold(&target, source)).await;
                    sleep(Duration::from_millis(3000 + u64::from(number * 37 % 4000))).await;
                }
            });
        }
        sleep(Duration::from_secs(1)).await;
        let under = pings(&calm.target, length).await;
        eprintln!("{} connections by {} peers meanwhile", tries.load(Ordering::Relaxed), holders.len());
        over.store(true, Ordering::Relaxed);
        holders.shutdown().await;
        under
    });
    let since = Instant::now();
    under.assert_p99("a ping from elsewhere", bar, &calm.pings, 10, Duration::from_millis(50));
    calm.assert_restored(since);
}

#[test]
fn s07_aborted_handshakes() {
    let count = figure("ABORTED_HANDSHAKES", 1000, 10_000);
    let bar = Duration::from_millis(figure("ABORTED_P99_MS", 100, 100));
    let runtime = runtime();
    let calm = Calm::start(&runtime);
    let under = runtime.block_on(async {
        let left = Arc::new(AtomicU64::new(count));
        let mut attackers = JoinSet::new();
        for number in 0..8_u8 {
            let (target, left) = (calm.target.clone(), Arc::clone(&left));
            attackers.spawn(async move {
                let source = Ipv4Addr::new(127, 0, 5, number + 1);
                let mut reached = 0_u64;
                while let Some(serial) = next(&left) {
                    reached += u64::from(abort(&target, source, serial).await.is_ok());
                }
                reached
            });
        }
        let over = async {
            let reached: u64 = attackers.join_all().await.iter().sum();
            assert!(reached * 2 > count, "only {reached} of {count} connections were made");
            reached
        };
        let pinged = async {
            let mut under = Times::default();
            while left.load(Ordering::Relaxed) > 0 {
                under.push(calm.target.timed(ELSEWHERE, "ping", &[]).await.expect("a ping from elsewhere is answered"));
                sleep(Duration::from_millis(5)).await;
            }
            under
        };
        let (reached, under) = tokio::join!(over, pinged);
        eprintln!("{reached} handshakes broken off in five ways");
        under
    });
    let since = Instant::now();
    under.assert_p99("a ping from elsewhere", bar, &calm.pings, 10, Duration::from_millis(50));
    calm.assert_restored(since);
}

fn next(left: &AtomicU64) -> Option<u64> {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).ok()
}

/// Ends a handshake at one of its steps, in an orderly way or with a reset.
async fn abort(target: &Target, source: Ipv4Addr, serial: u64) -> io::Result<()> {
    let mut stream = target.tcp(source).await?;
    match serial % 5 {
        0 => {}
        1 => stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).await?,
        2 => stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?,
        3 => stream.write_all(&[0x80, 0x2e, 1, 0, 2]).await?,
        // All but the end: the certificate has been sent and signed for.
        _ => return target.break_off(stream).await,
    }
    // Unread octets or none: the system sends a reset or an end.
    stream.set_zero_linger()
}

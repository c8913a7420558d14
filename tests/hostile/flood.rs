//! S1: wrong tokens by the thousand. Those who have good ones must not notice, and a password hash is dear.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time};

use super::{
    figures::{Times, resident},
    peer::Target,
    rig::{Rig, TOKEN, hash},
    scale::{figure, is_full},
};

/// A client that is known already, one that comes for the first time, and the first of those that mean harm.
const KNOWN: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
const CLEAN: u8 = 2;
const ATTACKERS: u8 = 8;
/// Of each: who has a token checked waits for it, and the flood must go on.
const CONNECTIONS: u8 = 5;
/// As the command for a new token makes them.
const COST: u32 = 10;

#[test]
fn s01_bad_token_flood() {
    let seconds = figure("FLOOD_SECONDS", 6, 60);
    let rate = figure("FLOOD_RATE", 1000, 1000);
    let bar = Duration::from_millis(figure("FLOOD_P99_MS", 50, 50));
    let first_time = Duration::from_millis(figure("FLOOD_FIRST_TIME_MS", 4000, 3000));
    let growth = figure("FLOOD_GROWTH_KIB", 24 * 1024, 8 * 1024);
    // Each slot has a hash of its own: to ask for the messages of all is to have a token checked as often.
    let modems = usize::try_from(figure("FLOOD_MODEMS", 4, 16)).unwrap();
    let mut rig = Rig::prepare(modems, |_| {});
    stretch_hashes(&rig);
    rig.restart();
    let (target, pid) = (Target::of(&rig.site), rig.pid());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // Its first call has its token checked, the others find it known.
        target.timed(KNOWN, "get_sms", &[TOKEN, ""]).await.unwrap();
        let before = good_calls(&target, Duration::from_secs(2.min(seconds))).await;
        let memory = resident(pid);
        let flood = Flood::start(&target, rate);
        let clean = tokio::spawn(first_calls(target.clone(), Duration::from_secs(seconds)));
        let under = good_calls(&target, Duration::from_secs(seconds)).await;
        let grown = resident(pid).saturating_sub(memory);
        let clean = clean.await.unwrap();
        let (codes, made) = flood.end().await;
        eprintln!("{made} wrong tokens in {seconds} s from {ATTACKERS} addresses; faults {codes:?}");
        eprintln!("resident memory {memory} KiB before, {grown} KiB more under attack");
        eprintln!("{}", clean.row("a good token's first call, from an address that never failed"));
        assert!(made >= rate * seconds / 2, "only {made} calls were made: no flood");
        assert!(codes.keys().all(|code| matches!(code, 401 | 429 | 503)), "{codes:?}");
        assert!(codes.contains_key(&401), "{codes:?}");
        for ((what, under), (_, before)) in under.iter().zip(&before) {
            under.assert_p99(what, bar, before, 8, Duration::from_millis(20));
        }
        assert!(clean.percentile(100) <= first_time, "{first_time:?} are allowed");
        assert!(grown <= growth, "{grown} KiB more, {growth} are allowed");
    });
    if is_full() {
        assert!(!cfg!(debug_assertions) || std::env::var_os("SMSGATE_BINARY").is_some(), "a release build, please");
    }
}

/// Hashes as people have them, in the place of the quick ones.
fn stretch_hashes(rig: &Rig) {
    let path = rig.site.config_folder().join("smsgate.conf");
    let mut text = fs::read_to_string(&path).unwrap();
    let quick = hash(TOKEN);
    while text.contains(&quick) {
        text = text.replacen(&quick, &bcrypt::hash(TOKEN, COST).unwrap(), 1);
    }
    fs::write(path, text).unwrap();
}

/// Calls of a known client for a while, of several kinds.
async fn good_calls(target: &Target, length: Duration) -> Vec<(&'static str, Times)> {
    let mut kept = target.peer(KNOWN).await.unwrap();
    let (mut calls, mut pings, mut whole) = (Times::default(), Times::default(), Times::default());
    let began = Instant::now();
    while began.elapsed() < length {
        calls.push(kept.timed("get_sms", &[TOKEN, ""]).await.unwrap());
        pings.push(kept.timed("ping", &[]).await.unwrap());
        whole.push(target.timed(KNOWN, "ping", &[]).await.unwrap());
        time::sleep(Duration::from_millis(8)).await;
    }
    vec![
        ("get_sms with a known token, connection kept", calls),
        ("ping, connection kept", pings),
        ("ping, with its TCP and TLS handshake", whole),
    ]
}

/// First calls with a token that nobody used before, each for another function and from another address, spread over
/// the time. A full queue is an answer after which clients come again.
async fn first_calls(target: Target, length: Duration) -> Times {
    let mut times = Times::default();
    let methods = ["get_stats", "get_health_state"];
    for (place, method) in (0_u8..).zip(methods) {
        time::sleep(length / 3).await;
        let began = Instant::now();
        let source = Ipv4Addr::new(127, 0, CLEAN, place + 1);
        let mut peer = target.peer(source).await.unwrap();
        while let Err(fault) = peer.call(method, &[TOKEN]).await.unwrap() {
            assert_eq!(fault.code, 503, "{fault:?}");
            time::sleep(Duration::from_millis(50)).await;
        }
        times.push(began.elapsed());
    }
    times
}

/// Wrong tokens at a rate, until it is ended.
struct Flood {
    tasks: JoinSet<BTreeMap<i32, u64>>,
    over: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
}

impl Flood {
    fn start(target: &Target, rate: u64) -> Self {
        let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for number in 0..ATTACKERS * CONNECTIONS {
            let (target, over, made) = (target.clone(), Arc::clone(&over), Arc::clone(&made));
            let pause = Duration::from_secs(1) * u32::from(ATTACKERS * CONNECTIONS) / u32::try_from(rate).unwrap();
            tasks.spawn(async move {
                let source = Ipv4Addr::new(127, 0, 3, number % ATTACKERS + 1);
                let mut codes = BTreeMap::new();
                let mut peer = target.peer(source).await.unwrap();
                let mut tick = time::interval(pause);
                tick.set_missed_tick_behavior(time::MissedTickBehavior::Burst);
                for serial in 0_u64.. {
                    tick.tick().await;
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let token = format!("{number:016x}{serial:016x}");
                    // The dearest call there is, and the cheapest: one hash a slot, and one.
                    let call =
                        if number % 2 == 0 { ("get_sms", vec![&*token, ""]) } else { ("get_stats", vec![&*token]) };
                    let fault = peer.call(call.0, &call.1).await.unwrap().unwrap_err();
                    *codes.entry(fault.code).or_default() += 1;
                    made.fetch_add(1, Ordering::Relaxed);
                }
                codes
            });
        }
        Self { tasks, over, made }
    }

    /// How many of each fault there were, and of all together.
    async fn end(self) -> (BTreeMap<i32, u64>, u64) {
        self.over.store(true, Ordering::Relaxed);
        let mut codes = BTreeMap::new();
        for one in self.tasks.join_all().await {
            one.into_iter().for_each(|(code, count)| *codes.entry(code).or_default() += count);
        }
        (codes, self.made.load(Ordering::Relaxed))
    }
}

//! S2: guessing tokens, by luck and by the clock. In this process, since a socket's jitter would hide what is looked for.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use smsgate::{
    emulator::Dice,
    rpc::{
        Answer, Caller, Connection, Lifeline,
        wire::{Call, Fault, Value},
    },
};

use super::{rig::hash, scale::figure, support::Gateway};

const GOOD: &str = "6f1c0a7e5d9b4832f0e1d2c3b4a59687";
/// Calls from one address before its failures cost it something.
const FREE: u64 = 4;
/// Welch's t beyond which two sets of times are taken for different ones (Goodwill and others, "A testing methodology for
/// side-channel resistance validation").
const DIFFERENT: f64 = 4.5;

/// A gateway that knows one token, and has seen it lately.
async fn gateway() -> Gateway {
    let gateway =
        Gateway::start_with(smsgate::rpc::Limits::default(), |api| api.token_get_stats = vec![hash(GOOD)]).await;
    assert!(call(&gateway, 0, GOOD).await.is_ok());
    gateway
}

async fn call(gateway: &Gateway, address: u32, token: &str) -> Result<Answer, Fault> {
    let (caller, _lives) = caller(gateway, address);
    gateway.methods.call(&caller, get_stats(token)).await
}

fn caller(gateway: &Gateway, address: u32) -> (Caller, Lifeline) {
    let peer = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + address));
    let (connection, lives) = Connection::open(peer);
    (Caller { connection, stopping: gateway.stop.clone() }, lives)
}

fn get_stats(token: &str) -> Call {
    Call { method: "get_stats".to_owned(), params: vec![Value::string(token)] }
}

fn random(dice: &mut Dice) -> String {
    format!("{:016x}{:016x}", dice.roll(), dice.roll())
}

#[test]
fn s02_the_clock_does_not_tell_good_beginnings() {
    let calls = figure("TIMED_CALLS", 2000, 20_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A difference that is there shows each time; one that the machine's other work made does not.
    let found: Vec<f64> = (0..3).map(|seed| runtime.block_on(times_apart(calls, seed))).collect();
    eprintln!("{calls} calls of each kind, three times: t {found:.2?}");
    assert!(found.iter().any(|t| t.abs() < DIFFERENT), "{found:?}: beginnings of a good token take another time");
}

/// Welch's t between tokens that are the good one but for the end, and any others.
async fn times_apart(calls: u64, seed: u64) -> f64 {
    let gateway = gateway().await;
    let mut dice = Dice::new(seed);
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for serial in 0..calls * 2 {
        let is_near = dice.below(2) == 0;
        // Made in the same way, so that only what is in them differs.
        let other = random(&mut dice);
        let beginning = if is_near { GOOD } else { &other };
        let token = format!("{}{}", &beginning[..28], &other[28..]);
        let (caller, _lives) = caller(&gateway, u32::try_from(1 + serial / FREE).unwrap());
        let call = get_stats(&token);
        let began = Instant::now();
        let answer = gateway.methods.call(&caller, call).await;
        let took = began.elapsed().as_secs_f64() * 1e9;
        assert_eq!(answer, Err(Fault { code: 401, message: "Invalid API token.".to_owned() }));
        if is_near { near.push(took) } else { far.push(took) }
    }
    // Interruptions tell nothing, and are the same for both: the slowest tenth of all is left out.
    let mut all = [near.as_slice(), &far].concat();
    all.sort_by(f64::total_cmp);
    let most = all[all.len() * 9 / 10];
    near.retain(|took| *took <= most);
    far.retain(|took| *took <= most);
    welch(&near, &far)
}

#[expect(clippy::cast_precision_loss, reason = "some thousands of calls")]
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let moments = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|took| (took - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((one, one_error), (other, other_error)) = (moments(one), moments(other));
    (one - other) / (one_error + other_error).sqrt()
}

#[test]
fn s02_welch_finds_a_difference() {
    let mut dice = Dice::new(2);
    let mut times =
        |more: f64| (0..2000).map(|_| more + f64::from(u32::try_from(dice.below(1000)).unwrap())).collect::<Vec<_>>();
    let (one, same, more) = (times(0.0), times(0.0), times(60.0));
    assert!(welch(&one, &same).abs() < DIFFERENT && welch(&one, &more).abs() > DIFFERENT);
}

#[test]
fn s02_no_guess_is_accepted() {
    let guesses = figure("GUESSES", 20_000, 1_000_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let gateway = gateway().await;
        let mut dice = Dice::new(22);
        let mut accepted = 0;
        for serial in 0..guesses {
            let at = usize::try_from(serial / 4 % 32).unwrap();
            let token = match serial % 4 {
                // As the good one, but for one character, the case, or the rest.
                0 => format!("{}_{}", &GOOD[..at], &GOOD[at + 1..]),
                1 => format!("{}{}", &GOOD[..at], GOOD[at..].to_uppercase() + "F"),
                2 => GOOD[..at].to_owned(),
                _ => random(&mut dice),
            };
            let answer = call(&gateway, u32::try_from(1 + serial / FREE).unwrap(), &token).await;
            accepted += usize::from(answer.is_ok());
        }
        eprintln!("{guesses} guesses, {accepted} accepted");
        assert_eq!(accepted, 0);
        assert!(call(&gateway, 0, GOOD).await.is_ok());
    });
}

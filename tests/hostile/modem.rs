//! S14: a modem that means harm. It never ends its lines, prints result codes without end, lies about lengths and makes
//! noise. The other modems' messages are as quick as before, and once it is quiet it is used again.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use smsgate::emulator::Dice;

use super::{
    figures::{Times, resident},
    rig::{Api, Rig},
    scale::figure,
    wire::Wire,
};

const MODEMS: usize = 4;
const HOSTILE: usize = 0;

#[test]
fn s14_hostile_modem() {
    let seconds = figure("MODEM_SECONDS", 3, 15);
    let growth = figure("MODEM_GROWTH_KIB", 16 * 1024, 8 * 1024);
    let mut rig = Rig::prepare(MODEMS, |site| {
        let port = Wire::port(site.root(), HOSTILE);
        site.sims[HOSTILE].set("port", port);
    });
    let wire = Wire::new(rig.folder(), HOSTILE);
    rig.restart();
    rig.until_ready(MODEMS);
    let api = rig.api();
    let before = arrivals(&rig, &api, Duration::from_secs(2), "before");
    let memory = resident(rig.pid());
    for (name, attack) in ATTACKS {
        let over = AtomicBool::new(false);
        let said = AtomicU64::new(0);
        let under = thread::scope(|scope| {
            scope.spawn(|| attack(&wire, &over, &said));
            let under = arrivals(&rig, &api, Duration::from_secs(seconds), name);
            over.store(true, Ordering::Relaxed);
            under
        });
        eprintln!("{name}: {} octets", said.load(Ordering::Relaxed));
        let bar = before.percentile(99) * 2;
        under.assert_p99(&format!("an SMS by another modem, {name}"), bar, &before, 4, Duration::from_millis(100));
    }
    let grown = resident(rig.pid()).saturating_sub(memory);
    eprintln!("{grown} KiB more resident");
    assert!(grown <= growth, "{grown} KiB more, {growth} are allowed");
    // It may have been taken for lost meanwhile; the first rung of the ladder is up to a minute away.
    rig.until("the modem is used again", || api.healthy() >= MODEMS);
    rig.network.inject(rig.site.number(HOSTILE), "+4915112345678", "and all was well");
    rig.until("a message through it", || {
        api.get_sms(rig.site.number(HOSTILE)).iter().any(|sms| sms.text == "and all was well")
    });
}

/// From the injection until a client has the text, by the other modems in turn.
fn arrivals(rig: &Rig, api: &Api, length: Duration, name: &str) -> Times {
    let mut times = Times::default();
    let began = Instant::now();
    for serial in 0.. {
        if began.elapsed() > length && serial >= 20 {
            break;
        }
        let number = rig.site.number(HOSTILE + 1 + serial % (MODEMS - 1));
        let text = format!("{name} {serial}");
        let began = Instant::now();
        rig.network.inject(number, "+4915112345678", &text);
        while !api.get_sms(number).iter().any(|sms| sms.text == text) {
            assert!(began.elapsed() < Duration::from_secs(20), "{text} does not arrive");
        }
        times.push(began.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    times
}

type Attack = fn(&Wire, &AtomicBool, &AtomicU64);

const ATTACKS: [(&str, Attack); 4] = [
    ("a line without end", endless_line),
    ("1,000 result codes a second", result_codes),
    ("lengths that lie", lengths),
    ("noise in the place of answers", noise),
];

fn say(wire: &Wire, said: &AtomicU64, octets: &[u8]) {
    said.fetch_add(wire.say(octets) as u64, Ordering::Relaxed);
}

/// As fast as the line takes it, some 100 kB/s.
fn endless_line(wire: &Wire, over: &AtomicBool, said: &AtomicU64) {
    while !over.load(Ordering::Relaxed) {
        say(wire, said, &[b'x'; 1000]);
        thread::sleep(Duration::from_millis(10));
    }
    say(wire, said, b"\r\n");
}

fn result_codes(wire: &Wire, over: &AtomicBool, said: &AtomicU64) {
    let codes = [
        "+CREG: 1",
        "+CREG: 0",
        "RING",
        "+CMTI: \"SM\",65535",
        "+CMTI: \"ME\",1",
        "+CDSI: \"SR\",3",
        "+CUSD: 0,\"a\",15",
        "+CUSD: 2",
        "+CIEV: SMSFULL,1",
        "^RSSI: 31",
        "+CGREG: 1",
        "NO CARRIER",
        "+CLIP: \"+49\",145",
        "+CMS ERROR: 38",
        "OK",
        "ERROR",
    ];
    let began = Instant::now();
    for serial in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        say(wire, said, format!("\r\n{}\r\n", codes[serial % codes.len()]).as_bytes());
        let due = Duration::from_millis(serial as u64);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

/// Result codes that announce a PDU of other lengths than the one that follows, if any.
fn lengths(wire: &Wire, over: &AtomicBool, said: &AtomicU64) {
    let mut dice = Dice::new(14);
    while !over.load(Ordering::Relaxed) {
        let announced = dice.below(70_000);
        let octets = dice.below(400);
        let pdu: String = (0..octets).map(|_| format!("{:02X}", dice.below(256))).collect();
        let text = match dice.below(5) {
            0 => format!("\r\n+CMT: ,{announced}\r\n{pdu}\r\n"),
            1 => format!("\r\n+CDS: {announced}\r\n{pdu}\r\n"),
            2 => format!("\r\n+CMGL: {announced},1,,{announced}\r\n{pdu}\r\n"),
            3 => format!("\r\n+CMGR: 1,,{announced}\r\n{pdu}\r\nOK\r\n"),
            _ => format!("\r\n+CPMS: {announced},-1,{announced},99999999999999999999\r\n"),
        };
        say(wire, said, text.as_bytes());
        thread::sleep(Duration::from_millis(5));
    }
}

/// The modem's own answers do not get through.
fn noise(wire: &Wire, over: &AtomicBool, said: &AtomicU64) {
    let mut dice = Dice::new(15);
    wire.cut(true);
    while !over.load(Ordering::Relaxed) {
        let octets: Vec<u8> = (0..dice.below(300)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
        say(wire, said, &octets);
        thread::sleep(Duration::from_millis(5));
    }
    wire.cut(false);
    say(wire, said, b"\r\n");
}

//! S14: modems that mean harm. They never end their lines, print result codes without end, lie about lengths, make noise
//! and say broken lines. The other modems' messages are as quick as before, and once it is quiet they are used again.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use smsgate::emulator::Dice;

use super::{
    figures::{Times, resident},
    lines::broken_line,
    rig::{Api, Rig, becomes, traffic::Stop},
    scale::figure,
    wire::Wire,
};

/// Until a modem is used again: it may have been given up, and is looked at every twenty minutes then.
const PATIENCE: Duration = Duration::from_secs(1500);

#[test]
fn s14_hostile_modem() {
    let modems = usize::try_from(figure("MODEMS", 4, 16)).unwrap();
    let hostile = usize::try_from(figure("HOSTILE_MODEMS", 1, 15)).unwrap();
    let length = Duration::from_secs(figure("MODEM_SECONDS", 2, 15));
    let lines = figure("MODEM_LINES", 1000, 1_000_000);
    let patience_for_lines = Duration::from_secs(figure("MODEM_LINES_SECONDS", 6, 240));
    let growth = figure("MODEM_GROWTH_KIB", 16 * 1024, 16 * 1024);
    let mut rig = Rig::prepare(modems, |site| {
        for modem in 0..hostile {
            let port = Wire::port(site.root(), modem);
            site.sims[modem].set("port", port);
        }
    });
    let mouths: Vec<Mouth> = (0..hostile).map(|modem| Mouth::of(Wire::new(rig.folder(), modem), modem)).collect();
    rig.restart();
    rig.until_ready(modems);
    let api = rig.api();
    let mut others = Others { rig: &rig, api: &api, first: hostile, last_ids: vec![String::new(); modems] };
    let before = others.arrivals("before", |elapsed| elapsed > Duration::from_secs(2));
    let memory = resident(rig.pid());
    let mut met = Vec::new();
    let attacks = ATTACKS.into_iter().map(|(name, attack)| (name, attack, false));
    for (name, attack, counts_lines) in attacks.chain([("broken lines", broken_lines as Attack, true)]) {
        let over = AtomicBool::new(false);
        let said_before: Vec<u64> = mouths.iter().map(Mouth::octets).collect();
        let under = thread::scope(|scope| {
            let _stop = Stop(&over);
            for mouth in &mouths {
                let over = &over;
                scope.spawn(move || attack(mouth, over));
            }
            others.arrivals(name, |elapsed| match counts_lines {
                true => mouths.iter().all(|mouth| mouth.lines() >= lines) || elapsed > patience_for_lines,
                false => elapsed > length,
            })
        });
        let octets: Vec<u64> = mouths.iter().zip(said_before).map(|(mouth, before)| mouth.octets() - before).collect();
        eprintln!("{name}: octets {octets:?}");
        if counts_lines {
            let said: Vec<u64> = mouths.iter().map(Mouth::lines).collect();
            eprintln!("{name}: lines {said:?}");
            // Who is not listened to any more says no more.
            let given_up = rig.log().contains("notices a second without being asked");
            assert!(given_up || said.iter().all(|said| *said >= lines), "{lines} were to be said, and read");
        }
        eprintln!("{}", under.row(name));
        met.push((name, under));
    }
    let bar = before.percentile(99) * 2;
    for (name, under) in met {
        under.assert_p99(&format!("an SMS by another modem, {name}"), bar, &before, 4, Duration::from_secs(1));
    }
    let grown = resident(rig.pid()).saturating_sub(memory);
    eprintln!("{grown} KiB more resident");
    assert!(grown <= growth, "{grown} KiB more, {growth} are allowed");
    let began = Instant::now();
    assert!(becomes(PATIENCE, || api.healthy() >= modems), "{} of {modems} are used again", api.healthy());
    eprintln!("all modems are used again after {:.0} s", began.elapsed().as_secs_f64());
    for modem in 0..hostile {
        rig.network.inject(rig.site.number(modem), "+4915112345678", "and all was well");
        rig.until("a message through it", || {
            api.get_sms(rig.site.number(modem)).iter().any(|sms| sms.text == "and all was well")
        });
    }
}

/// The modems that mean no harm.
struct Others<'a> {
    rig: &'a Rig,
    api: &'a Api,
    /// The first of them.
    first: usize,
    /// By modem: the message that was seen last.
    last_ids: Vec<String>,
}

impl Others<'_> {
    /// From the injection until a client that waits has the text, by each of them in turn.
    fn arrivals(&mut self, name: &str, mut over: impl FnMut(Duration) -> bool) -> Times {
        let mut times = Times::default();
        let began = Instant::now();
        for serial in 0.. {
            if serial >= 20 && over(began.elapsed()) {
                break;
            }
            let modem = self.first + serial % (self.last_ids.len() - self.first);
            let number = self.rig.site.number(modem);
            let text = format!("{name} {serial}");
            let began = Instant::now();
            self.rig.network.inject(number, "+4915112345678", &text);
            let heard = self.api.wait_sms(number, 20, &self.last_ids[modem]);
            times.push(began.elapsed());
            let last = heard.last().unwrap_or_else(|| panic!("{text} does not arrive"));
            assert_eq!((heard.len(), &last.text), (1, &text));
            self.last_ids[modem].clone_from(&last.id);
            thread::sleep(Duration::from_millis(20));
        }
        times
    }
}

/// What speaks in the place of a modem.
struct Mouth {
    wire: Wire,
    seed: u64,
    octets: AtomicU64,
    lines: AtomicU64,
}

impl Mouth {
    fn of(wire: Wire, modem: usize) -> Self {
        Self { wire, seed: modem as u64, octets: AtomicU64::new(0), lines: AtomicU64::new(0) }
    }

    /// What finds no room is lost.
    fn say(&self, octets: &[u8]) {
        self.octets.fetch_add(self.wire.say(octets) as u64, Ordering::Relaxed);
    }

    /// Waits for room; a line is counted once the whole of it is out.
    fn say_line(&self, line: &[u8], over: &AtomicBool) {
        let mut left = line;
        while !left.is_empty() && !over.load(Ordering::Relaxed) {
            let said = self.wire.say(left);
            if said == 0 {
                thread::sleep(Duration::from_millis(1));
            }
            left = &left[said..];
        }
        self.octets.fetch_add((line.len() - left.len()) as u64, Ordering::Relaxed);
        self.lines.fetch_add(u64::from(left.is_empty()), Ordering::Relaxed);
    }

    fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }
}

type Attack = fn(&Mouth, &AtomicBool);

const ATTACKS: [(&str, Attack); 4] = [
    ("a line without end", endless_line),
    ("1,000 result codes a second", result_codes),
    ("lengths that lie", lengths),
    ("noise in the place of answers", noise),
];

/// As fast as the line takes it, some 100 kB/s.
fn endless_line(mouth: &Mouth, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        mouth.say(&[b'x'; 1000]);
        thread::sleep(Duration::from_millis(10));
    }
    mouth.say(b"\r\n");
}

fn result_codes(mouth: &Mouth, over: &AtomicBool) {
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
        mouth.say(format!("\r\n{}\r\n", codes[serial % codes.len()]).as_bytes());
        let due = Duration::from_millis(serial as u64);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

/// Result codes that announce a PDU of other lengths than the one that follows, if any.
fn lengths(mouth: &Mouth, over: &AtomicBool) {
    let mut dice = Dice::new(14 + mouth.seed);
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
        mouth.say(text.as_bytes());
        thread::sleep(Duration::from_millis(5));
    }
}

/// The modem's own answers do not get through.
fn noise(mouth: &Mouth, over: &AtomicBool) {
    let mut dice = Dice::new(15 + mouth.seed);
    mouth.wire.cut(true);
    while !over.load(Ordering::Relaxed) {
        let octets: Vec<u8> = (0..dice.below(300)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
        mouth.say(&octets);
        thread::sleep(Duration::from_millis(5));
    }
    mouth.wire.cut(false);
    mouth.say(b"\r\n");
}

/// So many a second, between those of the modem.
fn broken_lines(mouth: &Mouth, over: &AtomicBool) {
    let rate = figure("MODEM_LINES_RATE", 1000, 5000);
    let mut dice = Dice::new(16 + mouth.seed);
    let began = Instant::now();
    for serial in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        mouth.say_line(&broken_line(&mut dice), over);
        let due = Duration::from_micros(serial * 1_000_000 / rate);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    mouth.say(b"\r\n");
}

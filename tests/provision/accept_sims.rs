//! `accept-sims`: swapped SIM cards are accepted by a file on the partition, once, and whenever the power goes. The
//! gateway is a stand-in behind the control socket, so that it can be stopped at every word; `first_boot` has the real one.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    process::Stdio,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use smsgate::control::protocol::{Answer, Card, Modem, Request};

use crate::folders::Folders;

const SIMS: &str = "[00]\nport = /dev/sms/a\ncosts_per_sms = 0\n[01]\nport = /dev/sms/b\ncosts_per_sms = 0\n[02]\n\
                    port = /dev/sms/c\ncosts_per_sms = 0\n[03]\nenabled = no\n";
/// Longest that anything may take here.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the power goes.
const CUTS: u32 = 40;

/// Known and present card of a slot.
type Slot = (&'static str, &'static str, Option<&'static str>);

/// When the stand-in stops answering, for good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Silence {
    Never,
    BeforeAccepting,
    AfterAccepting,
}

/// A gateway's control socket with the cards behind it.
struct Gateway {
    cards: Arc<Mutex<Vec<Card>>>,
    /// Tells of each request to accept a card.
    asked: mpsc::Receiver<String>,
}

impl Gateway {
    fn start(folders: &Folders, slots: &[Slot], silence: Silence) -> Self {
        let cards = slots.iter().map(|(slot, known, present)| card(slot, known, *present)).collect();
        let cards = Arc::new(Mutex::new(cards));
        let socket = folders.at("data/store/control.sock");
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(socket).unwrap();
        let (tell, asked) = mpsc::channel();
        let behind = Arc::clone(&cards);
        thread::spawn(move || {
            for stream in listener.incoming() {
                converse(stream.unwrap(), &behind, &tell, silence);
            }
        });
        Self { cards, asked }
    }

    fn known(&self, slot: &str) -> Option<String> {
        self.cards.lock().unwrap().iter().find(|card| card.slot == slot).unwrap().known.clone()
    }

    fn put(&self, slot: &str, present: Option<&str>) {
        let mut cards = self.cards.lock().unwrap();
        let there = cards.iter_mut().find(|card| card.slot == slot).unwrap();
        *there = card(slot, &there.known.clone().unwrap(), present);
    }
}

fn card(slot: &str, known: &str, present: Option<&str>) -> Card {
    let swapped = present.is_some_and(|present| present != known);
    Card { slot: slot.to_owned(), known: Some(known.to_owned()), present: present.map(str::to_owned), swapped }
}

fn converse(stream: UnixStream, cards: &Mutex<Vec<Card>>, tell: &mpsc::Sender<String>, silence: Silence) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|octets| octets > 0) {
        let answer = match serde_json::from_str(&line).unwrap() {
            Request::SimList => Answer::Sims { cards: cards.lock().unwrap().clone() },
            Request::Modems => Answer::Modems { modems: cards.lock().unwrap().iter().map(modem).collect() },
            Request::SimAccept { slot } => {
                let mut cards = cards.lock().unwrap();
                let card = cards.iter_mut().find(|card| card.slot == slot).unwrap();
                let present = card.present.clone().unwrap();
                let answer = if present == "...locked" {
                    Answer::Error { text: format!("slot {slot}: cannot record it: disk full") }
                } else {
                    if silence != Silence::BeforeAccepting {
                        (card.known, card.swapped) = (Some(present.clone()), false);
                    }
                    Answer::Accepted { card: present }
                };
                drop(cards);
                let _ = tell.send(slot);
                if silence != Silence::Never {
                    // Until the other side is killed.
                    let _ = stream.read_line(&mut line);
                    return;
                }
                answer
            }
            request @ Request::Trace { .. } => panic!("{request:?}"),
        };
        stream.get_mut().write_all((serde_json::to_string(&answer).unwrap() + "\n").as_bytes()).unwrap();
        line.clear();
    }
}

fn modem(card: &Card) -> Modem {
    Modem {
        slot: card.slot.clone(),
        enabled: true,
        ready: card.present.is_some(),
        status: "Ready.".to_owned(),
        port: format!("/dev/sms/{}", card.slot),
        model: "A B".to_owned(),
        imei: String::new(),
        imsi: String::new(),
        iccid: card.present.clone().unwrap_or_default(),
        network: String::new(),
        signal: 20,
    }
}

/// A box with three slots in use and one that is not.
fn a_box() -> Folders {
    let folders = Folders::new();
    folders.put("sim-cards.conf", SIMS);
    folders.apply();
    folders
}

fn report(folders: &Folders) -> String {
    folders.report("/nowhere/*", 0)
}

/// What `result.txt` says of cards.
fn told(folders: &Folders) -> Vec<String> {
    let result = folders.result();
    let lines = result.lines().skip_while(|line| *line != "SIM cards to be accepted").skip(2);
    lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn what_was_asked_for_is_accepted_and_nothing_else() {
    let slots = [("00", "...01", Some("...77")), ("01", "...02", Some("...02")), ("02", "...03", Some("...88"))];
    let accepted = |slot: &str, card: &str, before: &str| {
        format!("slot {slot}: the card with ICCID {card} is accepted; before it was {before}")
    };
    let known = "slot 01: the card with ICCID ...02 is there, and was the known one already".to_owned();
    for (name, text, lines) in [
        ("accept-sims", "00\n", vec![accepted("00", "...77", "...01")]),
        (
            "ACCEPT-SIMS.TXT",
            "\u{feff}# both\r\n02 # this\r\n01\r\n",
            vec![known.clone(), accepted("02", "...88", "...03")],
        ),
        ("accept-sims", "", vec![accepted("00", "...77", "...01"), known.clone(), accepted("02", "...88", "...03")]),
        ("accept-sims.txt", "all", vec![accepted("00", "...77", "...01"), known, accepted("02", "...88", "...03")]),
    ] {
        let folders = a_box();
        let gateway = Gateway::start(&folders, &slots, Silence::Never);
        folders.put(name, text);
        assert_eq!(folders.apply(), "in force: accept-sims\n");
        assert_eq!(folders.generation(), Some(1), "it is no part of the configuration");
        assert!(
            !folders.at("media").join(name).exists() && folders.at("media").join(format!("{name}.applied")).exists()
        );
        assert!(folders.result().contains("OK, applied: accept-sims."), "{}", folders.result());
        assert!(told(&folders).iter().all(|line| line.contains(": asked for; leave the box running")), "{text:?}");
        report(&folders);
        assert_eq!(told(&folders), lines, "{text:?}");
        for (slot, old, present) in slots {
            let is_new =
                lines.iter().any(|line| line.starts_with(&format!("slot {slot}:")) && line.contains("accepted"));
            assert_eq!(gateway.known(slot).as_deref(), if is_new { present } else { Some(old) }, "{text:?}: {slot}");
        }
        let before = ["media", "data", "run"].map(|name| folders.snapshot(name));
        folders.apply();
        assert_eq!(report(&folders), "there is nothing new to tell\n");
        assert!(before == ["media", "data", "run"].map(|name| folders.snapshot(name)), "a second boot changes nothing");
        let accepted = lines.iter().filter(|line| line.contains(" is accepted; ")).count();
        assert_eq!(gateway.asked.try_iter().count(), accepted, "no slot is asked for twice, and none in vain");

        // Other files say something else. A card that is changed now was not asked for.
        gateway.put("00", Some("...99"));
        folders.put("network.conf", "[network]\n");
        folders.apply();
        report(&folders);
        assert_eq!((told(&folders), gateway.asked.try_iter().count()), (Vec::new(), 0));
    }
}

#[test]
fn a_card_that_was_not_seen_is_waited_for() {
    let folders = a_box();
    folders.put("accept-sims", "00\n01\n02\n");
    folders.apply();
    report(&folders);
    assert!(
        told(&folders)[0].contains("slot 00: NOT YET, the gateway did not answer; it is tried again"),
        "{:?}",
        told(&folders)
    );
    let slots = [("00", "...01", Some("...77")), ("01", "...02", None), ("02", "...03", Some("...locked"))];
    let gateway = Gateway::start(&folders, &slots, Silence::Never);
    for _ in 0..2 {
        folders.apply();
        report(&folders);
        let expected = [
            "slot 00: the card with ICCID ...77 is accepted; before it was ...01",
            "slot 01: NOT YET, no card was seen there; it is looked for again at each start",
            "slot 02: NOT YET, cannot record it: disk full; it is tried again at each start",
        ];
        assert_eq!(told(&folders), expected);
    }
    gateway.put("01", Some("...55"));
    gateway.put("02", Some("...66"));
    // Slot 02 is not waited for any more: it is switched off.
    folders.put("sim-cards.conf", SIMS.replace("[02]\n", "[02]\nenabled = no\n"));
    folders.apply();
    assert!(told(&folders)[0].starts_with("slot 01: NOT YET, "), "what is open outlives other files");
    report(&folders);
    assert_eq!(told(&folders), ["slot 01: the card with ICCID ...55 is accepted; before it was ...02"]);
    assert_eq!((gateway.known("01").as_deref(), gateway.known("02").as_deref()), (Some("...55"), Some("...03")));
}

#[test]
fn a_new_wish_takes_the_place_of_the_old_one() {
    let folders = a_box();
    for text in ["00\n", "01\n"] {
        folders.put("accept-sims", text);
        folders.apply();
    }
    let slots = [("00", "...01", Some("...77")), ("01", "...02", Some("...88"))];
    let gateway = Gateway::start(&folders, &slots, Silence::Never);
    report(&folders);
    assert_eq!((gateway.known("00").as_deref(), gateway.known("01").as_deref()), (Some("...01"), Some("...88")));
}

#[test]
fn what_names_no_slot_is_refused_and_what_was_asked_before_stands() {
    let folders = a_box();
    folders.put("accept-sims", "01\n");
    folders.apply();
    let config = folders.snapshot("data/config");
    for (name, content, reason) in [
        ("accept-sims", &b"00\n4711\n"[..], "accept-sims:2: names no slot; there are: 00, 01, 02"),
        ("accept-sims.txt", b"03\n", "accept-sims:1: slot `03` is switched off, so that no card is seen there"),
        ("accept-sims", b"# 00\n", "accept-sims: has remarks only; write a slot's name a line, or `all`"),
        ("Accept-Sims.txt", b"0\xff0\n", "Accept-Sims.txt:1: is not UTF-8"),
        ("accept-sims", b"00\0\n", "accept-sims:1: has a NUL character"),
        ("accept-sims", &[b'#'; 262_145], "accept-sims: has 262145 octets"),
    ] {
        folders.put(name, content);
        folders.put("network.conf", "[network]\nhostname = other\n");
        folders.apply();
        let result = folders.result();
        assert!(result.contains("NOT APPLIED") && result.contains(reason), "{reason:?} is missing in\n{result}");
        assert!(!result.contains("4711"), "{result}");
        assert_eq!(told(&folders).len(), 1, "{result}");
        assert!(config == folders.snapshot("data/config"), "{reason}");
        assert_eq!(fs::read(folders.at("media").join(name)).unwrap(), content);
        fs::remove_file(folders.at("media").join(name)).unwrap();
    }
    let gateway = Gateway::start(&folders, &[("01", "...02", Some("...77"))], Silence::Never);
    report(&folders);
    assert_eq!(gateway.known("01").as_deref(), Some("...77"));
}

/// Until it is remembered it lies on the partition.
#[test]
fn whatever_moment_the_power_goes_the_wish_is_not_lost() {
    let folders = a_box();
    let asked = || {
        let kept = fs::read_to_string(folders.at("data/state/provision.json"));
        kept.is_ok_and(|kept| kept.contains("{\"00\":{\"is\":\"asked\"}}"))
    };
    folders.put("accept-sims", "00\n");
    let began = Instant::now();
    folders.apply();
    let whole = began.elapsed();
    let mut struck = [0, 0];
    for cut in 0..=CUTS {
        let gateway = Gateway::start(&folders, &[("00", "...01", Some("...77"))], Silence::Never);
        report(&folders);
        assert_eq!(gateway.known("00").as_deref(), Some("...77"), "before cut {cut}");
        assert!(!asked() && !folders.at("media/accept-sims").exists());

        folders.put("accept-sims", "00\n");
        let mut child = folders.command("apply").stdout(Stdio::null()).spawn().unwrap();
        if cut % 2 == 0 {
            thread::sleep(whole.mul_f64(f64::from(cut) / f64::from(CUTS)));
        } else {
            // The moment after it was put down.
            while !asked() && child.try_wait().unwrap().is_none() {}
        }
        let _ = child.kill();
        child.wait().unwrap();
        let given = fs::read_to_string(folders.at("media/accept-sims")).is_ok_and(|there| there == "00\n");
        assert!(given || asked(), "cut {cut}: it is lost");
        struck[usize::from(given)] += 1;
        folders.apply();
    }
    assert!(struck.iter().all(|count| *count > 0), "the cuts struck on one side only: {struck:?}");
}

#[test]
fn a_power_cut_while_it_is_obeyed_has_it_obeyed_again() {
    for (silence, known) in [(Silence::BeforeAccepting, "...01"), (Silence::AfterAccepting, "...77")] {
        let folders = a_box();
        folders.put("accept-sims", "00\n");
        folders.apply();
        let gateway = Gateway::start(&folders, &[("00", "...01", Some("...77"))], silence);
        let mut command = folders.command("report");
        command.args(["--wait", "0", "--ports", "/nowhere/*"]).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        assert_eq!(gateway.asked.recv_timeout(PATIENCE).unwrap(), "00");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(gateway.known("00").as_deref(), Some(known));

        folders.apply();
        let gateway = Gateway::start(&folders, &[("00", known, Some("...77"))], Silence::Never);
        report(&folders);
        assert_eq!(gateway.known("00").as_deref(), Some("...77"));
        let line = told(&folders).concat();
        assert!(line.starts_with("slot 00: the card with ICCID ...77 is "), "{line}");
    }
}

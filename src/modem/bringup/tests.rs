//! Bring-up against scripted modems: `(command, answer)` pairs, the last matching one wins; everything else is `OK`.

use secrecy::SecretString;

use super::*;
use crate::at::{CmsError, Family};

type Answer = Result<&'static [&'static str], CommandError>;

const GOOD: &[(&str, Answer)] = &[
    ("AT+CGMI", Ok(&["Acme"])),
    ("AT+CGMM", Ok(&["One"])),
    ("AT+CGSN", Ok(&["861536030196001"])),
    ("AT+CFUN?", Ok(&["+CFUN: 1"])),
    ("AT+CPIN?", Ok(&["+CPIN: READY"])),
    ("AT+CCID", Ok(&["+CCID: 89490200001234567890"])),
    ("AT+CSCA?", Ok(&["+CSCA: \"+491722270333\",145"])),
    ("AT+CPMS=?", Ok(&["+CPMS: (\"SM\",\"ME\"),(\"SM\",\"ME\"),(\"SM\",\"ME\")"])),
    ("AT+CPMS=\"SM\",\"SM\",\"SM\"", Ok(&["+CPMS: 1,20,1,20,1,20"])),
    ("AT+CREG?", Ok(&["+CREG: 0,1"])),
    ("AT+COPS?", Ok(&["+COPS: 0,0,\"Vodafone.de\""])),
    ("AT+CSQ", Ok(&["+CSQ: 17,99"])),
    ("AT+CIMI", Ok(&["262021234567890"])),
];

/// Plays a bring-up to its end: the last step and every command sent.
fn play(pin: Option<&str>, script: &[(&str, Answer)]) -> (Result<Capabilities, BringupError>, Vec<String>) {
    let pin = pin.map(|pin| SimPin::new(&SecretString::from(pin)).expect("a PIN"));
    let mut machine = Bringup::new(Settings { pin, charset: Charset::Gsm, wait_for_start: Duration::from_secs(20) });
    let (mut elapsed, mut sent, mut last) = (Duration::ZERO, Vec::new(), None);
    let mut uses = std::collections::HashMap::<String, usize>::new();
    for _ in 0..1000 {
        let command = match machine.next(elapsed, last.as_ref()) {
            Step::Send(command) | Step::PinAttempt { command, .. } => command,
            Step::Wait(time) => {
                elapsed += time;
                last = None;
                continue;
            }
            Step::Done(found) => return (Ok(*found), sent),
            Step::Fail(error) => return (Err(error), sent),
        };
        // "AT+CPIN?#2" answers the second and later uses.
        let text = command.text().to_owned();
        let count = uses.entry(text.clone()).and_modify(|count| *count += 1).or_insert(1);
        let numbered = format!("{text}#{count}");
        let find = |name: &str| script.iter().chain(GOOD).find(|(command, _)| *command == name).map(|(_, a)| a.clone());
        let answer = find(&numbered).or_else(|| find(&text)).unwrap_or(Ok(&[]));
        sent.push(text);
        last = Some(answer.map(|lines| Response::of(lines.iter().copied())));
    }
    panic!("no end: {sent:?}");
}

fn count(sent: &[String], start: &str) -> usize {
    sent.iter().filter(|command| command.starts_with(start)).count()
}

#[test]
fn a_good_modem_is_ready_without_a_wait() {
    let (found, sent) = play(None, &[]);
    let found = found.expect("ready");
    assert_eq!(found.imei.map(|imei| imei.to_string()).as_deref(), Some("861536030196001"));
    assert_eq!(found.iccid.as_deref(), Some("89490200001234567890"));
    assert_eq!(found.imsi.as_deref(), Some("262021234567890"));
    assert_eq!((found.network.as_str(), found.signal), ("Vodafone.de", 17));
    assert_eq!(found.service_centre.as_deref(), Some("+491722270333"));
    assert_eq!((found.selected_memory, found.acknowledges), (Some(Memory::Sm), true));
    assert_eq!(found.memory_use.first().map(|memory| (memory.used, memory.total)), Some((1, 20)));
    assert_eq!(found.indication, Some(Indication { mode: 2, mt: 1, bm: 0, ds: 1, bfr: Some(0) }));
    assert_eq!(found.notes, []);
    assert_eq!(count(&sent, "AT+CFUN=1"), 0, "radio is on already");
}

#[test]
fn nothing_is_deleted_or_written_to_flash() {
    for family in ["SIMCOM", "Quectel", "ZTE", "huawei", "Acme"] {
        let manufacturer: &'static [&'static str] = match family {
            "SIMCOM" => &["SIMCOM INCORPORATED"],
            "Quectel" => &["Quectel"],
            "ZTE" => &["ZTE INCORPORATED"],
            "huawei" => &["huawei"],
            _ => &["Acme"],
        };
        let (found, sent) = play(None, &[("AT+CGMI", Ok(manufacturer))]);
        assert!(found.is_ok(), "{family}");
        for command in ["AT&W", "AT&F", "ATZ", "AT+CMGD", "AT+CSAS", "AT+CPIN=", "AT+CFUN=1,1"] {
            assert_eq!(count(&sent, command), 0, "{family} {command}");
        }
        let place = |start: &str| sent.iter().position(|command| command.starts_with(start));
        assert!(place("AT+CPIN?") < place("AT+CPMS") && place("AT+CMGF=0") < place("AT+CNMI"), "{family}: {sent:?}");
    }
}

#[test]
fn families_are_told_apart_and_asked_in_their_way() {
    for (manufacturer, model, family, commands) in [
        (&["SIMCOM INCORPORATED"], &["SIMCOM_SIM7600E"], Family::Simcom, ["AT+CICCID", "AT+SPIC"]),
        (&["Quectel"], &["EC25"], Family::QuectelLte, ["AT+QCCID", "AT+QPINC=\"SC\""]),
        (&["Quectel_Ltd"], &["Quectel_M35"], Family::Quectel2g, ["AT+QCCID", "AT+QTRPIN"]),
        (&["ZTE INCORPORATED"], &["MF190"], Family::Zte, ["AT+ZGETICCID", "AT+ZPINPUK?"]),
        (&["huawei"], &["E173"], Family::Huawei, ["AT^ICCID?", "AT^CPIN?"]),
        (&["Acme"], &["One"], Family::Generic, ["AT+CCID", "AT+CPINR"]),
    ]
        as [(&'static [&str; 1], &'static [&str; 1], Family, [&str; 2]); 6]
    {
        let (found, sent) = play(
            Some("1234"),
            &[
                ("AT+CGMI", Ok(manufacturer)),
                ("AT+CGMM", Ok(model)),
                ("AT+CPIN?#1", Ok(&["+CPIN: SIM PIN"])),
                ("AT+CPINR", Ok(&["+CPINR: SIM PIN,3,3"])),
            ],
        );
        let found = found.expect("ready");
        assert_eq!(found.profile.family, family);
        assert!(found.pin_entered);
        for command in commands {
            assert!(sent.iter().any(|line| line == command), "{family:?}: {command} in {sent:?}");
        }
    }
}

#[test]
fn a_refused_setting_gives_way_to_the_next() {
    let no = || Err(CommandError::Error);
    let (found, _) = play(
        None,
        &[
            ("AT+CNMI=2,1,0,1,0", no()),
            ("AT+CNMI=2,1,0,1", no()),
            ("AT+CSMS=1", no()),
            ("AT+CPMS=\"SM\",\"SM\",\"SM\"", no()),
            ("AT+CMEE=1", no()),
            ("AT+CSCS=\"GSM\"", no()),
        ],
    );
    let found = found.expect("ready");
    assert_eq!(found.indication, Some(Indication { mode: 2, mt: 1, bm: 0, ds: 2, bfr: Some(0) }));
    assert!(!found.acknowledges);
    assert_eq!((found.selected_memory, found.memories), (Some(Memory::Me), vec![Memory::Me, Memory::Sm]));
    assert_eq!(found.notes.len(), 6);
}

#[test]
fn what_a_predecessor_left_unacknowledged_is_sent_back() {
    let nothing: (&str, Answer) = ("AT+CNMA=2", Err(CommandError::Cms(CmsError::Code(340))));
    let (found, sent) = play(None, &[nothing]);
    assert_eq!(found.expect("ready").notes, [], "nothing to send back is no fault");
    let place = |command: &str| sent.iter().position(|line| line.starts_with(command));
    assert!(place("AT+CSMS=1") < place("AT+CNMA=2") && place("AT+CNMA=2") < place("AT+CNMI"));
    let (_, sent) = play(None, &[("AT+CSMS=1", Err(CommandError::Error))]);
    assert_eq!(count(&sent, "AT+CNMA"), 0, "without phase 2+ there is nothing to acknowledge");
}

#[test]
fn a_memory_for_reports_is_swept_and_never_received_into() {
    let (found, sent) = play(None, &[("AT+CPMS=?", Ok(&["+CPMS: (\"SM\",\"ME\",\"SR\"),(\"SM\"),(\"SM\",\"ME\")"]))]);
    let found = found.expect("ready");
    assert_eq!((found.selected_memory, found.memories), (Some(Memory::Sm), vec![Memory::Sm, Memory::Me, Memory::Sr]));
    assert_eq!(count(&sent, "AT+CPMS=\"SR\""), 0);
}

#[test]
fn a_pin_is_tried_once_at_most() {
    let wants = ("AT+CPIN?", Ok(["+CPIN: SIM PIN"].as_slice()));
    let three: (&str, Answer) = ("AT+CPINR", Ok(&["+CPINR: SIM PIN,3,3"]));
    let wrong: (&str, Answer) = ("AT+CPIN=\"1234\"", Err(CommandError::Cme(CmeError::Code(16))));
    let busy: (&str, Answer) = ("AT+CPIN=\"1234\"", Err(CommandError::Cme(CmeError::SIM_BUSY)));
    let silent: (&str, Answer) = ("AT+CPIN=\"1234\"", Err(CommandError::TimedOut { after_payload: false }));
    for outcome in [wrong, busy, silent] {
        let (found, sent) = play(Some("1234"), &[wants.clone(), three.clone(), outcome.clone()]);
        assert_eq!(found.err(), outcome.1.err().map(BringupError::PinRejected));
        assert_eq!(count(&sent, "AT+CPIN="), 1);
        let place = |command: &str| sent.iter().position(|line| line.starts_with(command));
        assert!(place("AT+CCID") < place("AT+CPIN=") && place("AT+CPINR") < place("AT+CPIN="));
    }
    // Taken, but the state never changes: still one try.
    let (found, sent) = play(Some("1234"), &[wants.clone(), three]);
    assert_eq!((found.err(), count(&sent, "AT+CPIN=")), (Some(BringupError::SimNotReady), 1));
}

#[test]
fn a_pin_is_not_tried_near_the_lock() {
    let wants: (&str, Answer) = ("AT+CPIN?", Ok(&["+CPIN: SIM PIN"]));
    for (answer, error) in [
        (("AT+CPINR", Ok(["+CPINR: SIM PIN,1,3"].as_slice())), BringupError::TooFewTries(1)),
        (("AT+CPINR", Ok(["+CPINR: SIM PIN,0,3"].as_slice())), BringupError::TooFewTries(0)),
        (("AT+CPIN?", Ok(["+CPIN: SIM PUK"].as_slice())), BringupError::PukRequired),
        (("AT+CPIN?", Ok(["+CPIN: PH-NET PIN"].as_slice())), BringupError::SimLocked("PH-NET PIN".to_owned())),
        (("AT+CPIN?", Err(CommandError::Cme(CmeError::Code(10)))), BringupError::SimMissing),
    ] {
        let (found, sent) = play(Some("1234"), &[answer, wants.clone()]);
        assert_eq!((found.err(), count(&sent, "AT+CPIN=")), (Some(error), 0));
    }
    let (found, sent) = play(None, &[wants]);
    assert_eq!((found.err(), count(&sent, "AT+CPIN=")), (Some(BringupError::PinMissing), 0));
}

#[test]
fn starting_sims_are_waited_for() {
    let (found, sent) = play(
        None,
        &[
            ("AT#1", Err(CommandError::TimedOut { after_payload: false })),
            ("AT+CPIN?#1", Err(CommandError::Cme(CmeError::Code(515)))),
            ("AT+CPIN?#2", Err(CommandError::Cme(CmeError::SIM_BUSY))),
            ("AT+CPIN?#3", Ok(&["+CPIN: NOT READY"])),
        ],
    );
    assert!(found.is_ok());
    assert_eq!(count(&sent, "AT+CPIN?"), 4);
}

#[test]
fn a_missing_network_is_not_waited_for() {
    let denied: (&str, Answer) = ("AT+CREG?", Ok(&["+CREG: 0,3"]));
    for (lte, state) in [
        (Err(CommandError::Error), RegistrationState::Denied),
        (Ok(["+CEREG: 0,4"].as_slice()), RegistrationState::Denied),
        (Ok(["+CEREG: 0,1"].as_slice()), RegistrationState::Home),
    ] {
        let (found, sent) = play(None, &[denied.clone(), ("AT+CEREG?", lte)]);
        let found = found.expect("ready");
        assert_eq!((found.registration, found.imsi.is_some()), (state, true));
        assert_eq!((count(&sent, "AT+CREG?"), count(&sent, "AT+CEREG?")), (1, 1));
    }
}

#[test]
fn waiting_has_an_end() {
    let (found, _) = play(None, &[("AT", Err(CommandError::TimedOut { after_payload: false }))]);
    assert_eq!(found.err(), Some(BringupError::Silent));
    let (found, _) = play(None, &[("AT+CPIN?", Ok(&["+CPIN: NOT READY"]))]);
    assert_eq!(found.err(), Some(BringupError::SimNotReady));
}

#[test]
fn a_closed_port_and_a_modem_without_pdu_mode_end_it() {
    let (found, _) = play(None, &[("AT+CSQ", Err(CommandError::Closed { after_payload: false }))]);
    assert_eq!(found.err(), Some(BringupError::Closed));
    let (found, _) = play(None, &[("AT+CMGF=0", Err(CommandError::Error))]);
    assert_eq!(found.err(), Some(BringupError::NoPduMode(CommandError::Error)));
}

//! Modems and network together, without I/O and with time told.

use std::time::Duration;

use super::*;
use crate::tpdu::{Address, Reference, Submit, encode_submit, segment};

const START: Duration = Duration::ZERO;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn number(index: usize) -> String {
    format!("+4917000000{index:02}")
}

/// One modem of each model.
fn world() -> World {
    let mut world = World::new(Network::new(jiff::Timestamp::UNIX_EPOCH, 1));
    for (index, personality) in PERSONALITIES.iter().enumerate() {
        world.add(Modem::new(personality, &number(index), index as u64));
    }
    world
}

fn index_of(name: &str) -> usize {
    PERSONALITIES.iter().position(|one| one.name == name).unwrap()
}

fn read(world: &mut World, now: Duration, index: usize) -> String {
    world.handle_timeout(now, index);
    String::from_utf8_lossy(&world.poll_output(now, index)).into_owned()
}

fn say(world: &mut World, now: Duration, index: usize, text: &str) -> String {
    world.handle_input(now, index, text.as_bytes());
    read(world, now, index)
}

fn set_up(world: &mut World, index: usize, indications: &str) {
    for line in ["ATE0", "AT+CMEE=1", "AT+CSMS=1", &format!("AT+CNMI={indications}")] {
        assert!(say(world, START, index, &format!("{line}\r")).ends_with("OK\r\n"), "{line}");
    }
}

fn submits(to: &str, text: &str, report: bool) -> Vec<(usize, String)> {
    let segments = segment(text, Reference::Narrow(9), None).unwrap();
    let pdus = segments.into_iter().map(|part| {
        let submit = Submit {
            reject_duplicates: false,
            reply_path: false,
            status_report_request: report,
            message_reference: 0,
            destination: Address::number(to).unwrap(),
            protocol_identifier: 0,
            data_coding: part.data_coding,
            validity: None,
            user_data: part.user_data,
        };
        let pdu = encode_submit(None, &submit).unwrap();
        (pdu.tpdu_octets, pdu.hex)
    });
    pdus.collect()
}

/// What the modem prints on a send of one segment.
fn send(world: &mut World, now: Duration, index: usize, to: &str, text: &str) -> String {
    let mut printed = String::new();
    for (octets, pdu) in submits(to, text, true) {
        assert!(say(world, now, index, &format!("AT+CMGS={octets}\r")).ends_with("> "));
        printed += &say(world, now, index, &format!("{pdu}\x1a"));
    }
    printed
}

fn inject(world: &mut World, now: Duration, injection: &Injection) -> Vec<u64> {
    let ids = inject::inject(world, now, injection).unwrap();
    world.settle(now);
    ids
}

fn text_to(index: usize, text: &str) -> Injection {
    Injection { to: number(index), from: "+4915112345678".to_owned(), text: text.to_owned(), ..Injection::default() }
}

/// Events of the ledger after a number, as JSON, by their names.
fn events(world: &World, name: &str) -> Vec<serde_json::Value> {
    let all = world.network.ledger().iter().map(|entry| serde_json::to_value(entry).unwrap());
    all.filter(|entry| entry["event"] == name).collect()
}

#[test]
fn every_personality_answers_bring_up() {
    let mut world = world();
    for (index, personality) in PERSONALITIES.iter().enumerate() {
        assert!(say(&mut world, START, index, "ATE0\r").ends_with("\r\nOK\r\n"));
        let (iccid, counter) = (personality.iccid.0, personality.pin_counter);
        for command in
            ["+CMEE=1", "+CPIN?", "+CIMI", "+CSMS=1", "+CMGF=0", "+CPMS=?", "+CSQ", "+CLAC", "+CREG?", iccid, counter]
        {
            let reply = say(&mut world, START, index, &format!("AT{command}\r"));
            assert!(reply.ends_with("\r\nOK\r\n"), "{} {command}: {reply}", personality.name);
        }
        assert_eq!(say(&mut world, START, index, "AT+WHAT\r"), "\r\nERROR\r\n");
    }
}

#[test]
fn a_message_reaches_another_modem_and_its_report_comes_back() {
    let mut world = world();
    set_up(&mut world, 0, "2,1,0,1,0");
    set_up(&mut world, 1, "2,1,0,1,0");
    let printed = send(&mut world, START, 0, &number(1), "hello");
    let (sent, report) = (printed.find("+CMGS: 0").unwrap(), printed.find("+CDS: ").unwrap());
    assert!(sent < report, "{printed}");
    assert!(read(&mut world, START, 1).contains("+CMTI: \"SM\",1"));
    assert!(say(&mut world, START, 1, "AT+CMGL=4\r").contains("E8329BFD06"));
    assert!(say(&mut world, START, 1, "AT+CMGD=1\r").contains("OK"));
    assert_eq!(events(&world, "announced").len(), 2);
    assert_eq!(events(&world, "deleted")[0]["index"], 1);
    assert_eq!(events(&world, "completed")[0]["text"], "hello");
}

#[test]
fn what_is_not_acknowledged_comes_again_once_and_is_reported_once() {
    let mut world = world();
    let flashing = index_of("sim7600e");
    set_up(&mut world, flashing, "2,1,0,1,0");
    inject(&mut world, START, &Injection { flash: true, ..text_to(flashing, "now") });
    assert!(read(&mut world, START, flashing).contains("+CMT: ,"));
    assert!(!world.is_idle());
    assert_eq!(read(&mut world, at(14), flashing), "");
    assert_eq!(world.poll_timeout(flashing), Some(at(15)));
    read(&mut world, at(15), flashing);
    assert_eq!(events(&world, "refused").len(), 1);
    // Routing is off until the terminal asks again.
    assert!(say(&mut world, at(16), flashing, "AT+CNMI=2,1,0,1,0\r").contains("OK"));
    assert_eq!(world.poll_timeout(flashing), Some(at(20)));
    assert!(read(&mut world, at(20), flashing).contains("+CMT: ,"));
    assert!(say(&mut world, at(20), flashing, "AT+CNMA\r").contains("OK"));
    assert!(say(&mut world, at(20), flashing, "AT+CNMA\r").contains("+CMS ERROR: 340"));
    let attempts: Vec<_> = events(&world, "delivered").iter().map(|it| it["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2]);
    assert!(world.is_idle());
}

#[test]
fn what_is_sent_back_comes_again_and_routing_stays_on() {
    let mut world = world();
    let flashing = index_of("sim7600e");
    set_up(&mut world, flashing, "2,1,0,1,0");
    inject(&mut world, START, &Injection { flash: true, ..text_to(flashing, "now") });
    assert!(read(&mut world, START, flashing).contains("+CMT: ,"));
    assert!(say(&mut world, at(1), flashing, "AT+CNMA=2\r").contains("OK"));
    assert_eq!(events(&world, "refused").len(), 1);
    assert!(read(&mut world, at(6), flashing).contains("+CMT: ,"));
}

#[test]
fn a_full_memory_leaves_the_rest_in_the_network() {
    let mut world = world();
    world.start_fault(START, 0, Fault::LimitMemory { slots: Some(1) });
    for text in ["one", "two"] {
        inject(&mut world, START, &text_to(0, text));
    }
    assert_eq!(world.network.waiting(), 1);
    say(&mut world, START, 0, "AT+CMGD=1\r");
    assert_eq!(world.network.waiting(), 0);
}

#[test]
fn a_copy_has_an_id_of_its_own_and_no_report() {
    let mut world = world();
    set_up(&mut world, 0, "2,1,0,1,0");
    world.start_fault(START, 1, Fault::Duplicate);
    let printed = send(&mut world, START, 0, &number(1), "twice");
    assert_eq!(printed.matches("+CDS: ").count(), 1);
    let delivered = events(&world, "delivered");
    let to_other: Vec<_> = delivered.iter().filter(|it| it["number"] == number(1)).collect();
    assert_eq!(to_other.len(), 2);
    assert_ne!(to_other[0]["id"], to_other[1]["id"]);
    assert_eq!(events(&world, "queued").iter().filter(|it| it["copy_of"] == to_other[0]["id"]).count(), 1);
}

#[test]
fn outside_numbers_report_what_the_conditions_say() {
    let table = [
        (Outcome::Delivered, vec![0x00]),
        (Outcome::Undelivered, vec![0x41]),
        (Outcome::Expired, vec![0x46]),
        (Outcome::TryingThenDelivered, vec![0x20, 0x00]),
        (Outcome::Silent, vec![]),
        (Outcome::Status(0x63), vec![0x63]),
    ];
    for (outcome, statuses) in table {
        let mut world = world();
        set_up(&mut world, 0, "2,1,0,1,0");
        world.network.conditions.outcomes.insert("+43".to_owned(), outcome);
        send(&mut world, START, 0, "+436601234567", "x");
        for _ in &statuses {
            assert!(say(&mut world, START, 0, "AT+CNMA\r").contains("OK"), "{outcome:?}");
        }
        let queued = events(&world, "queued");
        let reported: Vec<_> = queued.iter().map(|it| it["report"]["status"].as_u64().unwrap()).collect();
        assert_eq!(reported, statuses, "{outcome:?}");
    }
}

#[test]
fn a_slow_network_keeps_the_order_of_answers() {
    let mut world = world();
    set_up(&mut world, 0, "2,1,0,1,0");
    world.network.conditions.submit_latency = 2.0;
    // Another command comes while the answer is out.
    let (octets, pdu) = submits("+436601234567", "x", true).remove(0);
    say(&mut world, START, 0, &format!("AT+CMGS={octets}\r"));
    assert_eq!(say(&mut world, START, 0, &format!("{pdu}\x1aAT+CSQ\r")), "");
    inject(&mut world, at(1), &text_to(0, "meanwhile"));
    assert!(read(&mut world, at(1), 0).contains("+CMTI: \"SM\",1"));
    let printed = read(&mut world, at(2), 0);
    let places: Vec<_> = ["+CMGS: 0", "+CSQ: ", "+CDS: "].map(|part| printed.find(part)).to_vec();
    assert!(places.iter().all(Option::is_some), "{printed}");
    assert!(places[0] < places[1] && places[0] < places[2], "{printed}");
}

#[test]
fn a_paced_line_takes_its_time_both_ways_and_counts_what_has_crossed() {
    let mut world = world();
    set_up(&mut world, 0, "2,1,0,1,0");
    let before = world.octets(0);
    world.set_baud(1_000);
    // Ten milliseconds an octet.
    let told = |millis: u64| START + Duration::from_millis(millis);
    world.handle_input(START, 0, b"AT+CSQ\r");
    world.handle_timeout(told(69), 0);
    assert_eq!((world.octets(0).to_modem - before.to_modem, world.is_idle()), (6, false));
    assert!(world.poll_output(told(69), 0).is_empty());
    // Nobody looks for a while; the answer began when the command was complete.
    world.handle_timeout(told(130), 0);
    let printed = String::from_utf8(world.poll_output(told(130), 0)).unwrap();
    assert_eq!(printed, "\r\n+CSQ");
    // A notice waits for the answer before it, and is told of when it is complete.
    inject(&mut world, told(140), &text_to(0, "hello"));
    assert!(world.poll_output(told(140), 0).len() == 1 && events(&world, "announced").is_empty());
    let rest = String::from_utf8(world.poll_output(told(10_000), 0)).unwrap();
    assert!(rest.ends_with("\r\n\r\nOK\r\n\r\n+CMTI: \"SM\",1\r\n"), "{rest:?}");
    assert_eq!(world.octets(0).to_terminal - before.to_terminal, (printed.len() + 1 + rest.len()) as u64);
    assert_eq!(events(&world, "announced").len(), 1);
}

#[test]
fn a_port_that_is_closed_keeps_nothing_on_its_line() {
    let mut world = world();
    world.set_baud(1_000);
    world.handle_input(START, 0, b"AT+CREG?");
    world.closed(Duration::from_millis(20), 0);
    // What the modem has it has; the rest, and the echo, nobody gets.
    world.handle_input(Duration::from_millis(20), 0, b"\r");
    world.handle_timeout(at(2), 0);
    assert_eq!(String::from_utf8(world.poll_output(at(20), 0)).unwrap(), "\r\r\nOK\r\n");
}

#[test]
fn segments_from_modems_are_put_together() {
    let mut world = world();
    let text = "long ".repeat(70);
    say(&mut world, START, 0, "ATE0\r");
    send(&mut world, START, 0, "+436601234567", &text);
    let completed = events(&world, "completed");
    assert_eq!(completed.len(), 1);
    assert_eq!((&completed[0]["text"], &completed[0]["number"]), (&text.into(), &"+436601234567".into()));
    assert_eq!(events(&world, "submitted")[2]["concatenation"]["sequence"], 3);
}

#[test]
fn reports_go_where_the_model_puts_them() {
    let mut world = world();
    let zte = index_of("zte-mf190");
    assert!(say(&mut world, START, zte, "ATE0+CMEE=1;+CNMI=2,1,0,1,0\r").contains("+CMS ERROR: 302"));
    assert!(say(&mut world, START, zte, "AT+CNMI=1,1,0,2,0\r").contains("OK"));
    let printed = send(&mut world, START, zte, "+436601234567", "x");
    assert!(printed.contains("+CDSI: \"SR\",1"), "{printed}");
    assert!(!say(&mut world, START, zte, "AT+CMGL=4\r").contains("+CMGL"));
    assert!(say(&mut world, START, zte, "AT+CPMS=\"SR\",\"SM\",\"SM\";+CMGR=1\r").contains("+CMGR: 0,,"));
    assert!(say(&mut world, START, zte, "AT+CMGD=1\r").contains("OK"));
    assert_eq!(events(&world, "deleted")[0]["memory"], "SR");
}

#[test]
fn notices_fall_into_listings_but_not_into_entries() {
    let mut world = world();
    set_up(&mut world, 0, "2,1,0,1,0");
    for text in ["one", "two", "three"] {
        inject(&mut world, START, &text_to(0, text));
    }
    read(&mut world, START, 0);
    world.start_fault(START, 0, Fault::Interleave { on: true });
    send(&mut world, START, 0, "+436601234567", "x");
    assert_eq!(events(&world, "announced").len(), 3, "it waits for a listing");
    let listing = say(&mut world, START, 0, "AT+CMGL=4\r");
    let lines: Vec<&str> = listing.lines().filter(|line| !line.is_empty()).collect();
    let heads: Vec<&str> = lines.iter().map(|line| line.get(..5).unwrap_or(line)).collect();
    assert_eq!(heads, ["+CMGL", heads[1], "+CDS:", heads[3], "+CMGL", heads[5], "+CREG", "+CMGL", heads[8], "OK"]);
    assert_eq!(events(&world, "announced").len(), 4);
    // Without a listing they come by themselves.
    inject(&mut world, START, &text_to(0, "four"));
    assert!(say(&mut world, START, 0, "AT+CNMA\r").contains("OK"));
    read(&mut world, START, 0);
    assert!(read(&mut world, at(1), 0).contains("+CMTI"));
}

#[test]
fn a_locked_sim_counts_and_remembers_tries() {
    let mut world = world();
    for (index, personality) in PERSONALITIES.iter().enumerate() {
        let fault = Fault::PinRequired { pin: "1234".to_owned(), tries: None };
        world.start_fault(START, index, fault);
        say(&mut world, START, index, "ATE0+CMEE=1\r");
        assert!(say(&mut world, START, index, "AT+CPIN?\r").contains("SIM PIN"));
        assert!(say(&mut world, START, index, "AT+CIMI\r").contains("+CME ERROR: 11"));
        assert!(say(&mut world, START, index, "AT+CMGL=4\r").contains("+CMS ERROR: 311"));
        assert!(say(&mut world, START, index, "AT+CPIN=\"9999\"\r").contains("+CME ERROR: 16"));
        world.start_fault(START, index, Fault::Unplug);
        world.start_fault(START, index, Fault::Replug { link: None });
        say(&mut world, START, index, "ATE0+CMEE=2\r");
        let counter = say(&mut world, START, index, &format!("AT{}\r", personality.pin_counter));
        assert!(counter.contains('2') && !counter.contains(",0"), "{counter}");
        for _ in 0..2 {
            assert!(say(&mut world, START, index, "AT+CPIN=\"9999\"\r").contains("incorrect password"));
        }
        assert!(say(&mut world, START, index, "AT+CPIN?\r").contains("SIM PUK"));
        assert!(say(&mut world, START, index, "AT+CPIN=\"1234\"\r").contains("PUK required"));
        assert!(say(&mut world, START, index, "AT+CPIN=\"12345678\",\"4321\"\r").contains("OK"));
        assert!(say(&mut world, START, index, "AT+CPIN?\r").contains("READY"));
        world.start_fault(START, index, Fault::SimAbsent { absent: true });
        assert!(say(&mut world, START, index, "AT+CMEE=1;+CPIN?\r").contains("+CME ERROR: 10"));
    }
}

#[test]
fn a_message_costs_and_the_balance_tells() {
    let mut world = world();
    say(&mut world, START, 0, "ATE0\r");
    assert!(say(&mut world, START, 0, "AT+CUSD=1,\"*100#\",15\r").contains("12,34 EUR"));
    send(&mut world, START, 0, "+436601234567", "x");
    assert!(say(&mut world, START, 0, "AT+CUSD=1,\"*100#\",15\r").contains("12,25 EUR"));
}

#[test]
fn menus_of_ussd_are_sessions() {
    let mut world = world();
    say(&mut world, START, 0, "ATE0\r");
    let table = [
        ("*101#", "+CUSD: 1,\"1 Guthaben"),
        ("2", "+CUSD: 0,\"Ihre Rufnummer: +49"),
        ("*101#", "+CUSD: 1,"),
        ("9", "+CUSD: 2,\"Ende\""),
        ("*999#", "+CUSD: 4\r\n"),
    ];
    for (code, answer) in table {
        let printed = say(&mut world, START, 0, &format!("AT+CUSD=1,\"{code}\",15\r"));
        assert!(printed.starts_with("\r\nOK\r\n") && printed.contains(answer), "{code}: {printed}");
    }
    let huawei = index_of("huawei-e3131");
    say(&mut world, START, huawei, "ATE0+CMEE=1\r");
    assert!(say(&mut world, START, huawei, "AT+CUSD=1,\"*100#\",15\r").contains("+CME ERROR: 50"));
    assert!(say(&mut world, START, huawei, "AT+CUSD=1,\"AA180C3602\",15\r").contains("+CUSD: 0,\"49B4"));
    assert!(say(&mut world, START, huawei, "AT^USSDMODE=0;+CUSD=1,\"*100#\",15\r").contains("+CUSD: 0,\"49B4"));
    world.send_ussd(START, 0, "by itself", false);
    assert!(read(&mut world, START, 0).contains("+CUSD: 0,\"by itself\",15"));
}

#[test]
fn faults_of_sending() {
    let (octets, pdu) = submits("+436601234567", "x", false).remove(0);
    let ask = format!("AT+CMGS={octets}\r");
    let payload = format!("{pdu}\x1a");
    let mut world = world();
    say(&mut world, START, 0, "ATE0+CMEE=1\r");

    world.start_fault(START, 0, Fault::NoPrompt { count: 1 });
    assert_eq!(say(&mut world, START, 0, &ask), "");
    assert!(say(&mut world, START, 0, &ask).ends_with("> "));
    assert!(say(&mut world, START, 0, "\x1b").contains("OK"));

    world.start_fault(START, 0, Fault::CmsError { code: 38, count: 1 });
    say(&mut world, START, 0, &ask);
    assert!(say(&mut world, START, 0, &payload).contains("+CMS ERROR: 38"));
    assert_eq!(events(&world, "submit_failed")[0]["code"], 38);

    for submitted in [false, true] {
        world.start_fault(START, 0, Fault::HangAfterPayload { submitted });
        say(&mut world, START, 0, &ask);
        assert_eq!(say(&mut world, START, 0, &payload), "");
        assert_eq!(events(&world, "submitted").len(), usize::from(submitted));
    }
    say(&mut world, START, 0, &ask);
    assert!(say(&mut world, START, 0, &payload).contains("+CMGS: 1"));

    let waiting = [
        Fault::NoPrompt { count: 1 },
        Fault::CmsError { code: 38, count: 1 },
        Fault::HangAfterPayload { submitted: false },
        Fault::Late { seconds: 5.0 },
        Fault::Disarm,
    ];
    for fault in waiting {
        world.start_fault(START, 0, fault);
    }
    assert!(say(&mut world, START, 0, &ask).ends_with("> "));
    assert!(say(&mut world, START, 0, &payload).contains("+CMGS: 2"));
}

#[test]
fn lost_and_late_reports() {
    let mut world = world();
    set_up(&mut world, 0, "2,1,0,1,0");
    world.network.conditions.report_delay = 3.0;
    assert!(!send(&mut world, START, 0, "+436601234567", "late").contains("+CDS"));
    assert_eq!(world.poll_timeout(0), Some(at(3)));
    assert!(read(&mut world, at(3), 0).contains("+CDS"));
    say(&mut world, at(3), 0, "AT+CNMA\r");
    world.network.conditions.report_loss = 100;
    send(&mut world, at(3), 0, "+436601234567", "lost");
    assert_eq!(world.poll_timeout(0), None);
    assert_eq!(events(&world, "report_lost")[0]["report"]["reference"], 1);
}

#[test]
fn a_modem_byte_by_byte_loses_nothing() {
    let mut world = world();
    world.start_fault(START, 0, Fault::ByteByByte { on: true });
    let mut now = START;
    world.handle_input(now, 0, b"ATE0\r");
    let mut printed = Vec::new();
    while let Some(due) = world.poll_timeout(0) {
        now = now.max(due);
        world.handle_timeout(now, 0);
        let bytes = world.poll_output(now, 0);
        assert!(bytes.len() <= 1);
        printed.extend(bytes);
    }
    assert_eq!(printed, b"ATE0\r\r\nOK\r\n");
}

#[test]
fn injections_are_cut_arranged_and_repeated() {
    let mut world = world();
    let long = "x".repeat(400);
    let shuffled = Injection { order: Order::Reversed, duplicate: true, ..text_to(1, &long) };
    let ids = inject(&mut world, START, &shuffled);
    assert_eq!(ids.len(), 6);
    let parts: Vec<_> = events(&world, "delivered").iter().map(|it| it["part"].as_u64().unwrap()).collect();
    assert_eq!(parts, [3, 3, 2, 2, 1, 1]);
    let halved = inject(&mut world, START, &Injection { omit: vec![2], ..text_to(1, &long) });
    assert_eq!(halved.len(), 2);
    let raw = Injection { to: number(1), pdu: Some("00FF".to_owned()), ..Injection::default() };
    assert_eq!(inject(&mut world, START, &raw).len(), 1);
    let table = [
        (Injection { to: "+999".to_owned(), ..Injection::default() }, "field `to`"),
        (Injection { to: number(1), pdu: Some("0".to_owned()), ..Injection::default() }, "field `pdu`"),
        (Injection { from: "far too long a name".to_owned(), ..text_to(1, "x") }, "field `from`"),
    ];
    for (wrong, field) in table {
        let error = inject::inject(&mut world, START, &wrong).unwrap_err();
        assert!(error.contains(field), "{error}");
    }
}

#[test]
fn drafts_take_places_and_stay() {
    let mut world = world();
    assert!(world.start_fault(START, 0, Fault::Drafts { count: 3 }));
    for (command, part) in [
        ("AT+CPMS?\r", "+CPMS: \"SM\",3,"),
        ("AT+CMGL=4\r", ",2,,16\r\n0011000C91"),
        ("AT+CMGD=1,3\r", "OK"),
        ("AT+CPMS?\r", "+CPMS: \"SM\",3,"),
    ] {
        let answer = say(&mut world, START, 0, command);
        assert!(answer.contains(part), "{command}: {answer:?}");
    }
    let truth = world.modem(0).unwrap().truth(START);
    assert_eq!(truth.memories.first().map(|memory| memory.used), Some(3));
}

#[test]
fn a_pdu_laid_into_a_memory_is_there_unannounced_and_can_be_deleted() {
    let pdu = "0004039121F30000111010100000000131";
    for name in ["quectel-m35", "sim7600e"] {
        let (mut world, index) = (world(), index_of(name));
        set_up(&mut world, index, "2,1,0,2,0");
        let to = number(index);
        let lay = |world: &mut World, to: &str, memory: &str, place: usize| {
            inject::lay(world, START, to, (memory, place), pdu)
        };
        let id = lay(&mut world, &to, "SM", 3).unwrap();
        assert_eq!(read(&mut world, START, index), "", "nothing announces it");
        for (number, memory, place, word) in
            [(to.as_str(), "SM", 3, "no free place 3"), (&to, "SM", 999, "no free place 999"), ("+1", "SM", 1, "`+1`")]
        {
            let error = lay(&mut world, number, memory, place).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        say(&mut world, START, index, "AT+CPMS=\"SM\",\"SM\",\"SM\"\r");
        assert!(say(&mut world, START, index, "AT+CMGR=3\r").contains(pdu));
        assert!(say(&mut world, START, index, "AT+CMGD=3\r").contains("OK"));
        let deleted = |entry: &Entry| matches!(&entry.what, Happening::Deleted { id: gone, .. } if *gone == id);
        assert!(world.network.ledger().iter().any(deleted));
    }
}

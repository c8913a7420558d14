//! What a person at a terminal meets: the shell with its keys, and the live status on a screen of its own.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use smsgate::rpc::wire::{Call, Fault, Value};

use crate::{
    gateway::{Gateway, fault, pair},
    pty::{Pty, Screen},
};

const PROMPT: &str = "+ Command (ussd, sms, status, loop-status, help, exit):";
const MODEMS: usize = 64;
/// Shows a frame at once.
const FRAME: &str = "\x1b[?2026h";

/// What the gateway is made to do.
#[derive(Default)]
struct Mood {
    /// No answer.
    silent: AtomicBool,
    /// A fault for an answer.
    out_of_order: AtomicBool,
}

/// Sixty-four modems of all states of health, with names from everywhere.
fn sixty_four() -> Value {
    let networks = ["Vodafone.de", "中国移动", "סלקום", "A network with a name longer than any column", "Türk\u{202e}"];
    let health = [("OK", ""), ("WARNING", "Signal: weak (CSQ 3)"), ("CRITICAL", "信号\u{202e}: נקלט\r\n")];
    let modem = |at: usize| {
        let string = |name: &str, text: &str| (name.to_owned(), Value::string(text));
        let (level, reason) = health[at % health.len()];
        Value::Struct(vec![
            string("phone_number", &format!("+49170000{at:04}")),
            string("current_network", networks[at % networks.len()]),
            ("current_signal".into(), Value::int(-113 + i32::try_from(at).unwrap())),
            string("port", &format!("/dev/serial/by-path/pci-0000:00:14.0-usb-0:{at}:1.2-port0")),
            string("status", "Ready."),
            ("balance".into(), Value::double(at as f64 * 1.5)),
            string("currency", "EUR"),
            ("sent".into(), Value::int(i32::try_from(at * 997).unwrap())),
            ("received".into(), Value::int(7)),
            string("health_state_short", level),
            string("health_state_message", reason),
        ])
    };
    Value::Struct((0..MODEMS).map(|at| (format!("{at:02}"), modem(at))).collect())
}

fn gateway() -> (Gateway, Arc<Mood>) {
    let mood = Arc::new(Mood::default());
    let at = Arc::clone(&mood);
    let gateway = Gateway::start(move |call| answer(call, &at));
    (gateway, mood)
}

fn answer(call: &Call, mood: &Mood) -> Result<Value, Fault> {
    while mood.silent.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(2));
    }
    match call.method.as_str() {
        _ if mood.out_of_order.load(Ordering::Relaxed) => Err(fault(503, "out of order")),
        "get_stats" => Ok(Value::Array(vec![Value::string("OK"), sixty_four()])),
        "send_ussd" => Ok(pair("OK", "12,34 EUR")),
        other => Err(fault(8001, &format!("procedure {other} not found"))),
    }
}

fn shell(gateway: &Gateway, state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    command.args(["shell", "--port", &gateway.port.to_string()]).arg("--ca").arg(&gateway.ca);
    command.env("SMSGATE_APITOKEN", "secret-token").env("XDG_STATE_HOME", state);
    command
}

/// At the prompt, with nothing typed.
fn is_asking(screen: &Screen) -> bool {
    screen.present() == PROMPT
}

fn counted(gateway: &Gateway) -> usize {
    gateway.calls.lock().unwrap().len()
}

#[track_caller]
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn tab_completes_commands_and_numbers_and_the_arrow_brings_back_commands_of_another_day() {
    let (gateway, _) = gateway();
    let state = tempfile::tempdir().unwrap();
    let mut pty = Pty::start(&shell(&gateway, state.path()), (80, 24));
    let before = pty.settings();
    pty.until("the prompt", is_asking);
    pty.keys("l\t");
    pty.until("one command begins so", |screen| screen.present() == format!("{PROMPT} loop-status"));
    pty.keys("\x15us\t\r");
    pty.until("the question", |screen| screen.present() == "+ Phone number (Enter for last):");
    pty.keys("+49170000006\t");
    pty.until("four numbers begin so", |screen| screen.contains("+491700000060") && screen.contains("+491700000062"));
    pty.keys("3\t\r");
    pty.until("the next question", |screen| screen.present() == "+ USSD code:");
    // Commands are no answers.
    pty.keys("\x1b[A*100#\r");
    pty.until("the answer", |screen| screen.contains("+ USSD response: 12,34 EUR") && is_asking(screen));
    let call = gateway.calls.lock().unwrap().iter().find(|call| call.method == "send_ussd").cloned().unwrap();
    assert_eq!(call.params[1..], [Value::string("+491700000063"), Value::string("*100#")]);
    pty.keys("exit\r");
    assert_eq!(pty.ended(), 0);
    assert_eq!(pty.settings(), before, "the line is as it was");

    let pty = Pty::start(&shell(&gateway, state.path()), (80, 24));
    pty.until("the prompt", is_asking);
    pty.keys("\x1b[A");
    pty.until("the last command", |screen| screen.present() == format!("{PROMPT} ussd"));
    pty.keys("\x1b[A\x1b[A");
    pty.until("there is no other", |screen| screen.present() == format!("{PROMPT} ussd"));
}

#[test]
fn the_live_status_writes_what_changed_follows_the_window_and_scrolls_to_the_last_modem() {
    let (gateway, mood) = gateway();
    let state = tempfile::tempdir().unwrap();
    let mut pty = Pty::start(&shell(&gateway, state.path()), (80, 24));
    let before = pty.settings();
    pty.until("the prompt", is_asking);
    let at_prompt = pty.settings();
    pty.keys("loop-status\r");
    pty.until("the table", |screen| screen.line(23).starts_with("1-20 of 64"));
    {
        let screen = pty.seen().screen.clone();
        assert!(screen.is_alternate() && !screen.cursor_shown && !screen.wrapping);
        assert!(screen.line(0).starts_with("64 modems: 22 OK, 21 WARNING, 21 CRITICAL"), "{}", screen.text());
        assert_eq!(screen.line(0).len(), 80, "the clock is at the right");
    }

    // Nothing is written while nothing changes: keys without effect leave no trace before that of one with effect.
    let calls = counted(&gateway);
    mood.silent.store(true, Ordering::Relaxed);
    until("the gateway is asked again", || counted(&gateway) > calls);
    let written = pty.written();
    pty.keys("xk\x1b[A\x1b[5~\x1b[15~gj");
    pty.until("one row down", |screen| screen.line(23).starts_with("2-21 of 64"));
    assert_eq!(pty.since(written).matches(FRAME).count(), 1, "{:?}", pty.since(written));
    // A look that finds the same moves the clock only.
    let written = pty.written();
    let calls = counted(&gateway);
    mood.silent.store(false, Ordering::Relaxed);
    until("another look", || counted(&gateway) > calls);
    let since = pty.since(written);
    let rows: Vec<&str> = since.split("\x1b[").filter_map(|part| part.split_once(";1H").map(|(row, _)| row)).collect();
    assert!(rows.iter().all(|row| *row == "1"), "{since:?}");

    let written = pty.written();
    pty.resize(120, 40);
    pty.until("the larger window", |screen| screen.line(39).starts_with("2-37 of 64") && screen.line(0).len() == 120);
    assert!(pty.since(written).contains("\x1b[2J"), "another size is drawn anew");
    pty.resize(40, 10);
    pty.until("the smaller window", |screen| screen.line(9).starts_with("2-7 of 64"));
    pty.keys("G");
    pty.until("the last modem", |screen| {
        screen.line(9).starts_with("59-64 of 64") && screen.line(8).starts_with("63 ")
    });
    pty.keys("\x1b[H\x1b[6~\x1b[B");
    pty.until("a page and a row", |screen| {
        screen.line(9).starts_with("8-13 of 64") && screen.line(3).starts_with("07 ")
    });
    pty.resize(200, 80);
    pty.until("all fit", |screen| screen.line(66).starts_with("63 ") && screen.line(79).starts_with("q: leave"));
    columns_stand_straight(&pty.seen().screen);

    // Left by its key, with more typed behind it.
    pty.keys("qhelp\r");
    pty.until("help", |screen| screen.contains("leave (also: Ctrl-D)") && is_asking(screen));
    let is_whole = |screen: &Screen| !screen.is_alternate() && screen.cursor_shown && screen.wrapping;
    assert!(is_whole(&pty.seen().screen));
    assert_eq!(pty.settings(), at_prompt);
    // And by Ctrl-C.
    pty.keys("loop-status\r");
    pty.until("the table", |screen| screen.is_alternate() && screen.contains("q: leave"));
    pty.keys("\x03");
    pty.until("the prompt", |screen| is_whole(screen) && is_asking(screen));
    pty.keys("\x04");
    assert_eq!(pty.ended(), 0);
    assert_eq!(pty.settings(), before);
}

/// No text leans into the next column.
fn columns_stand_straight(screen: &Screen) {
    let lines = screen.lines();
    for title in ["Phone number", "Network", "Health", "Health state message", "Status"] {
        let at = lines[2].find(title).unwrap();
        for row in 3..67 {
            let (before, first) = (screen.at(row, at - 1), screen.at(row, at));
            let blank_reason = title == "Health state message" && (row - 3) % 3 == 0;
            assert!(before == ' ' && (first != ' ' || blank_reason), "{title}, row {row}:\n{}", screen.text());
        }
    }
    assert!(screen.contains("中国移动") && screen.contains("Türk\u{fffd} "), "{}", screen.text());
}

#[test]
fn a_gateway_in_trouble_is_told_and_its_return_seen() {
    let (gateway, mood) = gateway();
    let state = tempfile::tempdir().unwrap();
    let pty = Pty::start(&shell(&gateway, state.path()), (80, 24));
    pty.until("the prompt", is_asking);
    pty.keys("loop-status\r");
    pty.until("the table", |screen| screen.line(23).starts_with("1-20 of 64"));
    mood.out_of_order.store(true, Ordering::Relaxed);
    pty.until("the trouble", |screen| {
        screen.line(23) == "- out of order (fault 503)" && screen.line(0).contains("  seen ") && screen.contains("00 ")
    });
    mood.out_of_order.store(false, Ordering::Relaxed);
    pty.until("it is over", |screen| screen.line(23).starts_with("1-20 of 64") && !screen.line(0).contains("seen"));
}

#[test]
fn a_shell_that_is_terminated_leaves_the_terminal_as_it_was() {
    let (gateway, _) = gateway();
    let state = tempfile::tempdir().unwrap();
    for command in ["loop-status", "sms"] {
        let mut pty = Pty::start(&shell(&gateway, state.path()), (80, 24));
        let before = pty.settings();
        pty.until("the prompt", is_asking);
        pty.keys(&format!("{command}\r"));
        pty.until("it is at it", |screen| screen.contains("q: leave") || screen.contains("+ Phone number (Enter"));
        pty.signal(Signal::SIGTERM);
        assert_eq!(pty.ended(), 143);
        assert_eq!(pty.settings(), before, "{command}");
        pty.until("the screen is back", |screen| !screen.is_alternate() && screen.cursor_shown && screen.wrapping);
    }
}

#[test]
fn colour_is_shown_unless_unwanted() {
    let (gateway, _) = gateway();
    let state = tempfile::tempdir().unwrap();
    for (no_colour, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let mut command = shell(&gateway, state.path());
        command.envs(no_colour.map(|value| ("NO_COLOR", value)));
        let pty = Pty::start(&command, (120, 40));
        pty.until("the prompt", is_asking);
        pty.keys("loop-status\r");
        pty.until("the table", |screen| screen.line(39).starts_with("1-36 of 64"));
        let raw = pty.since(0);
        for sgr in ["\x1b[32m", "\x1b[33m", "\x1b[1;31m"] {
            assert_eq!(raw.contains(sgr), coloured, "{no_colour:?}: {sgr:?}");
        }
        // All other SGR takes colour back.
        let others = raw.split("\x1b[").filter(|part| {
            part.find(|c: char| c.is_alphabetic())
                .is_some_and(|at| part[at..].starts_with('m') && !matches!(&part[..at], "0" | ""))
        });
        assert!(coloured || others.count() == 0, "{raw:?}");
    }
}

#[test]
fn a_terminal_without_control_sequences_gets_none_and_ctrl_c_leads_back() {
    let (gateway, _) = gateway();
    let state = tempfile::tempdir().unwrap();
    let mut command = shell(&gateway, state.path());
    command.env("TERM", "dumb");
    let mut pty = Pty::start(&command, (80, 24));
    pty.until("the prompt", is_asking);
    pty.keys("loop-status\r");
    let calls = counted(&gateway);
    until("it looks again and again", || counted(&gateway) >= calls + 2);
    pty.keys("\x03");
    pty.until("the prompt", is_asking);
    assert!(!pty.since(0).contains('\x1b'), "{:?}", pty.since(0));
    pty.keys("exit\r");
    assert_eq!(pty.ended(), 0);
}

#[test]
fn ctrl_c_ends_a_call_that_gets_no_answer_and_not_the_one_after_it() {
    let (gateway, mood) = gateway();
    let state = tempfile::tempdir().unwrap();
    let pty = Pty::start(&shell(&gateway, state.path()), (80, 24));
    pty.until("the prompt", is_asking);
    mood.silent.store(true, Ordering::Relaxed);
    let calls = counted(&gateway);
    pty.keys("status\r");
    until("the gateway is asked", || counted(&gateway) > calls);
    // Twice: the second comes too late for the call.
    pty.keys("\x03\x03");
    pty.until("it gives up", |screen| screen.contains("- interrupted") && is_asking(screen));
    mood.silent.store(false, Ordering::Relaxed);
    for (keys, question) in
        [("ussd\r", "+ Phone number (Enter for last):"), ("+4917\r", "+ USSD code:"), ("*100#\r", PROMPT)]
    {
        pty.keys(keys);
        pty.until(question, |screen| screen.present() == question);
    }
    pty.until("the next one is done", |screen| screen.contains("+ USSD response: 12,34 EUR"));
}

#[test]
fn ctrl_c_while_a_state_is_told_ends_the_waiting() {
    // The answer is longer than a pipe holds: the client is stuck in telling it, between two calls.
    let long = "x".repeat(200_000);
    let gateway = Gateway::start(move |call| match call.method.as_str() {
        "send_sms" => Ok(Value::string("id-1")),
        _ => Ok(Value::Struct(vec![
            ("state".into(), Value::string("sent")),
            ("cause".into(), Value::string(long.as_str())),
        ])),
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_smsgate"));
    command.args(["send-sms", "--to", "+4917", "--text", "x", "--port", &gateway.port.to_string()]);
    command.arg("--ca").arg(&gateway.ca).env("SMSGATE_APITOKEN", "secret-token");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut told = vec![0; 1000];
    out.read_exact(&mut told).unwrap();
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    out.read_to_end(&mut told).unwrap();
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(
        (ended.status.code(), err.as_str()),
        (Some(130), "smsgate: stopped waiting; SMS id-1 goes on without this program\n")
    );
    assert_eq!(gateway.methods(), ["send_sms", "get_message"]);
}

//! The dialogue by tables: what is sent, what is told, and when (V.250 5.4 to 5.7, TS 27.005 3.4 and 3.5).

use super::*;
use crate::at::{PduHex, PinState, RegistrationState, SimPin};

/// A channel and a clock that its test winds.
struct Dialogue {
    channel: Channel,
    start: Instant,
    now: Instant,
}

impl Dialogue {
    fn new() -> Self {
        let start = Instant::now();
        Self { channel: Channel::new(), start, now: start }
    }

    /// One that runs this command, its line sent.
    fn running(command: Command) -> Self {
        let mut dialogue = Self::new();
        dialogue.channel.submit(dialogue.now, command).unwrap();
        assert_eq!(dialogue.sent().len(), 1);
        dialogue
    }

    /// One whose PDU is sent.
    fn submitting() -> Self {
        let mut dialogue = Self::running(submission());
        dialogue.hears("\r\n> ");
        assert_eq!(dialogue.sent(), ["00\u{1a}"]);
        dialogue
    }

    fn hears(&mut self, input: &str) {
        self.channel.handle_input(self.now, input.as_bytes());
    }

    fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.channel.poll_transmit())
            .map(|transmit| String::from_utf8(transmit.bytes).unwrap())
            .collect()
    }

    fn told(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.channel.poll_event()).collect()
    }

    /// Lines of the answer that ends here, and the notices before it.
    fn answer(&mut self) -> (Vec<String>, Vec<Urc>) {
        let mut notices = Vec::new();
        for event in self.told() {
            if let Event::Unsolicited(urc) = event {
                notices.push(urc);
                continue;
            }
            let Event::Completed { result: Ok(response), .. } = event else { panic!("{event:?}") };
            return (response.lines.into_iter().map(|line| line.text).collect(), notices);
        }
        panic!("no answer, but {notices:?}")
    }

    fn waits(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.channel.handle_timeout(self.now);
    }

    /// Milliseconds since the beginning at which it wants to be woken.
    fn due(&self) -> Option<u128> {
        self.channel.poll_timeout().map(|due| (due - self.start).as_millis())
    }
}

fn submission() -> Command {
    Command::submit(PduHex::new("00").unwrap(), 0).within(Duration::from_secs(130))
}

fn unknown(line: &str) -> Urc {
    Urc::Unknown(line.to_owned())
}

fn completed(event: &Event) -> Option<&Result<Response, CommandError>> {
    if let Event::Completed { result, .. } = event { Some(result) } else { None }
}

/// Submits, is told this while the result is awaited, and hears nothing more: after how many seconds it gives up.
fn given_up_after(notice: &str) -> u64 {
    let mut dialogue = Dialogue::submitting();
    dialogue.hears(&format!("\r\n{notice}\r\n"));
    let end = dialogue.channel.poll_timeout().unwrap();
    dialogue.channel.handle_timeout(end);
    let told = dialogue.told();
    let result = told.iter().find_map(completed);
    assert_eq!(result, Some(&Err(CommandError::TimedOut { after_payload: true })), "{notice}");
    (end - dialogue.start).as_secs()
}

#[test]
fn a_modem_that_starts_anew_over_a_submission_is_not_waited_for_as_long() {
    for (notice, seconds) in [("RDY", 10), ("^SYSSTART", 10), ("SMS READY", 130), ("+CMTI: \"SM\",1", 130)] {
        assert_eq!(given_up_after(notice), seconds, "{notice}");
    }
}

#[test]
fn one_command_at_a_time_and_each_with_its_own_number() {
    let mut dialogue = Dialogue::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(dialogue.channel.submit(dialogue.now, Command::attention()).unwrap());
        assert_eq!(dialogue.channel.submit(dialogue.now, Command::attention()), Err(Busy::InFlight));
        dialogue.hears("\r\nOK\r\n");
    }
    assert_eq!(dialogue.sent(), ["AT\r"; 3]);
    let told: Vec<_> = ids.iter().map(|id| Event::Completed { id: *id, result: Ok(Response::default()) }).collect();
    assert_eq!(dialogue.told(), told);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

/// TS 27.005 3.5.1 has the prompt without a line end; some modems put one behind it.
#[test]
fn the_pdu_goes_out_at_the_prompt_and_at_nothing_else() {
    for (input, sent, told) in [
        ("\r\n> ", vec!["00\u{1a}"], vec![]),
        ("\r\n>\r\n", vec!["00\u{1a}"], vec![]),
        ("\r\n> \r\n", vec!["00\u{1a}"], vec![]),
        ("\r\nRING\r\n", vec![], vec![Event::Unsolicited(Urc::Ring)]),
        ("\r\n>>\r\n", vec![], vec![Event::Unsolicited(unknown(">>"))]),
        ("\r\n+CUSD: 1,\"Menu\r\n> ", vec![], vec![]), // a line of the text
    ] {
        let mut dialogue = Dialogue::running(submission());
        dialogue.hears(input);
        assert_eq!(
            (dialogue.sent(), dialogue.told()),
            (sent.iter().map(|s| (*s).to_owned()).collect(), told),
            "{input:?}"
        );
    }
}

/// What was sent next would become the text of a message.
#[test]
fn a_prompt_nobody_waits_for_is_left_at_once() {
    let mut dialogue = Dialogue::new();
    dialogue.hears("\r\n> ");
    assert_eq!((dialogue.sent(), dialogue.told()), (vec!["\u{1b}".to_owned()], vec![Event::OutOfSync]));
    let mut dialogue = Dialogue::new();
    dialogue.hears("\r\n>\r\n");
    assert_eq!((dialogue.sent(), dialogue.told()), (vec![], vec![Event::Unsolicited(unknown(">"))]));
}

#[test]
fn a_late_answer_is_given_up_on_the_deadline_and_not_before() {
    let mut dialogue = Dialogue::running(Command::signal());
    assert_eq!(dialogue.due(), Some(10_000));
    dialogue.waits(9_999);
    assert_eq!(dialogue.told(), []);
    dialogue.waits(1);
    let told = dialogue.told();
    assert_eq!(completed(&told[0]), Some(&Err(CommandError::TimedOut { after_payload: false })));
    assert_eq!(told[1..], [Event::OutOfSync]);
    assert_eq!(dialogue.channel.submit(dialogue.now, Command::signal()), Err(Busy::Resynchronising));
}

#[test]
fn a_port_just_opened_is_brought_into_step() {
    let mut dialogue = Dialogue::new();
    dialogue.channel.synchronise(dialogue.now);
    assert_eq!(dialogue.channel.submit(dialogue.now, Command::signal()), Err(Busy::Resynchronising));
    // ESC, for a prompt that may be open; nothing else until the modem has left it.
    assert_eq!((dialogue.sent(), dialogue.due()), (vec!["\u{1b}".to_owned()], Some(500)));
    dialogue.waits(500);
    assert_eq!((dialogue.sent(), dialogue.due()), (vec!["AT\r".to_owned()], Some(2_500)));
    // Echoes of both, one of them late.
    dialogue.hears("AT\r\r\nAT\r\r\nOK\r\n");
    assert_eq!(dialogue.due(), Some(800));
    assert_eq!(dialogue.told(), []);
    dialogue.waits(300);
    assert_eq!(dialogue.told(), [Event::Resynchronised]);
    assert_eq!(dialogue.sent(), [] as [&str; 0]);
    assert!(dialogue.channel.submit(dialogue.now, Command::signal()).is_ok());
}

#[test]
fn an_error_while_resynchronising_is_a_late_answer_and_no_proof_of_being_in_step() {
    let mut dialogue = Dialogue::new();
    dialogue.channel.synchronise(dialogue.now);
    dialogue.waits(500);
    dialogue.hears("\r\nERROR\r\n");
    assert_eq!(dialogue.due(), Some(800));
    dialogue.sent();
    dialogue.waits(300);
    assert_eq!((dialogue.sent(), dialogue.told()), (vec!["\u{1b}".to_owned()], vec![]));
}

#[test]
fn a_running_command_is_not_disturbed_by_a_wish_to_synchronise() {
    let mut dialogue = Dialogue::running(Command::signal());
    dialogue.channel.synchronise(dialogue.now);
    assert_eq!(dialogue.sent(), [] as [&str; 0]);
    dialogue.hears("\r\n+CSQ: 9,0\r\n\r\nOK\r\n");
    assert_eq!(dialogue.answer().0, ["+CSQ: 9,0"]);
}

#[test]
fn a_silent_modem_is_asked_fifteen_times() {
    let mut dialogue = Dialogue::new();
    dialogue.channel.synchronise(dialogue.now);
    while let Some(due) = dialogue.channel.poll_timeout() {
        dialogue.now = due;
        dialogue.channel.handle_timeout(due);
    }
    assert_eq!(dialogue.sent().iter().filter(|line| *line == "AT\r").count(), 15);
    assert_eq!(dialogue.told(), [Event::Unresponsive]);
    assert_eq!(dialogue.channel.submit(dialogue.now, Command::signal()), Err(Busy::Unresponsive));
}

#[test]
fn a_port_that_is_gone_ends_its_command_and_says_whether_the_pdu_had_left() {
    for (mut dialogue, after_payload) in [(Dialogue::running(Command::signal()), false), (Dialogue::submitting(), true)]
    {
        dialogue.channel.close();
        let told = dialogue.told();
        assert_eq!(
            told.iter().filter_map(completed).collect::<Vec<_>>(),
            [&Err(CommandError::Closed { after_payload })]
        );
        assert_eq!(dialogue.due(), None);
        assert_eq!(dialogue.channel.submit(dialogue.now, Command::signal()), Err(Busy::Unresponsive));
    }
}

#[test]
fn what_was_not_written_when_the_port_went_is_not_written_to_the_next() {
    let mut dialogue = Dialogue::new();
    dialogue.channel.submit(dialogue.now, Command::signal()).unwrap();
    dialogue.channel.close();
    assert_eq!(dialogue.sent(), [] as [&str; 0]);
}

/// V.250 6.2.4: with `ATE1`, the default, a modem sends back what it is sent.
#[test]
fn the_echo_of_a_command_is_no_line_of_its_answer() {
    for (command, input, notices) in [
        (Command::model(), "AT+CGMM\r", vec![]),
        (Command::model(), "at+cgmm\r", vec![]),
        (Command::model(), "~~AT+CGMM\r", vec![]), // behind noise
        (Command::model(), "RING\r\nAT+CGMM\r", vec![Urc::Ring]),
        (Command::echo_off(), "ATE0\r", vec![]),
        // Too short to be told from the end of something else.
        (Command::echo_off(), "~~ATE0\r", vec![unknown("~~ATE0")]),
        (Command::attention(), "WHAT\r", vec![unknown("WHAT")]),
    ] {
        let takes_any = command.accept() == Accept::AnyLine;
        let mut dialogue = Dialogue::running(command);
        dialogue.hears(input);
        dialogue.hears(if takes_any { "\r\nE173\r\n\r\nOK\r\n" } else { "\r\nOK\r\n" });
        let lines = if takes_any { vec!["E173".to_owned()] } else { vec![] };
        assert_eq!(dialogue.answer(), (lines, notices), "{input:?}");
    }
}

#[test]
fn an_echo_is_awaited_once() {
    let mut dialogue = Dialogue::running(Command::model());
    dialogue.hears("AT+CGMM\r\r\nAT+CGMM\r\n\r\nOK\r\n");
    assert_eq!(dialogue.answer().0, ["AT+CGMM"]);
}

#[test]
fn a_line_nobody_knows_is_shown_unless_it_may_be_a_pin() {
    let pin = SimPin::new(&"1234".to_owned().into()).unwrap();
    for (command, shown) in [(Command::signal(), "?1234"), (Command::enter_pin(&pin), "(hidden)")] {
        let mut dialogue = Dialogue::running(command);
        dialogue.hears("\r\n?1234\r\n");
        assert_eq!(dialogue.told(), [Event::Unsolicited(unknown(shown))]);
    }
}

#[test]
fn lines_of_an_answer_are_told_from_notices_by_what_was_asked() {
    let ready = || Urc::Pin(PinState::Ready);
    let roaming = || Urc::Registration(RegistrationState::Roaming);
    for (command, line, notice) in [
        (Command::signal(), "+CSQ: 17,99", None),
        (Command::signal(), "+COPS: 0", Some(unknown("+COPS: 0"))),
        (Command::attention(), "+CSQ: 17,99", Some(unknown("+CSQ: 17,99"))),
        (Command::pin_state(), "+CPIN: READY", None),
        (Command::signal(), "+CPIN: READY", Some(ready())),
        (Command::registration(), "+CREG: 0,5", None),
        (Command::registration(), "+CREG: 5", Some(roaming())),
        (Command::list(), "+CMGL: 1,1,,25", None),
        (Command::list(), "+CSQ: 17,99", Some(unknown("+CSQ: 17,99"))),
        (Command::list(), "+CMGR: 1,,25", Some(unknown("+CMGR: 1,,25"))),
        // Those that answer in words of their own.
        (Command::manufacturer(), "ACME", None),
        (Command::manufacturer(), "Model: 3000", None),
        (Command::manufacturer(), "*ACME*", None),
        (Command::manufacturer(), "+CGMI: ACME", None),
        (Command::manufacturer(), "+CGMM: 3000", Some(unknown("+CGMM: 3000"))),
        (Command::manufacturer(), "RING", Some(Urc::Ring)),
        (Command::iccid(), "+CCID: 8949", None),
        (Command::iccid(), "+ICCID: 8949", None),
        (Command::iccid_huawei(), "^ICCID: 8949", None),
    ] {
        let name = command.name().to_owned();
        let mut dialogue = Dialogue::running(command);
        dialogue.hears(&format!("\r\n{line}\r\n\r\nOK\r\n"));
        let lines = if notice.is_none() { vec![line.to_owned()] } else { vec![] };
        assert_eq!(dialogue.answer(), (lines, Vec::from_iter(notice)), "{name} {line}");
    }
}

/// TS 27.007 7.2: a notice has the state first, an answer the mode and then the state.
#[test]
fn a_change_of_registration_has_no_second_number() {
    for (prefix, parameters, change) in [
        ("+CREG:", "5", true),
        ("+CGREG:", "1,\"00C3\",\"1A\"", true),
        ("+CEREG:", "1,\"00C3\",\"01A2B3C4\",7", true),
        ("+CREG:", "0,1", false),
        ("+CEREG:", "2, 5,\"00C3\",\"01A2B3C4\",7", false),
        ("+CREG:", "0,10", false),
        ("+CREG:", "1,00C3", true), // some leave the quotes out
        ("+CSQ:", "17", false),
        ("+CPIN:", "READY", false),
    ] {
        assert_eq!(is_change_of_registration(prefix, parameters), change, "{prefix} {parameters}");
    }
}

/// A PDU is taken for the notice that waits for one, unless the command asks for a number that looks the same.
#[test]
fn a_serial_number_is_no_pdu() {
    let notice = Urc::Cmt { tpdu_octets: Some(4), pdu: "8949".to_owned() };
    for (command, lines, notices) in
        [(Command::iccid(), vec!["8949".to_owned()], vec![]), (Command::signal(), vec![], vec![notice])]
    {
        let mut dialogue = Dialogue::running(command);
        dialogue.hears("\r\n+CMT: ,4\r\n8949\r\n\r\nOK\r\n");
        assert_eq!(dialogue.answer(), (lines, notices));
    }
}

#[test]
fn an_owner_that_fetches_nothing_gets_the_first_notices_and_every_end() {
    let mut dialogue = Dialogue::new();
    for _ in 0..MAX_EVENTS + 10 {
        dialogue.hears("\r\nRING\r\n");
    }
    dialogue.channel.submit(dialogue.now, Command::attention()).unwrap();
    dialogue.hears("\r\nOK\r\n");
    let told = dialogue.told();
    assert!(told[..MAX_EVENTS].iter().all(|event| *event == Event::Unsolicited(Urc::Ring)));
    assert_eq!(told[MAX_EVENTS], Event::Overflow);
    assert!(completed(&told[MAX_EVENTS + 1]).is_some());
    assert_eq!(told.len(), MAX_EVENTS + 2);
}

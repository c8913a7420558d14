//! One round: twenty SMS in, twenty out, each followed to its end, and a table of what happened.
//!
//! Nothing is taken on trust: what came in is read back over XML-RPC and TLS and found again in the mails that the mail
//! server has; what went out is followed by `get_message`, and looked for at the other end if that is one of the pool.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    Stage,
    setup::SIMS,
    story::{outgoing_text, scene},
};
use crate::{
    cli::{
        Exit, Failure,
        client::{Client, ClientError},
    },
    model::printable,
    rpc::wire::Value,
    tpdu::{Reference, segment},
};

/// Messages in each direction.
const EACH_WAY: usize = 20;
/// Longest until all modems are ready.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// Longest until everything arrived.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(25);
/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(50);
/// Longest text shown.
const EXCERPT: usize = 40;
/// Numbers that belong to no modem of the pool; `+49` and so on have a modem each that is the cheapest.
const OUTSIDE: [&str; 5] = ["+4915112345678", "+436641234567", "+33612345678", "+12025550143", "+4917698765432"];

/// Plays the round and prints what happened.
///
/// # Errors
/// [`Failure`]: the modems do not come up, the gateway does not answer, or an SMS went astray.
pub(super) async fn play(stage: &Stage, out: &mut impl Write) -> Result<(), Failure> {
    until_ready(stage, out).await?;
    let started = Instant::now();
    let (mut arrivals, mut departures) = (Vec::new(), Vec::new());
    for number in 0..EACH_WAY {
        arrivals.push(inject(stage, number).await?);
        let departure = send(stage, number).await?;
        if let Some(sim) = SIMS.iter().find(|sim| sim.number == departure.recipient) {
            arrivals.push(Arrival::of_pool(&departure, sim.number));
        }
        departures.push(departure);
    }
    let deadline = Instant::now() + ARRIVAL_DEADLINE;
    let mut strangers;
    loop {
        strangers = look_for_arrivals(stage, &mut arrivals).await?;
        look_for_mails(stage, &mut arrivals);
        follow(stage, &mut departures).await?;
        let settled = arrivals.iter().all(Arrival::is_settled) && departures.iter().all(|departure| departure.over);
        if settled || Instant::now() > deadline {
            break;
        }
        sleep(INTERVAL).await;
    }
    let tally = Tally { arrivals, departures, strangers };
    tally.print(started.elapsed(), out)
}

/// A message that has to come in.
#[derive(Debug)]
struct Arrival {
    from: String,
    to: &'static str,
    text: String,
    flash: bool,
    parts: usize,
    /// Sent by one of the pool, and counted there.
    of_pool: bool,
    begun: Instant,
    id: Option<String>,
    read: Option<Duration>,
    mailed: Option<Duration>,
}

impl Arrival {
    fn of_pool(departure: &Departure, to: &'static str) -> Self {
        Self {
            from: departure.sender.to_owned(),
            to,
            text: departure.text.clone(),
            flash: false,
            parts: departure.parts,
            of_pool: true,
            begun: departure.begun,
            id: None,
            read: None,
            mailed: None,
        }
    }

    const fn is_settled(&self) -> bool {
        self.read.is_some() && self.mailed.is_some()
    }

    fn is(&self, message: &Value) -> bool {
        text(message, "sender") == self.from
            && text(message, "recipient") == self.to
            && text(message, "text") == self.text
            && message.member("flash").and_then(Value::as_bool) == Some(self.flash)
    }
}

/// A message that has to go out and be reported as delivered.
#[derive(Debug)]
struct Departure {
    id: String,
    /// Empty where routing decides.
    sender: &'static str,
    recipient: &'static str,
    text: String,
    parts: usize,
    begun: Instant,
    modem: String,
    state: String,
    cause: String,
    over: bool,
    delivered: Option<Duration>,
}

async fn until_ready(stage: &Stage, out: &mut impl Write) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let snapshots = stage.daemon.pool().snapshots();
        if snapshots.iter().all(|modem| modem.ready) {
            writeln!(out, "4 modems are ready after {}.", seconds(begun.elapsed()))?;
            out.flush()?;
            return Ok(());
        }
        if begun.elapsed() > READY_DEADLINE {
            let late: Vec<String> = snapshots
                .iter()
                .filter(|modem| !modem.ready)
                .map(|modem| format!("{}: {}", modem.slot, modem.status))
                .collect();
            return Err(Failure::new(Exit::Negative, format!("modems do not come up: {}", late.join("; "))));
        }
        sleep(INTERVAL).await;
    }
}

async fn inject(stage: &Stage, number: usize) -> Result<Arrival, Failure> {
    let scene = scene(number);
    let to = nth(&SIMS.each_ref().map(|sim| sim.number), number);
    let begun = Instant::now();
    let arrival = Arrival {
        from: scene.from.to_owned(),
        to,
        parts: parts(&scene.text),
        text: scene.text.clone(),
        flash: scene.flash,
        of_pool: false,
        begun,
        id: None,
        read: None,
        mailed: None,
    };
    stage.network.play(&scene, to).await.map_err(|error| Failure::new(Exit::System, error.to_string()))?;
    Ok(arrival)
}

/// Every other message goes from one modem to the next; the rest go to numbers outside, by routing.
async fn send(stage: &Stage, number: usize) -> Result<Departure, Failure> {
    let numbers = SIMS.each_ref().map(|sim| sim.number);
    let (sender, recipient) = if number.is_multiple_of(2) {
        (nth(&numbers, number / 2), nth(&numbers, number / 2 + 1))
    } else {
        ("", nth(&OUTSIDE, number / 2))
    };
    let (begun, text) = (Instant::now(), outgoing_text(number));
    let arguments = vec![Value::string(sender), Value::string(recipient), Value::string(&text), Value::Boolean(false)];
    let answer = call(&stage.sender, "send_sms", arguments).await?;
    Ok(Departure {
        id: answer.as_str().unwrap_or_default().to_owned(),
        sender,
        recipient,
        parts: parts(&text),
        text,
        begun,
        modem: String::new(),
        state: String::new(),
        cause: String::new(),
        over: false,
        delivered: None,
    })
}

/// Finds what came in; returns what nobody sent, or came twice.
async fn look_for_arrivals(stage: &Stage, arrivals: &mut [Arrival]) -> Result<Vec<String>, Failure> {
    let answer = call(&stage.reader, "get_sms", vec![Value::string("")]).await?;
    let mut strangers = Vec::new();
    for message in answer.as_array().unwrap_or_default() {
        let id = text(message, "sms_id");
        if arrivals.iter().any(|arrival| arrival.id.as_deref() == Some(id)) {
            continue;
        }
        match arrivals.iter_mut().find(|arrival| arrival.id.is_none() && arrival.is(message)) {
            Some(arrival) => {
                arrival.id = Some(id.to_owned());
                arrival.read = Some(arrival.begun.elapsed());
            }
            None => strangers.push(format!("from {}: {}", text(message, "sender"), excerpt(text(message, "text")))),
        }
    }
    Ok(strangers)
}

fn look_for_mails(stage: &Stage, arrivals: &mut [Arrival]) {
    let mails = stage.mailbox.latest(usize::MAX);
    let by_id: BTreeMap<String, _> =
        mails.iter().filter_map(|mail| mail.header("X-SMSgate-Id").map(|id| (id, mail))).collect();
    for arrival in arrivals.iter_mut().filter(|arrival| arrival.mailed.is_none()) {
        let Some(mail) = arrival.id.as_ref().and_then(|id| by_id.get(id)) else { continue };
        if mail.sms_text().as_deref() == Some(arrival.text.as_str()) {
            arrival.mailed = Some(mail.received.saturating_duration_since(arrival.begun));
        }
    }
}

async fn follow(stage: &Stage, departures: &mut [Departure]) -> Result<(), Failure> {
    for departure in departures.iter_mut().filter(|departure| !departure.over) {
        let message = call(&stage.sender, "get_message", vec![Value::string(&departure.id)]).await?;
        departure.state = text(&message, "state").to_owned();
        departure.modem = text(&message, "modem").to_owned();
        departure.cause = text(&message, "cause").to_owned();
        departure.over = !text(&message, "done_at").is_empty();
        if departure.state == "delivered" {
            departure.delivered = Some(departure.begun.elapsed());
        }
    }
    Ok(())
}

/// What became of everything.
struct Tally {
    arrivals: Vec<Arrival>,
    departures: Vec<Departure>,
    strangers: Vec<String>,
}

impl Tally {
    fn print(&self, took: Duration, out: &mut impl Write) -> Result<(), Failure> {
        writeln!(out, "\n{:<14} {:<14} {:>5}  {:>7}  {:>7}  SMS in", "from", "to", "parts", "get_sms", "mail")?;
        for arrival in &self.arrivals {
            let Arrival { from, to, parts, text, flash, .. } = arrival;
            let (read, mailed) = (time(arrival.read), time(arrival.mailed));
            let mark = if *flash { "[flash] " } else { "" };
            writeln!(out, "{from:<14} {to:<14} {parts:>5}  {read:>7}  {mailed:>7}  {mark}{}", excerpt(text))?;
        }
        writeln!(out, "\n{:<14} {:<14} {:>5}  {:<9}  {:>7}  SMS out", "modem", "to", "parts", "state", "report")?;
        for departure in &self.departures {
            let Departure { modem, recipient, parts, state, text, .. } = departure;
            let report = time(departure.delivered);
            writeln!(out, "{modem:<14} {recipient:<14} {parts:>5}  {state:<9}  {report:>7}  {}", excerpt(text))?;
        }
        let astray = self.astray();
        writeln!(out)?;
        for line in &astray {
            writeln!(out, "astray: {line}")?;
        }
        let outside = || self.arrivals.iter().filter(|arrival| !arrival.of_pool);
        let read = outside().filter(|arrival| arrival.read.is_some()).count();
        let several = outside().filter(|arrival| arrival.read.is_some() && arrival.parts > 1).count();
        let mails = outside().filter(|arrival| arrival.mailed.is_some()).count();
        let delivered = self.departures.iter().filter(|departure| departure.delivered.is_some()).count();
        let within = self.arrivals.len() - outside().count();
        writeln!(
            out,
            "Within {}; {within} of the SMS out went to modems of the pool and were looked for there too.",
            seconds(took)
        )?;
        let verdict =
            if astray.is_empty() { "nothing went astray".to_owned() } else { format!("{} went astray", astray.len()) };
        writeln!(
            out,
            "{read} SMS in ({several} multi-part), {mails} mails, {} out, {delivered} delivered; {verdict}",
            self.departures.len()
        )?;
        if astray.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Negative, "an SMS went astray, see above")) }
    }

    fn astray(&self) -> Vec<String> {
        let mut astray = Vec::new();
        for arrival in &self.arrivals {
            let what = format!("SMS from {} to {}, `{}`", arrival.from, arrival.to, excerpt(&arrival.text));
            if arrival.read.is_none() {
                astray.push(format!("{what}: not in get_sms"));
            } else if arrival.mailed.is_none() {
                astray.push(format!("{what}: no mail with its text"));
            }
        }
        for departure in self.departures.iter().filter(|departure| departure.delivered.is_none()) {
            let Departure { recipient, text, state, cause, .. } = departure;
            astray.push(format!("SMS to {recipient}, `{}`: {state} {cause}", excerpt(text)));
        }
        astray.extend(self.strangers.iter().map(|stranger| format!("nobody sent this, or it came twice: {stranger}")));
        let used: std::collections::BTreeSet<&str> =
            self.departures.iter().map(|departure| departure.modem.as_str()).collect();
        for sim in SIMS.iter().filter(|sim| !used.contains(sim.slot)) {
            astray.push(format!("modem {} sent nothing", sim.slot));
        }
        astray
    }
}

/// Calls the gateway; the blocking client gets a thread of its own.
pub(super) async fn call(client: &Arc<Client>, method: &'static str, arguments: Vec<Value>) -> Result<Value, Failure> {
    let client = Arc::clone(client);
    let result: Result<Result<Value, ClientError>, _> =
        tokio::task::spawn_blocking(move || client.call(method, &arguments)).await;
    match result {
        Ok(answer) => Ok(answer?),
        Err(error) => Err(Failure::new(Exit::System, format!("a call fell over: {error}"))),
    }
}

fn nth(list: &[&'static str], number: usize) -> &'static str {
    list.iter().cycle().nth(number).copied().unwrap_or_default()
}

fn parts(text: &str) -> usize {
    segment(text, Reference::Narrow(0), None).map_or(0, |parts| parts.len())
}

fn text<'a>(message: &'a Value, member: &str) -> &'a str {
    message.member(member).and_then(Value::as_str).unwrap_or_default()
}

fn excerpt(text: &str) -> String {
    let line = printable(text);
    if line.chars().count() <= EXCERPT {
        return line;
    }
    line.chars().take(EXCERPT - 1).chain(['…']).collect()
}

fn time(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), seconds)
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        let departures: Vec<Departure> = SIMS
            .iter()
            .map(|sim| Departure {
                id: String::new(),
                sender: sim.number,
                recipient: "+12025550143",
                text: "hello".to_owned(),
                parts: 1,
                begun: Instant::now(),
                modem: sim.slot.to_owned(),
                state: "delivered".to_owned(),
                cause: String::new(),
                over: true,
                delivered: Some(Duration::from_millis(200)),
            })
            .collect();
        let mut arrival = Arrival::of_pool(&departures[0], "+491700000003");
        arrival.read = Some(Duration::from_millis(20));
        arrival.mailed = Some(Duration::from_millis(90));
        arrival.of_pool = false;
        Tally { arrivals: vec![arrival], departures, strangers: Vec::new() }
    }

    fn printed(tally: &Tally) -> (bool, String) {
        let mut out = Vec::new();
        let result = tally.print(Duration::from_secs(1), &mut out);
        assert!(result.as_ref().err().is_none_or(|failure| failure.exit() == Exit::Negative));
        let text = String::from_utf8(out).unwrap();
        (result.is_ok(), text.lines().last().unwrap_or_default().to_owned())
    }

    #[test]
    fn whatever_went_astray_is_told_and_fails() {
        let well = "1 SMS in (0 multi-part), 1 mails, 4 out, 4 delivered; nothing went astray";
        assert_eq!(printed(&tally()), (true, well.to_owned()));
        type Spoil = fn(&mut Tally);
        let cases: [(&str, Spoil); 5] = [
            ("0 SMS in (0 multi-part), 1 mails, 4 out, 4 delivered; 1 went astray", |tally| {
                tally.arrivals[0].read = None;
            }),
            ("1 SMS in (0 multi-part), 0 mails, 4 out, 4 delivered; 1 went astray", |tally| {
                tally.arrivals[0].mailed = None;
            }),
            ("1 SMS in (0 multi-part), 1 mails, 4 out, 3 delivered; 1 went astray", |tally| {
                tally.departures[1].delivered = None;
            }),
            ("1 SMS in (0 multi-part), 1 mails, 4 out, 4 delivered; 1 went astray", |tally| {
                tally.strangers.push("twice".to_owned());
            }),
            ("1 SMS in (0 multi-part), 1 mails, 4 out, 4 delivered; 1 went astray", |tally| {
                tally.departures[3].modem = SIMS[0].slot.to_owned();
            }),
        ];
        for (line, spoil) in cases {
            let mut tally = tally();
            spoil(&mut tally);
            assert_eq!(printed(&tally), (false, line.to_owned()));
        }
    }
}

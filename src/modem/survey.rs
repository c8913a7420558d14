//! Asks a modem on a port of its own who it is and what it can do, for a report on a model nobody has tested.
//!
//! The dialogue is that of bring-up, so that the trace plays back, and some questions more. No PIN is entered, no
//! message read, sent or deleted.

use std::io;

use tokio::{
    sync::broadcast::error::RecvError,
    time::{Duration, Instant, sleep},
};

use super::{
    bringup::{Bringup, Settings, Step},
    link::{Link, LinkError},
    port::open_serial,
    tap::{Passed, Taps},
};
use crate::{
    at::{Charset, Command},
    model::SlotId,
};

/// How long the modem may take to start.
const START: Duration = Duration::from_secs(30);
/// Asked when bring-up is over, or has failed.
const QUESTIONS: &[&str] = &[
    "ATI",
    "AT+CGMI",
    "AT+CGMM",
    "AT+CGMR",
    "AT+GCAP",
    "AT+CFUN?",
    "AT+CMGF=?",
    "AT+CNMI=?",
    "AT+CPMS=?",
    "AT+CSCS=?",
    "AT+CUSD=?",
    "AT+CSMS=?",
    "AT+CMGS=?",
    "AT+CLAC",
];

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Survey {
    /// Manufacturer, model and firmware as the modem names them.
    pub model: String,
    /// Why bring-up did not get to its end, if it did not.
    pub fault: Option<String>,
    /// The card asks for a PIN, which was not entered.
    pub pin_wanted: bool,
    /// What it said of itself and of its card; texts are empty where it said nothing.
    pub identity: SurveyedIdentity,
}

/// What a modem says of itself and of its card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SurveyedIdentity {
    /// `+CGSN`.
    pub imei: String,
    /// Serial number of the card.
    pub iccid: String,
    /// `+CIMI`.
    pub imsi: String,
    /// The network it is registered in.
    pub network: String,
    /// Raw `+CSQ` value, 99 unknown.
    pub signal: u8,
}

/// Opens the port and asks. `record` is given everything that passes, unredacted, as it passes.
///
/// # Errors
/// The port cannot be opened. A modem that answers nothing is no error: the record shows it.
pub async fn survey(path: &str, baud: u32, mut record: impl FnMut(Passed)) -> io::Result<Survey> {
    let stream = open_serial(path, baud)?;
    let taps = Taps::default();
    let slot = SlotId::new(path);
    let mut passing = taps.listen(&slot);
    let link = Link::new(stream).tapped(taps.of(&slot));
    let work = converse(link);
    tokio::pin!(work);
    let found = loop {
        tokio::select! {
            biased;
            passed = passing.recv() => match passed {
                Ok(passed) => record(passed),
                Err(RecvError::Lagged(_) | RecvError::Closed) => {}
            },
            found = &mut work => break found,
        }
    };
    while let Ok(passed) = passing.try_recv() {
        record(passed);
    }
    Ok(found)
}

async fn converse(mut link: Link) -> Survey {
    let mut machine = Bringup::new(Settings { pin: None, charset: Charset::Gsm, wait_for_start: START });
    let opened = Instant::now();
    let mut last = None;
    let mut fault = None;
    let mut pin_wanted = false;
    loop {
        match machine.next(opened.elapsed(), last.as_ref()) {
            Step::Wait(pause) => {
                last = None;
                sleep(pause).await;
            }
            Step::Send(command) => match link.execute(command).await {
                Ok(response) => last = Some(Ok(response)),
                Err(LinkError::Command(error)) => last = Some(Err(error)),
                Err(LinkError::Lost { cause, .. }) => {
                    fault = Some(cause);
                    break;
                }
            },
            // There is no PIN to try.
            Step::PinAttempt { .. } => {
                pin_wanted = true;
                break;
            }
            Step::Done(_) => break,
            Step::Fail(error) => {
                fault = Some(error.to_string());
                break;
            }
        }
    }
    for question in QUESTIONS {
        if let Err(LinkError::Lost { cause, .. }) = link.execute(Command::extra(question)).await {
            fault.get_or_insert(cause);
            break;
        }
    }
    let found = machine.found();
    let words = [&found.manufacturer, &found.model, &found.revision].map(String::as_str);
    let model = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let identity = SurveyedIdentity {
        imei: found.imei.as_ref().map(ToString::to_string).unwrap_or_default(),
        iccid: text(&found.iccid),
        imsi: text(&found.imsi),
        network: found.network.clone(),
        signal: found.signal,
    };
    Survey { model, fault, pin_wanted, identity }
}

//! USSD dialogues (TS 22.090, TS 27.007 7.15): a one-shot code, a menu that a person answers, the balance check, and
//! what the network says without being asked.
//!
//! One dialogue at a time. It only waits: between its commands everything else goes on (D26). What a text means is not
//! decided here, that of the balance check in `balance`.

use std::fmt;

use tokio::time::{Duration, Instant};
use tracing::{debug, info, trace, warn};
use uuid::Uuid;

use super::{
    super::{UssdAsk, UssdError, UssdReply},
    End, Session,
};
use crate::{
    at::{Command, Cusd, UssdAnswer, UssdCode, UssdRequest},
    model::{UssdSession, UssdStep},
    store::NewUssd,
    ussd::{self, SessionState},
};

/// How long the network may take to answer.
const NETWORK_TIMEOUT: Duration = Duration::from_secs(40);
/// How long a person may think; networks give up earlier.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Most texts that wait to be looked at.
const MOST_WAITING: usize = 32;

/// A dialogue with the network.
#[derive(Debug)]
pub(super) struct Dialogue {
    asker: Asker,
    /// When to give up on the network, or on the person.
    pub(super) deadline: Instant,
}

/// Who asked, and where the text goes.
enum Asker {
    /// A caller who wants one text.
    Once(UssdReply),
    /// A person in a menu; without a reply it is the person's turn.
    Menu { session: UssdSession, waiting: Option<UssdReply> },
    /// The session itself.
    Balance,
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once(_) => "once",
            Self::Menu { .. } => "menu",
            Self::Balance => "balance",
        })
    }
}

/// A menu session that is over, and why: its person may not know yet.
#[derive(Debug)]
pub(super) struct Ended {
    session: UssdSession,
    why: String,
}

impl Session<'_> {
    /// Takes what a caller asked for as far as it goes without the network.
    pub(super) async fn take_ussd_step(&mut self, ask: UssdAsk, reply: UssdReply) -> Result<(), End> {
        if reply.is_closed() && !matches!(ask, UssdAsk::Close(_)) {
            // The caller gave up while this waited in the mailbox.
            return Ok(());
        }
        // What came before this code is no answer to it.
        while let Some(cusd) = self.work.ussd.pop_front() {
            self.take_ussd(&cusd).await?;
        }
        match ask {
            UssdAsk::Once(code) => self.begin_ussd(&code, Asker::Once(reply)).await,
            UssdAsk::Open(code) => {
                let session = UssdSession::new(self.context.slot().id.clone(), Uuid::now_v7());
                self.begin_ussd(&code, Asker::Menu { session, waiting: Some(reply) }).await
            }
            UssdAsk::Answer { session, text } => self.answer_menu(session, &text, reply).await,
            UssdAsk::Close(session) => {
                let closed = self.close_menu(&session).await?;
                let _ = reply.send(closed.map(|()| UssdStep { session: None, text: String::new() }));
                Ok(())
            }
        }
    }

    /// Asks for the balance; `false` if there is no time for it now.
    pub(super) async fn begin_balance(&mut self, code: &str) -> Result<bool, End> {
        if self.ussd.is_some() {
            return Ok(false);
        }
        self.begin_ussd(code, Asker::Balance).await?;
        Ok(true)
    }

    async fn begin_ussd(&mut self, code: &str, asker: Asker) -> Result<(), End> {
        if self.ussd.is_some() {
            return self.tell(asker, Err(UssdError::Occupied)).await;
        }
        if let Some(refusal) = self.context.slot().ussd_refusal(code) {
            warn!(modem = %self.context.slot().id, asker = ?asker, reason = %refusal, "USSD code refused");
            return self.tell(asker, Err(UssdError::Refused(refusal.to_string()))).await;
        }
        match UssdCode::parse(code) {
            Ok(code) => {
                let request = UssdRequest::encode(&code, self.equipment.charset, self.equipment.profile.ussd);
                self.send_ussd(&request, asker).await
            }
            Err(error) => self.tell(asker, Err(UssdError::Refused(error.to_string()))).await,
        }
    }

    async fn answer_menu(&mut self, session: UssdSession, text: &str, reply: UssdReply) -> Result<(), End> {
        let turn = match &self.ussd {
            Some(Dialogue { asker: Asker::Menu { session: open, waiting }, .. }) if *open == session => {
                if waiting.is_some() { Err(UssdError::Occupied) } else { self.permitted(text) }
            }
            _ => Err(self.over(&session)),
        };
        match turn {
            Ok(answer) => {
                let request = UssdRequest::answer(&answer, self.equipment.charset, self.equipment.profile.ussd);
                self.send_ussd(&request, Asker::Menu { session, waiting: Some(reply) }).await
            }
            Err(error) => {
                let _ = reply.send(Err(error));
                Ok(())
            }
        }
    }

    /// An answer that may be sent. The network may have closed the session meanwhile and take it for a code, so a code
    /// in it must be an allowed one.
    fn permitted(&self, text: &str) -> Result<UssdAnswer, UssdError> {
        let answer = UssdAnswer::parse(text).map_err(|error| UssdError::Refused(error.to_string()))?;
        let is_code = text.starts_with(['*', '#']);
        match self.context.slot().ussd_refusal(text).filter(|_| is_code) {
            Some(refusal) => Err(UssdError::Refused(refusal.to_string())),
            None => Ok(answer),
        }
    }

    async fn send_ussd(&mut self, request: &UssdRequest, asker: Asker) -> Result<(), End> {
        match self.command(Command::ussd(request)).await? {
            // A text that came before the OK waits among the notices and is taken next.
            Ok(_) => {
                self.ussd = Some(Dialogue { asker, deadline: Instant::now() + NETWORK_TIMEOUT });
                Ok(())
            }
            Err(error) => {
                self.ussd = None;
                let why = error.to_string();
                if let Asker::Menu { session, .. } = &asker {
                    self.ended_ussd = Some(Ended { session: session.clone(), why: why.clone() });
                }
                self.tell(asker, Err(UssdError::Failed(why))).await
            }
        }
    }

    /// Keeps a text from the network until what came in by SMS is taken.
    pub(super) fn note_ussd(&mut self, cusd: Cusd) {
        if self.work.ussd.len() == MOST_WAITING {
            self.work.ussd.pop_front();
        }
        self.work.ussd.push_back(cusd);
    }

    /// Gives a text to whoever asked for it.
    pub(super) async fn take_ussd(&mut self, cusd: &Cusd) -> Result<(), End> {
        let state = SessionState::of(cusd.status);
        let text = ussd::decode(cusd, self.equipment.charset);
        // What it says is between the network and whoever asked: a one-time code, or what an account holds.
        trace!(modem = %self.context.slot().id, ?state, characters = text.chars().count(), "USSD");
        let asker = match self.ussd.take() {
            // Nobody waits for it: the network speaks by itself, or ends a session that a person left open.
            Some(Dialogue { asker: Asker::Menu { session, waiting: None }, deadline }) => {
                if state.is_open() {
                    self.ussd = Some(Dialogue { asker: Asker::Menu { session, waiting: None }, deadline });
                } else {
                    self.ended_ussd = Some(Ended { session, why: state.as_str().to_owned() });
                }
                return self.forward_ussd(state, text).await;
            }
            None => {
                if state.is_open() {
                    self.cancel_ussd().await?;
                }
                return self.forward_ussd(state, text).await;
            }
            Some(dialogue) => dialogue.asker,
        };
        let in_menu = state.is_open() && matches!(asker, Asker::Menu { .. });
        if text.is_empty() && !in_menu {
            if state.is_open() {
                self.cancel_ussd().await?;
            }
            return self.tell(asker, Err(UssdError::Failed(state.as_str().to_owned()))).await;
        }
        match asker {
            Asker::Menu { session, waiting: Some(reply) } => {
                let step = UssdStep { session: state.is_open().then(|| session.clone()), text };
                let heard = reply.send(Ok(step)).is_ok();
                if !state.is_open() {
                    self.ended_ussd = Some(Ended { session, why: state.as_str().to_owned() });
                } else if heard {
                    let asker = Asker::Menu { session, waiting: None };
                    self.ussd = Some(Dialogue { asker, deadline: Instant::now() + IDLE_TIMEOUT });
                } else {
                    // Whoever asked is gone and will not answer.
                    self.cancel_ussd().await?;
                }
                Ok(())
            }
            asker @ (Asker::Once(_) | Asker::Menu { .. } | Asker::Balance) => {
                if state.is_open() {
                    self.cancel_ussd().await?;
                }
                self.tell(asker, Ok(text)).await
            }
        }
    }

    /// The network or the person took too long: ends the session, so that the next code can run.
    pub(super) async fn abandon_ussd(&mut self) -> Result<(), End> {
        self.cancel_ussd().await?;
        let Some(Dialogue { asker, .. }) = self.ussd.take() else { return Ok(()) };
        let why = match &asker {
            Asker::Menu { waiting: None, .. } => "nobody answered the network",
            Asker::Once(_) | Asker::Menu { .. } | Asker::Balance => "the network did not answer in time",
        };
        debug!(modem = %self.context.slot().id, asker = ?asker, why, "USSD session closed");
        if let Asker::Menu { session, .. } = &asker {
            self.ended_ussd = Some(Ended { session: session.clone(), why: why.to_owned() });
        }
        self.tell(asker, Err(UssdError::Failed(why.to_owned()))).await
    }

    /// The modem is gone: whoever waits hears it.
    pub(super) fn lose_ussd(&mut self, end: &End) {
        let Some(Dialogue { asker: Asker::Once(reply) | Asker::Menu { waiting: Some(reply), .. }, .. }) =
            self.ussd.take()
        else {
            return;
        };
        let _ = reply.send(Err(UssdError::Failed(end.to_string())));
    }

    async fn close_menu(&mut self, session: &UssdSession) -> Result<Result<(), UssdError>, End> {
        match self.ussd.take() {
            Some(Dialogue { asker: Asker::Menu { session: open, waiting }, .. }) if open == *session => {
                if let Some(reply) = waiting {
                    let _ = reply.send(Err(UssdError::Over("closed".to_owned())));
                }
                self.ended_ussd = Some(Ended { session: open, why: "closed".to_owned() });
                self.cancel_ussd().await?;
                Ok(Ok(()))
            }
            other => {
                self.ussd = other;
                Ok(Err(self.over(session)))
            }
        }
    }

    async fn cancel_ussd(&mut self) -> Result<(), End> {
        // Refused where the network was quicker.
        self.command(Command::cancel_ussd()).await.map(drop)
    }

    fn over(&self, session: &UssdSession) -> UssdError {
        let ended = self.ended_ussd.as_ref().filter(|ended| ended.session == *session);
        UssdError::Over(ended.map_or_else(|| "the modem does not know it".to_owned(), |ended| ended.why.clone()))
    }

    async fn tell(&mut self, asker: Asker, outcome: Result<String, UssdError>) -> Result<(), End> {
        match asker {
            Asker::Once(reply) | Asker::Menu { waiting: Some(reply), .. } => {
                let _ = reply.send(outcome.map(|text| UssdStep { session: None, text }));
            }
            Asker::Menu { waiting: None, .. } => {}
            Asker::Balance => self.take_balance(outcome).await,
        }
        Ok(())
    }

    /// A text that nobody asked for: said to be there, and mailed where that is wanted.
    async fn forward_ussd(&mut self, state: SessionState, text: String) -> Result<(), End> {
        let modem = &self.context.slot().id;
        if text.is_empty() {
            debug!(%modem, state = state.as_str(), "the network ended a USSD session");
            return Ok(());
        }
        let characters = text.chars().count();
        info!(%modem, state = state.as_str(), characters, "USSD text that nobody asked for");
        if !self.context.slot().forward_ussd {
            return Ok(());
        }
        let message = NewUssd {
            slot: modem.clone(),
            recipient: self.receiver.number.clone(),
            network: self.receiver.network.clone(),
            text,
        };
        if let Err(error) = self.context.store.commit_ussd(message).await {
            warn!(%modem, %error, "a USSD text cannot be kept for the mail");
        }
        Ok(())
    }
}

//! What others ask for: submissions and USSD codes.

use tokio::time::{Duration, Instant};
use tracing::debug;

use super::{
    super::{Request, SubmitError, UssdError, link::LinkError},
    Dialogue, End, Session, lost,
};
use crate::{
    at::{CmeError, CmsError, Command, CommandError, Cusd, PduHex, UssdCode, UssdRequest},
    model::{Classified, ErrorClass},
    ussd::{self, SessionState},
};

/// How long the network may take to answer a USSD code.
const USSD_TIMEOUT: Duration = Duration::from_secs(30);

impl Session<'_> {
    pub(super) async fn handle(&mut self, request: Request) -> Result<(), End> {
        match request {
            Request::Submit { hex, tpdu_octets, more, reply } => {
                let result = self.submit(&hex, tpdu_octets, more).await;
                let (answer, end) = match result {
                    Ok(answer) => (answer, Ok(())),
                    Err((answer, end)) => (Err(answer), Err(end)),
                };
                let _ = reply.send(answer);
                end
            }
            Request::Ussd { code, reply } => {
                if self.ussd.is_some() {
                    let _ = reply.send(Err(UssdError::Busy));
                    return Ok(());
                }
                match self.start_ussd(&code).await? {
                    // A text that came before the OK waits among the notices and is taken next.
                    Ok(()) => self.ussd = Some(Dialogue { reply, deadline: Instant::now() + USSD_TIMEOUT }),
                    Err(error) => drop(reply.send(Err(error))),
                }
                Ok(())
            }
        }
    }

    /// Submits one TPDU. When the session ends over it, both the answer and the end are returned.
    async fn submit(
        &mut self,
        hex: &str,
        tpdu_octets: usize,
        more: bool,
    ) -> Result<Result<u8, SubmitError>, (SubmitError, End)> {
        let Some(pdu) = PduHex::new(hex) else {
            return Ok(Err(SubmitError::Permanent { cause: "the PDU is not valid hex".to_owned() }));
        };
        if more {
            // Only a hint to keep the radio link open; modems without it are fine.
            self.command(Command::more_messages())
                .await
                .map(drop)
                .map_err(|end| (SubmitError::Transient { cause: end.to_string() }, end))?;
        }
        let command = Command::submit(pdu, tpdu_octets).within(self.equipment.profile.submit_deadline);
        match self.link.execute(command).await {
            Ok(response) => {
                self.timeouts = 0;
                Ok(response.message_reference().ok_or_else(|| SubmitError::OutcomeUnknown {
                    cause: "the modem gave no message reference".to_owned(),
                }))
            }
            Err(LinkError::Command(error)) => {
                if tells_of_no_network(&error) {
                    self.check_now();
                }
                Ok(Err(submit_error(&error)))
            }
            Err(LinkError::Lost { cause, after_payload }) => {
                let answer = if after_payload {
                    SubmitError::OutcomeUnknown { cause: cause.clone() }
                } else {
                    SubmitError::Transient { cause: cause.clone() }
                };
                Err((answer, lost(LinkError::Lost { cause, after_payload })))
            }
        }
    }

    async fn start_ussd(&mut self, code: &str) -> Result<Result<(), UssdError>, End> {
        let code = match UssdCode::parse(code) {
            Ok(code) => code,
            Err(error) => return Ok(Err(UssdError::Failed(error.to_string()))),
        };
        let request = UssdRequest::encode(&code, self.equipment.charset, self.equipment.profile.ussd);
        Ok(match self.command(Command::ussd(&request)).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(UssdError::Failed(error.to_string())),
        })
    }

    /// The network's text goes to whoever asked; a session it left open is closed.
    pub(super) fn answer_ussd(&mut self, cusd: &Cusd) {
        let Some(dialogue) = self.ussd.take() else {
            debug!(modem = %self.context.slot.id, "USSD text that nobody asked for");
            return;
        };
        let state = SessionState::of(cusd.status);
        self.work.cancel_ussd = state.is_open();
        let text = ussd::decode(cusd, self.equipment.charset);
        let answer = if text.is_empty() { Err(UssdError::Failed(state.as_str().to_owned())) } else { Ok(text) };
        let _ = dialogue.reply.send(answer);
    }

    /// The network did not answer a code: ends the session, so that the next code can run.
    pub(super) async fn abandon_ussd(&mut self) -> Result<(), End> {
        if let Some(dialogue) = self.ussd.take() {
            let _ = dialogue.reply.send(Err(UssdError::Failed("the network did not answer in time".to_owned())));
        }
        let _ = self.command(Command::cancel_ussd()).await?;
        Ok(())
    }
}

/// No network service or out of its reach (TS 27.005 3.2.5: 331, 332, 38; TS 27.007 9.2: 30, 31).
fn tells_of_no_network(error: &CommandError) -> bool {
    matches!(error, CommandError::Cms(CmsError::Code(38 | 331 | 332)) | CommandError::Cme(CmeError::Code(30 | 31)))
}

fn submit_error(error: &CommandError) -> SubmitError {
    let cause = error.to_string();
    if error.after_payload() {
        return SubmitError::OutcomeUnknown { cause };
    }
    match error.class() {
        ErrorClass::Permanent => SubmitError::Permanent { cause },
        // Someone may mend a misconfigured SIM within the message's lifetime.
        ErrorClass::Transient | ErrorClass::Misconfigured => SubmitError::Transient { cause },
    }
}

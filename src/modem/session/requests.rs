//! What others ask for: submissions here, USSD in `ussd`.

use super::{
    super::{Request, SubmitError, link::LinkError},
    End, Session, lost,
};
use crate::{
    at::{CmeError, CmsError, Command, CommandError, PduHex},
    model::{Classified, ErrorClass},
};

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
            Request::Ussd { ask, reply } => self.take_ussd_step(ask, reply).await,
            Request::AcceptCard { reply } => {
                self.accept_card(reply).await;
                Ok(())
            }
            Request::StartAnew { reply } => {
                let _ = reply.send(());
                Err(End::StartAnew)
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
                if tells_of_full_memory(&error) {
                    self.work.sweep = true;
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
}

/// No network service or out of its reach (TS 27.005 3.2.5: 331, 332, 38; TS 27.007 9.2: 30, 31).
fn tells_of_no_network(error: &CommandError) -> bool {
    matches!(error, CommandError::Cms(CmsError::Code(38 | 331 | 332)) | CommandError::Cme(CmeError::Code(30 | 31)))
}

/// Memory full (TS 27.005 3.2.5): some modems need a place for what they send.
fn tells_of_full_memory(error: &CommandError) -> bool {
    matches!(error, CommandError::Cms(CmsError::Code(322)))
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

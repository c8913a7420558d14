//! A trace under way: what is tapped goes in, redacted transcript lines come out.

use std::collections::VecDeque;

use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Duration, Instant, timeout_at},
};

use crate::{
    modem::{Passed, Traffic},
    trace::{Line, Recorder, write},
};

/// Records one slot's line for a while.
#[derive(Debug)]
pub(super) struct Recording {
    tap: broadcast::Receiver<Passed>,
    recorder: Recorder,
    began: Instant,
    end: Instant,
    lines: VecDeque<String>,
    /// Nothing is recorded before the port is closed.
    skipping: bool,
    ended: bool,
}

impl Recording {
    /// Records from now on.
    pub(super) fn begin(tap: broadcast::Receiver<Passed>, time: Duration) -> Self {
        let began = Instant::now();
        Self {
            tap,
            recorder: Recorder::default(),
            began,
            end: began + time,
            lines: VecDeque::new(),
            skipping: false,
            ended: false,
        }
    }

    /// Begins with the next session; the present one is about to end.
    pub(super) const fn skip_to_end_of_session(&mut self) {
        self.skipping = true;
    }

    fn take(&mut self, passed: &Passed) {
        if self.skipping {
            self.skipping = !matches!(passed.what, Traffic::Closed);
            self.began = passed.at;
            return;
        }
        let at = passed.at.saturating_duration_since(self.began);
        let lines = match &passed.what {
            Traffic::Sent(octets) => self.recorder.sent(at, octets),
            Traffic::Received(octets) => self.recorder.received(at, octets),
            Traffic::Closed => {
                let mut lines = self.recorder.finish(at);
                lines.push(Line::Hangup);
                lines
            }
        };
        self.lines.extend(lines.iter().map(write));
    }
}

/// The next line; `None` when the time is over. Loses nothing when dropped.
pub(super) async fn next_line(recording: &mut Recording) -> Option<String> {
    loop {
        if let Some(line) = recording.lines.pop_front() {
            return Some(line);
        }
        if recording.ended {
            return None;
        }
        match timeout_at(recording.end, recording.tap.recv()).await {
            Ok(Ok(passed)) => recording.take(&passed),
            Ok(Err(RecvError::Lagged(lost))) => {
                recording.lines.push_back(format!("# {lost} reads and writes were too fast to be recorded"));
            }
            Ok(Err(RecvError::Closed)) | Err(_) => {
                recording.ended = true;
                let rest = recording.recorder.finish(recording.end.saturating_duration_since(recording.began));
                recording.lines.extend(rest.iter().map(write));
            }
        }
    }
}

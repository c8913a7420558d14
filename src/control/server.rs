//! Serves the control socket: few connections, short requests, nobody waits long.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Semaphore,
    task::JoinSet,
    time::{Duration, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    protocol::{Answer, Card, LONGEST_REQUEST, Modem, Request, may_ask, parse},
    recording::{Recording, next_line},
};
use crate::{
    model::{ModemSnapshot, SlotId},
    modem::{Taps, sim_card::short},
    pool::Pool,
    store::{Store, StoreError},
};

/// Connections at once.
const MOST: usize = 4;
/// How long a request may take to arrive, and an answer to be taken.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a modem may take to turn to a request: it may be in the middle of a submission.
const MODEM: Duration = Duration::from_secs(90);

/// Whom the socket asks.
#[derive(Clone, Debug)]
pub struct Backends {
    /// The modems.
    pub pool: Pool,
    /// The known cards.
    pub store: Store,
    /// What goes over the lines.
    pub taps: Taps,
}

/// The socket, which goes with its owner.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

impl Listening {
    /// Makes the socket. One that a killed daemon left is replaced: the lock of the store has shown that no other lives.
    ///
    /// # Errors
    /// Something else has the name, or the folder cannot be written.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Serves until `cancel`.
    pub async fn serve(self, backends: Backends, cancel: CancellationToken) {
        let places = Arc::new(Semaphore::new(MOST));
        let mut conversations = JoinSet::new();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(_) = conversations.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (places, backends) = (Arc::clone(&places), backends.clone());
                        conversations.spawn(async move {
                            if let Err(error) = receive(stream, &places, &backends).await {
                                debug!(%error, "a control connection ended");
                            }
                        });
                    }
                    Err(error) => {
                        warn!(%error, "the control socket fails");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(&self.path);
    }
}

/// The two ends of a connection.
struct Conversation {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

async fn receive(stream: UnixStream, places: &Semaphore, backends: &Backends) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let (read, write) = stream.into_split();
    let mut conversation = Conversation { read: BufReader::with_capacity(LONGEST_REQUEST, read), write };
    if !may_ask(peer, nix::unistd::geteuid().as_raw()) {
        warn!(uid = peer, "a user who may not was turned away at the control socket");
        return conversation.refuse("only root and the user the daemon runs as may ask here").await;
    }
    let Ok(_place) = places.try_acquire() else {
        return conversation.refuse("too many connections to the control socket, try again when another ends").await;
    };
    conversation.converse(backends).await
}

impl Conversation {
    async fn converse(&mut self, backends: &Backends) -> io::Result<()> {
        while let Some(line) = self.line().await? {
            match parse(&line) {
                Ok(Request::SimList) => {
                    let answer = cards(backends)
                        .await
                        .map_or_else(|error| refusal(error.to_string()), |cards| Answer::Sims { cards });
                    self.say(&answer).await?;
                }
                Ok(Request::Modems) => {
                    let modems = backends.pool.snapshots().iter().map(modem).collect();
                    self.say(&Answer::Modems { modems }).await?;
                }
                Ok(Request::SimAccept { slot }) => {
                    let answer = accept(backends, &slot).await;
                    self.say(&answer).await?;
                }
                Ok(Request::Trace { slot, seconds, restart }) => {
                    self.trace(backends, &slot, Duration::from_secs(seconds), restart).await?;
                }
                Err(text) => self.say(&refusal(text)).await?,
            }
        }
        Ok(())
    }

    /// Records until the time is over or the other side has gone.
    async fn trace(&mut self, backends: &Backends, slot: &str, time: Duration, restart: bool) -> io::Result<()> {
        let Some(snapshot) = backends.pool.snapshot(&SlotId::new(slot)) else {
            return self.say(&no_slot(&backends.pool, slot)).await;
        };
        let mut recording = Recording::begin(backends.taps.listen(&snapshot.slot), time);
        if restart {
            match timeout(MODEM, backends.pool.start_anew(&snapshot.slot)).await {
                Ok(true) => recording.skip_to_end_of_session(),
                Ok(false) => {}
                Err(_) => return self.say(&refusal("the modem is busy and did not start anew, try again")).await,
            }
        }
        for text in heading(&snapshot) {
            self.say(&Answer::Line { text }).await?;
        }
        let mut unread = [0; 1];
        loop {
            tokio::select! {
                line = next_line(&mut recording) => match line {
                    Some(text) => self.say(&Answer::Line { text }).await?,
                    None => return self.say(&Answer::End { reason: "the time is over".to_owned() }).await,
                },
                // Whoever speaks during a trace wants its end, as does whoever has gone.
                _ = self.read.read(&mut unread) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    async fn refuse(&mut self, text: &str) -> io::Result<()> {
        self.say(&refusal(text)).await
    }

    async fn say(&mut self, answer: &Answer) -> io::Result<()> {
        let line = serde_json::to_string(answer)? + "\n";
        timeout(DEADLINE, self.write.write_all(line.as_bytes())).await?
    }

    /// The next request; none at the end, or when the other side takes too long or says too much.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.read).take(LONGEST_REQUEST as u64);
        match timeout(DEADLINE, bounded.read_until(b'\n', &mut line)).await {
            Ok(Ok(0)) => Ok(None),
            Ok(Ok(_)) if line.ends_with(b"\n") => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            Ok(Ok(_)) => {
                self.refuse("the request is too long, or ends without a line end").await?;
                Ok(None)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.refuse("no request came").await?;
                Ok(None)
            }
        }
    }
}

async fn cards(backends: &Backends) -> Result<Vec<Card>, StoreError> {
    let known = backends.store.known_cards().await?;
    let cards = backends.pool.snapshots().into_iter().map(|snapshot| {
        let known = known.get(&snapshot.slot);
        let present = (!snapshot.iccid.is_empty()).then_some(&snapshot.iccid);
        Card {
            slot: snapshot.slot.to_string(),
            known: known.map(|iccid| short(iccid)),
            present: present.map(|iccid| short(iccid)),
            swapped: known.zip(present).is_some_and(|(known, present)| known != present),
        }
    });
    Ok(cards.collect())
}

fn modem(snapshot: &ModemSnapshot) -> Modem {
    Modem {
        slot: snapshot.slot.to_string(),
        enabled: snapshot.enabled,
        ready: snapshot.ready,
        status: snapshot.status.clone(),
        port: snapshot.port.clone(),
        model: snapshot.model.clone(),
        imei: snapshot.imei.clone(),
        imsi: snapshot.imsi.clone(),
        iccid: snapshot.iccid.clone(),
        network: snapshot.network.clone(),
        signal: snapshot.signal,
    }
}

async fn accept(backends: &Backends, slot: &str) -> Answer {
    let Some(snapshot) = backends.pool.snapshot(&SlotId::new(slot)) else { return no_slot(&backends.pool, slot) };
    match timeout(MODEM, backends.pool.accept_card(&snapshot.slot)).await {
        Ok(Ok(card)) => Answer::Accepted { card },
        Ok(Err(error)) => refusal(format!("slot {slot}: {error}")),
        Err(_) => refusal(format!("slot {slot}: the modem is busy, try again")),
    }
}

fn no_slot(pool: &Pool, slot: &str) -> Answer {
    let names: Vec<String> = pool.snapshots().iter().map(|snapshot| snapshot.slot.to_string()).collect();
    refusal(format!("there is no slot `{slot}`; there are: {}", names.join(", ")))
}

fn refusal(text: impl Into<String>) -> Answer {
    Answer::Error { text: text.into() }
}

/// Remarks at the head of a trace. Nothing of a person or a card is in them.
fn heading(snapshot: &ModemSnapshot) -> Vec<String> {
    let mut heading = vec![
        format!("# smsgate {}, trace of a running gateway", env!("CARGO_PKG_VERSION")),
        format!("# modem: {}", if snapshot.model.is_empty() { "not known" } else { &snapshot.model }),
    ];
    if snapshot.port.is_empty() {
        heading.push("# no port was found for this slot so far; `smsgate stats` says why".to_owned());
    }
    heading
}

#[cfg(test)]
mod tests;

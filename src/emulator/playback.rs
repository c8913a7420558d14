//! Serves recorded sessions: as streams in the process, and on ptys.

use std::{collections::VecDeque, io, path::PathBuf};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    time::{Instant, sleep_until},
};

use super::{
    port::{Port, Ready},
    pty::Link,
    replay::Replay,
};

/// A stream to a recorded session, from its beginning.
pub(super) fn stream(replay: Replay) -> DuplexStream {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(over_stream(replay, far));
    near
}

async fn over_stream(mut replay: Replay, mut stream: DuplexStream) {
    let start = Instant::now();
    let mut buffer = [0; 1024];
    loop {
        let output = replay.poll_output(start.elapsed());
        if stream.write_all(&output).await.is_err() {
            return;
        }
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(count) if count > 0 => {
                    replay.handle_input(start.elapsed(), buffer.get(..count).unwrap_or_default());
                }
                _ => return,
            },
            () = due(&replay, start) => {}
        }
    }
}

/// Serves a recorded session on a pty with a link to it, from its beginning whenever the port is opened anew.
pub(super) async fn on_pty(path: PathBuf, replay: Replay) -> io::Result<()> {
    let mut port = Port::open()?;
    let _link = Link::new(&path, port.name())?;
    loop {
        over_port(replay.clone(), &mut port).await?;
        port.discard();
    }
}

/// Until the last user has gone.
async fn over_port(mut replay: Replay, port: &mut Port) -> io::Result<()> {
    let start = Instant::now();
    let mut buffer = [0; 1024];
    let mut held: VecDeque<u8> = VecDeque::new();
    loop {
        held.extend(replay.poll_output(start.elapsed()));
        while !held.is_empty() {
            let count = port.write(held.as_slices().0)?;
            if count == 0 {
                break;
            }
            held.drain(..count);
        }
        tokio::select! {
            ready = port.ready(!held.is_empty(), &mut buffer) => match ready? {
                Ready::Read(count) => replay.handle_input(start.elapsed(), buffer.get(..count).unwrap_or_default()),
                Ready::Write => {}
                Ready::Closed => return Ok(()),
            },
            () = due(&replay, start) => {}
        }
    }
}

async fn due(replay: &Replay, start: Instant) {
    match replay.poll_timeout().and_then(|due| start.checked_add(due)) {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

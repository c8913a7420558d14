//! The demo's hold on the simulated network: texts from outside go in through the emulator's control socket.

use std::{io, path::Path};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
};

use super::story::Scene;

/// A connection to the control socket.
#[derive(Debug)]
pub(crate) struct Network {
    halves: Mutex<(BufReader<OwnedReadHalf>, OwnedWriteHalf)>,
}

impl Network {
    /// Connects to the socket of a running emulator.
    pub(crate) async fn connect(socket: &Path) -> io::Result<Self> {
        let (read, write) = UnixStream::connect(socket).await?.into_split();
        Ok(Self { halves: Mutex::new((BufReader::new(read), write)) })
    }

    /// Sends a scene's text to the number of a virtual modem.
    pub(crate) async fn play(&self, scene: &Scene, to: &str) -> io::Result<()> {
        let Scene { from, text, flash, shuffled } = scene;
        self.ask(&json!({ "do": "inject", "to": to, "from": from, "text": text, "flash": flash, "reversed": shuffled }))
            .await
    }

    /// Puts money onto a virtual modem's SIM.
    pub(crate) async fn top_up(&self, modem: usize, cents: i64) -> io::Result<()> {
        self.ask(&json!({ "do": "fault", "modem": modem, "what": { "fault": "balance", "cents": cents } })).await
    }

    async fn ask(&self, request: &Value) -> io::Result<()> {
        let mut halves = self.halves.lock().await;
        let (read, write) = &mut *halves;
        write.write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        read.read_line(&mut line).await?;
        let answer: Value = serde_json::from_str(&line)?;
        match answer.get("error") {
            None => Ok(()),
            Some(error) => Err(io::Error::other(format!("the virtual network refuses: {error}"))),
        }
    }
}

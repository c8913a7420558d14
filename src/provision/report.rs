//! `provision report`: tells the operator what only the running box knows. Nothing is written unless there is something
//! new to tell: the card is his, and flash wears out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    acceptance,
    apply::{Folders, ProvisionError, at},
    cards, census,
    exchange::Media,
    generation::Generations,
    identity,
    media::{CERTIFICATE_FILE, NETWORK_FILE},
    memory::State,
    network::{self, Network},
    result::{self, RESULT_FILE, Report},
    suggested::{self, SUGGESTED_FILE},
};
use crate::{
    config::{self, Config, Source},
    config_files::{GATEWAY_FILE, SIMS_FILE},
    control,
};

/// What to look at, and how long.
#[derive(Clone, Debug)]
pub struct Reporting {
    /// Where everything is.
    pub folders: Folders,
    /// How long modems and addresses may take.
    pub wait: Duration,
    /// Ports of modems.
    pub ports: String,
    /// Program that is called with `mount` before the partition is written, and with `unmount` after it. Without one it
    /// is mounted already, or not there.
    pub mounter: Option<PathBuf>,
}

/// What came of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// `result.txt` or the suggestion was written.
    Written,
    /// All of it was told before.
    Nothing,
    /// The partition is not there. It is tried again at the next start.
    Nobody,
}

/// Looks, and writes `result.txt` and the suggestion if they are due.
///
/// # Errors
/// [`ProvisionError`]: there is no configuration in force, or the partition cannot be written.
pub async fn report(reporting: &Reporting) -> Result<Told, ProvisionError> {
    let Folders { media: media_folder, data, .. } = &reporting.folders;
    let root = data.join("config");
    let generations = Generations::open(&root).map_err(at(&root))?;
    let files = generations.files().map_err(at(&root))?;
    let state = data.join("state");
    let state = State::open(&state).map_err(at(&state))?;
    let tokens = state.unshown(generations.number.unwrap_or(0)).map_err(at(data))?;
    let mut memory = state.recall();

    let text = |name: &str| files.get(name).map(String::as_str).unwrap_or_default();
    let network = files.get(NETWORK_FILE).and_then(|text| network::read(NETWORK_FILE, text, |_| true).ok());
    let network = network.unwrap_or_default();
    let sources = [GATEWAY_FILE, SIMS_FILE].map(|name| Source { name, text: text(name) });
    let [gateway, sims] = sources;
    let (Some(config), _) = config::load(gateway, sims) else {
        return Err(ProvisionError::Damaged("run `smsgate check-config --config /data/config/current`".to_owned()));
    };
    let chain = match files.get(CERTIFICATE_FILE) {
        Some(chain) => chain.clone(),
        None => fs::read_to_string(data.join("tls/server.pem")).unwrap_or_default(),
    };
    let socket = control::socket_beside(&data.join("store/smsgate.db"));
    let running = census::take(&socket, &reporting.ports, reporting.wait).await;
    acceptance::ask(&socket, &mut memory.cards);
    // Before it is told: whoever reads it may pull the plug.
    state.remember(&memory).map_err(at(data))?;

    let Network { hostname, .. } = &network;
    let report = Report {
        outcome: std::slice::from_ref(&memory.outcome),
        names: &memory.names,
        cards: &cards::told(&memory.cards),
        generation: generations.number.unwrap_or(0),
        hostname,
        port: config.gateway.server.port,
        fingerprint: &identity::fingerprint(&chain).unwrap_or_default(),
        own_certificate: files.contains_key(CERTIFICATE_FILE),
        tokens: &tokens,
        running: Some(&running),
    };
    let facts = result::facts(&report);
    let result = result::render(&report);
    let is_told = tokens.is_empty() && memory.reported.as_ref() == Some(&facts);
    let suggestion = suggested::render(&running.modems, &slot_names(&config), &reporting.ports)
        .map(|text| (hex(&text), text))
        .filter(|(sum, _)| memory.suggested.as_ref() != Some(sum));
    if is_told && suggestion.is_none() {
        return Ok(Told::Nothing);
    }

    let mount = reporting.mounter.as_deref().map(Mount::new).transpose()?;
    // Without the partition there is nobody to tell; why it is not there, the mounter has told.
    let is_mounted = mount.as_ref().is_none_or(Option::is_some);
    let Some(media) = Media::open(media_folder).filter(|_| is_mounted) else {
        return Ok(Told::Nobody);
    };
    if let Some((sum, text)) = suggestion {
        let is_ours = |there: &str| memory.suggested == Some(hex(there));
        media.put_beside_edited(SUGGESTED_FILE, &text, is_ours).map_err(at(media_folder))?;
        memory.suggested = Some(sum);
    }
    if !is_told {
        media.put_secret(RESULT_FILE, &result).map_err(at(media_folder))?;
        memory.reported = Some(facts);
    }
    state.remember(&memory).map_err(at(data))?;
    state.forget_tokens().map_err(at(data))?;
    Ok(Told::Written)
}

/// The partition is mounted for as long as this lives: a power cut meets it in use for moments, not minutes.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(mounter: &'a Path) -> Result<Option<Self>, ProvisionError> {
        let status = Command::new(mounter).arg("mount").status().map_err(at(mounter))?;
        Ok(status.success().then_some(Self(mounter)))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        if let Err(error) = Command::new(self.0).arg("unmount").status() {
            tracing::warn!(%error, "SGCONFIG stays mounted");
        }
    }
}

fn slot_names(config: &Config) -> Vec<String> {
    config.slots.iter().map(|slot| slot.id.to_string()).collect()
}

fn hex(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

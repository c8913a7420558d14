//! Which modems are plugged in: those of slots as the running daemon knows them, the others asked one by one without a
//! PIN; and by which addresses the box is reached.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep, timeout_at},
};

use super::result::{Modem, Running};
use crate::{
    control::{
        self, Client, ClientError,
        protocol::{Answer, Request},
    },
    modem::{Survey, survey},
};

/// How long nothing may have changed before it is taken for all there is.
const QUIET: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);
const BAUD: u32 = 115_200;
/// CSQ where nothing is known.
const NO_SIGNAL: u8 = 99;

/// Looks until everything expected is there and nothing more comes, or the time is over.
pub(super) async fn take(socket: &Path, pattern: &str, wait: Duration) -> Running {
    let deadline = Instant::now() + wait;
    let mut last = None;
    let mut since = Instant::now();
    loop {
        let (slots, ports) = (slots(socket), links(pattern));
        let addresses = addresses();
        let is_up =
            |modems: &Vec<_>| modems.iter().all(|modem: &control::protocol::Modem| modem.ready || !modem.enabled);
        let complete = slots.as_ref().is_ok_and(is_up) && !addresses.is_empty() && !ports.is_empty();
        let now = (complete, ports.clone(), addresses);
        if last.as_ref() != Some(&now) {
            last = Some(now);
            since = Instant::now();
        }
        // A port that appears may be followed by others, and what was asked too early is asked again.
        if Instant::now() >= deadline || complete && since.elapsed() >= QUIET {
            return running(slots, &ports, deadline.max(Instant::now() + QUIET)).await;
        }
        sleep(PAUSE).await;
    }
}

/// Devices by canonical path, with the lasting name of each.
type Links = BTreeMap<PathBuf, String>;

fn links(pattern: &str) -> Links {
    // udev makes its links under hidden names, and renames them.
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let paths = glob::glob(pattern).into_iter().flatten().filter_map(Result::ok).filter(|path| !is_hidden(path));
    paths.filter_map(|path| Some((fs::canonicalize(&path).ok()?, path.display().to_string()))).collect()
}

fn slots(socket: &Path) -> Result<Vec<control::protocol::Modem>, ClientError> {
    match Client::connect(socket)?.ask(&Request::Modems)? {
        Answer::Modems { modems } => Ok(modems),
        Answer::Accepted { .. }
        | Answer::End { .. }
        | Answer::Error { .. }
        | Answer::Line { .. }
        | Answer::Sims { .. } => Err(ClientError::Refused("the gateway is of another version".to_owned())),
    }
}

async fn running(
    slots: Result<Vec<control::protocol::Modem>, ClientError>,
    ports: &Links,
    deadline: Instant,
) -> Running {
    let mut found = Running { addresses: addresses(), ..Running::default() };
    let mut free = ports.clone();
    match slots {
        Ok(slots) => {
            for modem in slots.into_iter().filter(|modem| modem.enabled) {
                let device = fs::canonicalize(&modem.port).unwrap_or_default();
                let port = free.remove(&device).unwrap_or(modem.port);
                found.modems.push(Modem {
                    port,
                    slot: Some(modem.slot),
                    model: modem.model,
                    imei: modem.imei,
                    imsi: modem.imsi,
                    iccid: modem.iccid,
                    state: modem.status,
                    signal: modem.signal,
                });
            }
        }
        Err(error) => found.gaps.push(format!("what the gateway knows of its modems: {error}")),
    }
    let mut asked = JoinSet::new();
    for name in free.into_values() {
        asked.spawn(ask(name, deadline));
    }
    for (name, answer) in asked.join_all().await {
        match answer {
            Some(survey) if !survey.identity.imei.is_empty() || !survey.model.is_empty() => {
                found.modems.push(modem(name, survey));
            }
            _ => found.gaps.push(format!("{name}: no modem answered there")),
        }
    }
    // Slots that lack their modem come without a port, and stay in front.
    found.modems.sort_by(|a, b| (&a.port, &a.slot).cmp(&(&b.port, &b.slot)));
    found.gaps.sort();
    found
}

/// Asks one modem. A port in use is tried again: the gateway looks for its own modems on all of them.
async fn ask(name: String, deadline: Instant) -> (String, Option<Survey>) {
    loop {
        match timeout_at(deadline, survey(&name, BAUD, |_| {})).await {
            Ok(Ok(survey)) => return (name, Some(survey)),
            Ok(Err(_)) if Instant::now() < deadline => sleep(PAUSE).await,
            Ok(Err(_)) | Err(_) => return (name, None),
        }
    }
}

fn modem(port: String, survey: Survey) -> Modem {
    let Survey { model, fault, pin_wanted, identity } = survey;
    let state = if pin_wanted {
        "its SIM card asks for a PIN".to_owned()
    } else if let Some(fault) = fault {
        fault
    } else if identity.network.is_empty() {
        "registered nowhere".to_owned()
    } else {
        format!("in the network {}", identity.network)
    };
    let signal = if pin_wanted { NO_SIGNAL } else { identity.signal };
    let (imei, imsi, iccid) = (identity.imei, identity.imsi, identity.iccid);
    Modem { port, slot: None, model, imei, imsi, iccid, state, signal }
}

/// Addresses of interfaces that are up, without loopback and what only the same wire can use.
fn addresses() -> Vec<String> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let mut all: Vec<IpAddr> = interfaces
        .filter(|interface| {
            interface.flags.contains(InterfaceFlags::IFF_UP) && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK)
        })
        .filter_map(|interface| interface.address)
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            let v6 = address.as_sockaddr_in6().map(|address| address.ip());
            v4.or_else(|| v6.filter(|address| !address.is_unicast_link_local()).map(IpAddr::V6))
        })
        .collect();
    all.sort();
    all.dedup();
    all.iter().map(ToString::to_string).collect()
}

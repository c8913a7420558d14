//! `provision apply`: from the operator's partition to a generation in force, and from that to what the system needs of
//! it in `/run`.
//!
//! The order makes a power cut harmless: certificate, tokens to be shown, generation, `current`; only then is anything
//! on the operator's partition overwritten. Started again at any point, it comes to the same end.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    candidate::{Accepted, Files, Layout, Refusal, World, judge},
    cards,
    durable::{Access, folder, remove, write},
    exchange::{Given, Media},
    finding, firewall,
    generation::{self, Generations},
    identity::{self, Authority, IdentityError},
    keys,
    media::{CERTIFICATE_FILE, KEYS_FILE, NETWORK_FILE, SYSLOG_CA_FILE},
    memory::{Memory, Outcome, State},
    network::{self, Network},
    networkd,
    result::{self, RESULT_FILE, Report},
    syslog,
    tokens::{self, Made, Mint},
};
use crate::{
    config::{self, Source},
    config_files::{GATEWAY_FILE, SIMS_FILE},
};

/// The API's port where nothing says otherwise.
const PORT: u16 = 7000;
/// No box is older than this; a clock that says so is wrong.
const EARLIEST: &str = "2026-01-01T00:00:00Z";

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The operator's partition, mounted.
    pub media: PathBuf,
    /// What outlives a restart.
    pub data: PathBuf,
    /// What does not.
    pub run: PathBuf,
}

/// Why provisioning stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A folder or file.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No random numbers.
    #[error("cannot make tokens: {0}")]
    Tokens(String),
    /// The generation in force cannot be read any more.
    #[error("the configuration in force is damaged: {0}")]
    Damaged(String),
}

/// Notes the path at which something failed.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> ProvisionError + use<> {
    let path = path.to_owned();
    move |source| ProvisionError::Io { path, source }
}

/// Renders the network of a box in rescue: DHCP, the usual port, nothing of `/data`.
///
/// # Errors
/// [`ProvisionError`]: the run folder cannot be written.
pub fn rescue(folders: &Folders) -> Result<(), ProvisionError> {
    render(folders, &Network::default(), PORT, &Files::new()).map_err(at(&folders.run))
}

/// Applies what is on the media, renders what is in force. `epoch` is when the image was built, if that is known.
///
/// Where this fails, the network is rendered nevertheless, and a box without a usable configuration is told to go into
/// rescue, with the reason.
///
/// # Errors
/// [`ProvisionError`]. Files of the operator's that are bad are no error: they are told of in the outcome.
pub fn apply(folders: &Folders, epoch: Option<Timestamp>, mint: Mint<'_>) -> Result<Outcome, ProvisionError> {
    let applied = provision(folders, epoch, mint);
    if let Err(error) = &applied {
        // In the worst case nothing works; then at least the first error is told.
        let _ = render_in_force(folders).or_else(|_| rescue(folders));
        let warnings = folders.run.join("smsgate/warnings.d");
        let usable = generation::current(&folders.data.join("config")).is_some();
        let (path, what) = if usable {
            (warnings.join("provision"), "provisioning failed")
        } else {
            (folders.run.join("smsgate/rescue"), "there is no configuration")
        };
        let _ = folder(&warnings, Access::Public);
        let _ = write(&path, format!("{what}: {error}\n").as_bytes(), Access::Public);
    }
    applied
}

/// What the configuration in force says, where the way to a new one failed.
fn render_in_force(folders: &Folders) -> Result<(), ProvisionError> {
    let root = folders.data.join("config");
    let files = generation::in_force(&root).map_err(at(&root))?;
    let text = |name: &str| files.get(name).map(String::as_str).unwrap_or_default();
    let network = network::read(NETWORK_FILE, text(NETWORK_FILE), |_| true).unwrap_or_default();
    let [gateway, sims] = [GATEWAY_FILE, SIMS_FILE].map(|name| Source { name, text: text(name) });
    let port = config::load(gateway, sims).0.map_or(PORT, |config| config.gateway.server.port);
    render(folders, &network, port, &files).map_err(at(&folders.run))
}

fn provision(folders: &Folders, epoch: Option<Timestamp>, mint: Mint<'_>) -> Result<Outcome, ProvisionError> {
    let data = &folders.data;
    make_folders(data)?;
    let config = data.join("config");
    let mut generations = Generations::open(&config).map_err(at(&config))?;
    let current = generations.files().map_err(at(&config))?;
    let state = data.join("state");
    let state = State::open(&state).map_err(at(&state))?;
    let media = Media::open(&folders.media);
    // A card that cannot be read is told of at the end: it keeps nothing else from working.
    let read = media.as_ref().map_or_else(|| Ok(Given::default()), Media::read);
    let (given, unreadable) = read.map_or_else(|error| (Given::default(), Some(error)), |given| (given, None));

    let now = not_later_than_now(epoch);
    let layout = Layout { data: data.display().to_string() };
    let world = World { layout: &layout, now, is_zone: &is_zone };
    let mut memory = state.recall();
    let before = memory.clone();
    memory.names = finding::told(&given.names);
    let accepted = decide(&given, &current, &world, mint, &mut memory.outcome)?;
    let news = !given.written.is_empty() && memory.outcome.problems.is_empty();
    memory.cards = cards::taken_over(memory.cards, accepted.cards.as_deref(), &accepted.config.slots, news);

    let (authority, chain) = establish(data, &accepted, now)?;
    let mut tokens = state.unshown(generations.number.unwrap_or(0)).map_err(at(data))?;
    if accepted.files != current {
        if !accepted.made.is_empty() {
            tokens.extend(accepted.made.iter().cloned());
            state.keep(generations.next(), &tokens).map_err(at(data))?;
        }
        generations.commit(&accepted.files).map_err(at(&config))?;
    }
    if !accepted.files.get(GATEWAY_FILE).is_some_and(|text| tokens::is_ours(text)) {
        // The operator's own are in force: those made before open nothing any more.
        tokens.clear();
        state.forget_tokens().map_err(at(data))?;
    }
    let is_told = media.as_ref().is_none_or(|media| media.has(RESULT_FILE));
    let told = |memory: &Memory| (memory.outcome.clone(), memory.names.clone(), memory.cards.clone());
    if told(&memory) != told(&before) || !tokens.is_empty() || !is_told {
        memory.reported = None;
    }
    state.remember(&memory).map_err(at(data))?;
    render(folders, &accepted.network, accepted.config.gateway.server.port, &accepted.files)
        .map_err(at(&folders.run))?;
    if let Some(error) = unreadable {
        return Err(at(&folders.media)(error));
    }
    if let Some(media) = media {
        let failed = at(&folders.media);
        tell(&media, &given, &memory, &accepted, &generations, &tokens, &chain, &authority).map_err(failed)?;
    }
    Ok(memory.outcome)
}

/// The set of files to run with: with the given ones, or else without.
fn decide(
    given: &Given,
    current: &Files,
    world: &World<'_>,
    mint: Mint<'_>,
    outcome: &mut Outcome,
) -> Result<Accepted, ProvisionError> {
    let mut problems = given.problems.clone();
    if problems.is_empty() {
        match judge(&given.files, current, world, &mut *mint) {
            Ok(accepted) => {
                if !given.files.is_empty() {
                    *outcome = Outcome {
                        applied: given.files.keys().cloned().collect(),
                        problems: Vec::new(),
                        remarks: finding::told(&accepted.remarks),
                    };
                } else if !outcome.problems.is_empty() {
                    *outcome = Outcome::default();
                }
                return Ok(accepted);
            }
            Err(Refusal::Tokens(why)) => return Err(ProvisionError::Tokens(why)),
            Err(Refusal::Bad(found)) => problems = found,
        }
    } else if let Err(Refusal::Bad(found)) = judge(&given.files, current, world, &mut *mint) {
        problems.extend(found);
    }
    let problems = finding::told(&problems);
    let nothing = given.files.is_empty() && given.problems.is_empty();
    *outcome = Outcome { problems: problems.clone(), ..Outcome::default() };
    match judge(&Files::new(), current, world, mint) {
        Ok(accepted) if !nothing => Ok(accepted),
        Err(Refusal::Tokens(why)) => Err(ProvisionError::Tokens(why)),
        Ok(_) | Err(Refusal::Bad(_)) => Err(ProvisionError::Damaged(problems.join("; "))),
    }
}

fn make_folders(data: &Path) -> Result<(), ProvisionError> {
    for (name, access) in
        [("tls", Access::Daemon), ("state", Access::Public), ("state/gateway", Access::Own), ("store", Access::Own)]
    {
        let path = data.join(name);
        folder(&path, access).map_err(at(&path))?;
    }
    Ok(())
}

/// As the tz database writes it: the system's own programs look for a file of that name.
fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok_and(|zone| zone.iana_name() == Some(name))
}

/// The clock, or the day of the image if that is later: both are in the past of a box whose clock has stopped.
fn not_later_than_now(epoch: Option<Timestamp>) -> Timestamp {
    let earliest = EARLIEST.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    Timestamp::now().max(epoch.unwrap_or(earliest)).max(earliest)
}

/// The box's own CA and certificate, made where they are missing, damaged, for other names or due. Returns the CA's
/// certificate and the chain that the API shows.
fn establish(data: &Path, accepted: &Accepted, now: Timestamp) -> Result<(String, String), ProvisionError> {
    let folder = data.join("tls");
    let today: Date = now.to_zoned(TimeZone::UTC).date();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let put = |name: &str, text: &str, access| {
        let path = folder.join(name);
        write(&path, text.as_bytes(), access).map_err(at(&path))
    };
    let pair_is_whole =
        |chain: &str, key: &str| identity::check_pair("", chain, "", key, Timestamp::UNIX_EPOCH).is_empty();

    let mut authority = Authority { certificate: read("ca.pem"), key: read("ca.key") };
    if !pair_is_whole(&authority.certificate, &authority.key) {
        authority = identity::new_authority()?;
        put("ca.key", &authority.key, Access::Private)?;
        put("ca.pem", &authority.certificate, Access::Public)?;
    }
    let subjects = identity::subjects(&accepted.network);
    let (mut chain, key) = (read("server.pem"), read("server.key"));
    let wanted = subjects.join("\n") + "\n";
    let whole = pair_is_whole(&chain, &key) && chain.ends_with(&authority.certificate);
    if !whole || read("server.names") != wanted || identity::is_due(&chain, now) {
        let server = identity::new_server(&authority, &subjects, today)?;
        // Cut off between the two, they are no pair, and are made again.
        put("server.key", &server.key, Access::Daemon)?;
        put("server.pem", &server.chain, Access::Daemon)?;
        put("server.names", &wanted, Access::Public)?;
        chain = server.chain;
    }
    let shown = accepted.files.get(CERTIFICATE_FILE).cloned().unwrap_or(chain);
    Ok((authority.certificate, shown))
}

/// What the system's own daemons read.
fn render(folders: &Folders, network: &Network, port: u16, files: &Files) -> io::Result<()> {
    let run = &folders.run;
    let ssh = files.get(KEYS_FILE).is_some_and(|text| keys::any(text));
    let ca = folders.data.join("config/current").join(SYSLOG_CA_FILE).display().to_string();
    let ca = files.contains_key(SYSLOG_CA_FILE).then_some(ca.as_str());
    let mut all = networkd::render(network);
    all.push(("systemd/dnssd/smsgate.dnssd", Some(networkd::announcement(port))));
    all.push(("smsgate/rescue.env", Some(format!("SMSGATE_PORT={port}\n"))));
    all.push(("smsgate/nftables.conf", Some(firewall::render(port, ssh, &network.allow_from))));
    all.push(("smsgate/rsyslog.conf", network.syslog.as_ref().map(|to| syslog::render(to, ca))));
    for (name, text) in all {
        let path = run.join(name);
        if let Some(parent) = path.parent() {
            folder(parent, Access::Public)?;
        }
        match text {
            Some(text) => write(&path, text.as_bytes(), Access::Public).map(drop)?,
            None => remove(&path)?,
        }
    }
    Ok(())
}

/// Tells the operator, and overwrites what was applied.
#[expect(clippy::too_many_arguments, reason = "all of it is in the text")]
fn tell(
    media: &Media,
    given: &Given,
    memory: &Memory,
    accepted: &Accepted,
    generations: &Generations,
    tokens: &[Made],
    chain: &str,
    authority: &str,
) -> io::Result<()> {
    if memory.outcome.problems.is_empty() {
        media.spend(&given.written)?;
    }
    media.put("ca.pem", authority)?;
    if memory.reported.is_some() && media.has(RESULT_FILE) {
        return Ok(());
    }
    let report = Report {
        outcome: std::slice::from_ref(&memory.outcome),
        names: &memory.names,
        cards: &cards::told(&memory.cards),
        generation: generations.number.unwrap_or(0),
        hostname: &accepted.network.hostname,
        port: accepted.config.gateway.server.port,
        fingerprint: &identity::fingerprint(chain).unwrap_or_default(),
        own_certificate: accepted.files.contains_key(CERTIFICATE_FILE),
        tokens,
        running: None,
    };
    media.put_secret(RESULT_FILE, &result::render(&report)).map(drop)
}

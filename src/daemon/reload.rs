//! Another configuration while the gateway runs (SIGHUP).
//!
//! The files are read as at the start. If they have an error, all that was in force stays in force; the certificate alone
//! is read again all the same, from where it was, since renewing it has nothing to do with who is editing the files. If
//! they have none, the difference is carried out: readers have the new generation at once, and only those modems are
//! opened anew that have to be.

use std::{path::Path, sync::Arc};

use tracing::{error, info, warn};

use super::{Daemon, certificate_of, limits, log_notice, options, run::Grounds, settings};
use crate::{
    config::{Config, Difference, Gateway, Severity},
    config_files::load_folder,
};

/// How it went, in a sentence for people.
pub(super) type Outcome = &'static str;

/// Reads the configuration again and takes over what is new.
pub(super) async fn reload(daemon: &mut Daemon, grounds: &Grounds) -> Outcome {
    let folder = grounds.folder.as_path();
    let Some(config) = read(folder) else {
        daemon.renew_certificate();
        error!(folder = %folder.display(), "the configuration was not reloaded, the old one stays in force");
        return "The configuration has errors; the one before stays in force.";
    };
    grounds.level.set(config.gateway.logging.level);
    let difference = daemon.reload(config).await;
    let lacking = grounds.lacking(&daemon.config.borrow());
    if !lacking.is_empty() {
        warn!(what = lacking.join(", "), "the sandbox was set up without this, a restart adds it");
    }
    info!(keys = difference.keys.len(), slots = difference.slots.len(), "configuration reloaded");
    "Running."
}

/// The configuration, if it has no error. All problems are told.
fn read(folder: &Path) -> Option<Config> {
    let loaded = load_folder(folder).map_err(|fault| error!("{fault}")).ok()?;
    for diagnostic in &loaded.diagnostics {
        match diagnostic.severity {
            Severity::Error => error!("{diagnostic}"),
            Severity::Warning => warn!("{diagnostic}"),
        }
    }
    loaded.config
}

impl Daemon {
    /// Takes over another configuration. Returns what is different.
    pub async fn reload(&mut self, mut config: Config) -> Difference {
        let old = Arc::clone(&self.config.borrow());
        let difference = Difference::between(&old, &config);
        tell(&difference);
        difference.keep_what_needs_a_restart(&old, &mut config);
        let config = Arc::new(config);
        self.store.set_options(options(&config.gateway));
        self.store.set_limits(limits::of_slots(&config.slots));
        self.store.set_flood_limit(config.gateway.mail.flood_limit);
        self.config.send_replace(Arc::clone(&config));
        self.renew_certificate();
        if difference.touches_ports() {
            self.ports.set_slots(&config.slots).await;
        }
        self.modems.apply(&difference, &config);
        if difference.touches_mail() {
            self.mail.send_replace(Arc::new(settings(&config)));
        }
        difference
    }

    /// Reads certificate and key again; the old ones stay in use if they cannot be.
    pub fn renew_certificate(&self) {
        let Gateway { server, .. } = &self.config.borrow().gateway;
        let (certificate, key, suites) = certificate_of(server);
        match self.certificate.reload(certificate, key, &suites) {
            Ok(notice) => {
                info!("certificate reloaded");
                log_notice(notice);
            }
            Err(error) => warn!(%error, "certificate not reloaded, the old one stays in use"),
        }
    }
}

fn tell(difference: &Difference) {
    for key in &difference.keys {
        if key.needs_restart() {
            warn!(%key, "this change needs a restart of the gateway; until then the old value is in force");
        } else {
            info!(%key, "configuration changed");
        }
    }
    for (slot, change) in &difference.slots {
        info!(modem = %slot, "slot {change}");
    }
}

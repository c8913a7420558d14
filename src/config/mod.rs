//! Configuration: INI text to typed values plus every problem found, each with its place.
//!
//! Reading files is the business of [`config_files`](crate::config_files); here text comes in.

pub mod ciphers;
mod diagnostic;
mod fields;
mod gateway;
pub mod ini;
mod mask;
mod nearest;
mod sims;
mod values;

use fields::Document;

pub use diagnostic::{Diagnostic, Place, Severity, Source, render};
pub use gateway::{
    Api, Gateway, LogLevel, Logging, Mail, MailSecurity, Modempool, SelfTestInterval, Server, StoreConfig,
};
pub use sims::{SimEncoding, Slot};

/// Both files, understood.
#[derive(Debug)]
pub struct Config {
    /// `smsgate.conf`.
    pub gateway: Gateway,
    /// `sim-cards.conf`, in the order of the file.
    pub slots: Vec<Slot>,
}

/// Understands both files. There is a configuration unless a diagnostic is an error; the diagnostics are in the order
/// of the files' lines.
#[must_use]
pub fn load(gateway: Source<'_>, sims: Source<'_>) -> (Option<Config>, Vec<Diagnostic>) {
    let (mut sims, sims_ini) = Document::new(sims);
    let slots = Slot::read_all(&mut sims, &sims_ini);
    let names: Vec<_> = slots.iter().map(|slot| slot.id.clone()).collect();
    let (mut document, ini) = Document::new(gateway);
    let gateway = Gateway::read(&mut document, &ini, &names);

    let mut diagnostics = Vec::new();
    for mut found in [document.diagnostics, sims.diagnostics] {
        found.sort_by_key(|diagnostic| diagnostic.place.as_ref().map(|place| place.span.start));
        diagnostics.append(&mut found);
    }
    let usable = diagnostics.iter().all(|diagnostic| diagnostic.severity < Severity::Error);
    (usable.then_some(Config { gateway, slots }), diagnostics)
}

/// Where the value of `key` stands in `[section]`; where the section stands if it has no such key.
#[must_use]
pub fn place_of(source: Source<'_>, section: &str, key: &str) -> Option<Place> {
    let (ini, _) = ini::read(source.text);
    let section = ini.section(section)?;
    let span = ini.entry(section, key).map_or(&section.span, |entry| &entry.span);
    Some(Place::new(source.text, &mask::mask(source.text), span.clone()))
}

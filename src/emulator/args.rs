//! Options of `smsgate emulate`, and the modems they ask for.

use std::{io, path::PathBuf};

use super::{modem::Modem, network::Network, personality::Personality, world::World};

/// Options of `smsgate emulate`.
#[derive(clap::Args, Clone, Debug)]
pub struct EmulateArgs {
    /// How many modems
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub modems: usize,
    /// Folder for the links modem-00, modem-01, ...
    #[arg(long)]
    pub dir: PathBuf,
    /// Models, taken in turn
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "quectel-m35,sim7600e,zte-mf190,huawei-e3131,quectel-ec25,generic"
    )]
    pub personality: Vec<String>,
    /// Seed of everything left to chance
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Play this recorded session on a link trace-00, the next one on trace-01, ...
    #[arg(long, value_name = "FILE")]
    pub trace: Vec<PathBuf>,
    /// Control socket
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Number of the first modem; the others count up
    #[arg(long, value_name = "NUMBER", default_value = "+491700000000")]
    pub first_number: String,
    /// Do not say when the links are there
    #[arg(long)]
    pub quiet: bool,
}

impl EmulateArgs {
    pub(super) fn world(&self) -> io::Result<World> {
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let first: u64 = self
            .first_number
            .strip_prefix('+')
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| wrong(format!("no international number: `{}`", self.first_number)))?;
        let mut world = World::new(Network::new(jiff::Timestamp::now(), self.seed));
        let mut names = self.personality.iter().cycle();
        for serial in 0..self.modems as u64 {
            let name = names.next().map_or("generic", String::as_str);
            let personality = Personality::named(name).ok_or_else(|| wrong(format!("no virtual modem `{name}`")))?;
            world.add(Modem::new(personality, &format!("+{}", first + serial), serial));
        }
        Ok(world)
    }
}

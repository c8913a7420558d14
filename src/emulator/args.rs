//! Options of `smsgate emulate`, and the modems they ask for.

use std::{io, path::PathBuf, time::Duration};

use super::{
    modem::Modem,
    network::Network,
    personality::Personality,
    usb::{Attached, UsbArgs},
    world::World,
};

/// Options of `smsgate emulate`.
#[derive(clap::Args, Clone, Debug)]
pub struct EmulateArgs {
    /// How many modems on ptys, in --dir
    #[arg(long, default_value_t = 4, value_name = "N", requires = "dir")]
    pub modems: usize,
    /// Folder for the links modem-00, modem-01, ...
    #[arg(long, required_unless_present = "usb_redir")]
    pub dir: Option<PathBuf>,
    /// Modems as USB devices
    #[command(flatten)]
    pub usb: UsbArgs,
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
    #[arg(long, value_name = "FILE", requires = "dir")]
    pub trace: Vec<PathBuf>,
    /// Control socket
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Number of the first modem; the others count up
    #[arg(long, value_name = "NUMBER", default_value = "+491700000000")]
    pub first_number: String,
    /// Pace of each modem's line, both ways, at ten bits an octet; 0: as fast as it goes
    #[arg(long, default_value_t = 0, value_name = "BAUD")]
    pub baud: u32,
    /// How long the network takes a message that is sent, in seconds
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS", value_parser = seconds)]
    pub submit_time: f64,
    /// Do not say when the links are there
    #[arg(long)]
    pub quiet: bool,
}

impl EmulateArgs {
    /// The world, with the modems on ptys first, then those on USB; how many are on ptys, and the USB devices.
    pub(super) fn world(&self) -> io::Result<(World, usize, Vec<Attached>)> {
        let first: u64 = self
            .first_number
            .strip_prefix('+')
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| wrong(format!("no international number: `{}`", self.first_number)))?;
        let mut world = World::new(Network::new(jiff::Timestamp::now(), self.seed));
        world.set_baud(self.baud);
        world.network.conditions.submit_latency = self.submit_time;
        let mut names = self.personality.iter().cycle();
        let on_ptys = if self.dir.is_some() { self.modems } else { 0 };
        for serial in 0..on_ptys as u64 {
            world.add(modem(names.next().map_or("generic", String::as_str), first, serial)?);
        }
        let mut serial = on_ptys as u64;
        let attached = self.usb.attach(&mut world, |name| {
            let modem = modem(name, first, serial);
            serial += 1;
            modem
        })?;
        Ok((world, on_ptys, attached))
    }
}

fn modem(name: &str, first_number: u64, serial: u64) -> io::Result<Modem> {
    let personality = Personality::named(name).ok_or_else(|| wrong(format!("no virtual modem `{name}`")))?;
    Ok(Modem::new(personality, &format!("+{}", first_number + serial), serial))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if Duration::try_from_secs_f64(value).is_ok() => Ok(value),
        _ => Err("no number of seconds, such as 2.5".to_owned()),
    }
}

fn wrong(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

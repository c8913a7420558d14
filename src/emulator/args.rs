//! Options of `smsgate emulate`.

use std::path::PathBuf;

/// Options of `smsgate emulate`.
#[derive(clap::Args, Clone, Debug)]
pub struct EmulateArgs {
    /// How many modems
    #[arg(long, default_value_t = 4)]
    pub modems: usize,
    /// Folder for the links modem-00, modem-01, ...
    #[arg(long)]
    pub dir: PathBuf,
    /// Models, taken in turn
    #[arg(long, value_delimiter = ',', default_value = "quectel-m35,sim7600e,zte-mf190,huawei-e3131")]
    pub personality: Vec<String>,
    /// Seed of everything left to chance
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Control socket
    #[arg(long)]
    pub control: Option<PathBuf>,
}

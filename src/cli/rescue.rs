//! `rescue`: the flags of the server that stands in for a gateway that cannot run; what it does is `daemon::rescue`'s.

use std::path::PathBuf;

use clap::Args;

/// Flags of `rescue`.
#[derive(Args, Clone, Debug)]
pub(super) struct RescueArgs {
    /// File whose first line says why the gateway cannot run
    #[arg(long, value_name = "FILE")]
    pub(super) reason_file: PathBuf,
    /// Port to listen on
    #[arg(long, value_name = "PORT", default_value_t = 7000)]
    pub(super) port: u16,
    /// Address to listen on; :: is every address of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "::")]
    pub(super) host: String,
}

//! Commands for the daemon on this machine: where its control socket is, and what its refusals mean for the exit code.

use std::path::PathBuf;

use clap::Args;

use super::exit::{Exit, Failure};
use crate::{
    config_files,
    control::{Client, ClientError, SOCKET, socket_beside},
    daemon::store_path,
};

/// Which daemon.
#[derive(Args, Clone, Debug)]
pub(super) struct Local {
    /// State folder of the gateway [default: as the configuration says]
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Folder with smsgate.conf and sim-cards.conf [default: conf if there is one, else /etc/smsgate]
    #[arg(long, value_name = "DIR", conflicts_with = "state")]
    pub(super) config: Option<PathBuf>,
}

impl Local {
    /// Connects to the running daemon.
    ///
    /// # Errors
    /// [`Failure`]: no configuration to find it by, not running, no permission.
    pub(super) fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.socket()?)?)
    }

    fn socket(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.state {
            return Ok(folder.join(SOCKET));
        }
        let folder = config_files::find_folder(self.config.as_deref());
        let unknown = |why: String| {
            let hint = "name the gateway's state folder with --state, or its configuration with --config";
            Failure::new(Exit::Configuration, format!("{why}; {hint}"))
        };
        let loaded = config_files::load_folder(&folder).map_err(|error| unknown(error.to_string()))?;
        let config =
            loaded.config.ok_or_else(|| unknown(format!("the configuration in {} has errors", folder.display())))?;
        Ok(socket_beside(&store_path(&config.gateway)))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error {
            ClientError::NotRunning { .. } | ClientError::Io { .. } => Exit::Unavailable,
            ClientError::Permission { .. } => Exit::NoPermission,
            ClientError::Refused(_) => Exit::Negative,
        };
        Self::new(exit, error.to_string())
    }
}

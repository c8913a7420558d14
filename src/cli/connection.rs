//! The flags that say which gateway to talk to and with which token. Spelled as upstream spells them.

use std::{env, fmt, fs, path::PathBuf, time::Duration};

use clap::Args;
use secrecy::SecretString;

use super::{
    client::{Client, Endpoint},
    exit::{Exit, Failure},
};

/// The variable that holds the token; it wins over the flags, since arguments are visible to other users of the host.
pub(super) const TOKEN_VARIABLE: &str = "SMSGATE_APITOKEN";

/// How the gateway is reached.
#[derive(Args, Clone)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// Host name or address of the gateway
    #[arg(long, global = true, value_name = "HOSTNAME", default_value = "localhost")]
    pub(super) host: String,
    /// Port of the gateway
    #[arg(long, global = true, value_name = "PORT", default_value_t = 7000)]
    pub(super) port: u16,
    /// Certificate of the CA that signed the gateway's certificate, instead of those the system trusts
    #[arg(long, global = true, value_name = "CAFILE")]
    pub(super) ca: Option<PathBuf>,
    /// API token; better put it into the variable SMSGATE_APITOKEN, which wins
    #[arg(long, global = true, value_name = "TOKEN", hide_default_value = true)]
    pub(super) api_token: Option<String>,
    /// File whose first line is the API token
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "api_token")]
    pub(super) api_token_file: Option<PathBuf>,
}

impl Connection {
    /// A client for this gateway with its token.
    ///
    /// # Errors
    /// No token, an unreadable CA file.
    pub(super) fn client(&self, deadline: Duration) -> Result<Client, Failure> {
        Ok(Client::new(self.endpoint(), self.token()?, deadline)?)
    }

    /// Where the gateway is.
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { host: self.host.clone(), port: self.port, ca: self.ca.clone() }
    }

    fn token(&self) -> Result<SecretString, Failure> {
        if let Some(token) = env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()) {
            return Ok(token.into());
        }
        if let Some(file) = &self.api_token_file {
            let text = fs::read_to_string(file)
                .map_err(|error| Failure::new(Exit::NoInput, format!("cannot read {}: {error}", file.display())))?;
            return Ok(text.lines().next().unwrap_or_default().trim().into());
        }
        self.api_token.as_deref().map(Into::into).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("no API token: set {TOKEN_VARIABLE}, or give --api-token-file FILE"))
        })
    }
}

// The token must not get into a log by way of the other fields.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

//! The arguments of all tools, put together from the flags of each command.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use super::{
    cert::CertArgs, check::CheckArgs, check_config::CheckConfigArgs, completions::CompletionsArgs,
    connection::Connection, decode::DecodeArgs, get_sms, get_sms::GetSmsArgs, manual::ManualArgs,
    provision::ProvisionArgs, rescue::RescueArgs, sandbox_test::SandboxTestArgs, send_sms::SendSmsArgs, send_ussd,
    send_ussd::SendUssdArgs, sim::SimArgs, stats::StatsArgs, token::TokenArgs, trace::TraceArgs,
};
use crate::{demo::DemoArgs, emulator::EmulateArgs};

/// Longest an ordinary call may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Gateway between a pool of GSM modems and the people and machines on a LAN
#[derive(Debug, Parser)]
#[command(name = "smsgate", version, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway in the foreground
    Run(RunArgs),
    /// Answer in the place of a gateway that cannot run, and say why
    Rescue(RescueArgs),
    /// Serve virtual modems on ptys, for any program that talks to modems
    Emulate(EmulateArgs),
    /// Show every problem in the configuration files
    CheckConfig(CheckConfigArgs),
    /// Make an API token and its hash
    Token(TokenArgs),
    /// Make a CA and a server certificate
    Cert(CertArgs),
    /// Show the fields of a PDU
    Decode(DecodeArgs),
    /// Show SMS in and out over virtual modems, with mails; needs no hardware
    Demo(DemoArgs),
    /// Attack a gateway from within, and see whether its sandbox holds; needs no hardware
    SandboxTest(SandboxTestArgs),
    /// Send an SMS through a running gateway and wait until it is delivered
    SendSms(Remote<SendSmsArgs>),
    /// Show the SMS that a running gateway received lately
    GetSms(Remote<GetSmsArgs>),
    /// Send a USSD code through a running gateway, show the answer, and answer menus
    SendUssd(Remote<SendUssdArgs>),
    /// Show what the modems of a running gateway are doing
    Stats(Remote<StatsArgs>),
    /// Send and look interactively
    Shell(Gateway),
    /// Take over the files of an appliance's operator, and report back to him
    Provision(ProvisionArgs),
    /// Show the SIM cards of the gateway on this machine, and accept a swapped one
    Sim(SimArgs),
    /// Record what goes over a modem's line, without PINs, texts and numbers
    Trace(TraceArgs),
    /// Print the script that completes arguments in a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    Manual(ManualArgs),
}

/// Options of `smsgate run`.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// Folder with smsgate.conf and sim-cards.conf [default: conf if there is one, else /etc/smsgate]
    #[arg(long, value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
    /// This machine is an appliance: its other services leave in DIR/warnings.d what the health shall show
    #[arg(long, value_name = "DIR")]
    pub(super) appliance: Option<PathBuf>,
}

/// A command for a running gateway.
#[derive(Args, Debug)]
pub(super) struct Remote<T: Args> {
    #[command(flatten)]
    pub(super) args: T,
    #[command(flatten)]
    pub(super) gateway: Gateway,
}

/// Which gateway, and which of its SIMs.
#[derive(Args, Debug)]
pub(super) struct Gateway {
    /// Phone number of the SIM to send with; USSD needs one [default for SMS: chosen by routing]
    #[arg(long, global = true, value_name = "NUMBER")]
    pub(super) sender: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Client of the SMS gateway
#[derive(Debug, Parser)]
#[command(name = "smsgate-client", version, max_term_width = 100)]
pub(super) struct ClientArguments {
    #[command(flatten)]
    pub(super) gateway: Gateway,
    #[command(subcommand)]
    pub(super) action: Action,
}

/// What a client wants.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Send an SMS and wait until it is delivered
    SendSms(SendSmsArgs),
    /// Show the SMS that were received lately
    GetSms(GetSmsArgs),
    /// Send a USSD code and show the answer
    SendUssd(SendUssdArgs),
    /// Show what the modems are doing
    Stats(StatsArgs),
    /// Send and look interactively
    Shell,
}

impl Action {
    /// Longest one call may take.
    pub(super) const fn deadline(&self) -> Duration {
        match self {
            Self::SendSms(_) | Self::Stats(_) => DEADLINE,
            Self::GetSms(_) => get_sms::DEADLINE,
            Self::SendUssd(_) | Self::Shell => send_ussd::DEADLINE,
        }
    }
}

/// Check the health of the SMS gateway (Icinga and Nagios plugin)
#[derive(Parser)]
#[command(name = "check_smsgate", version, max_term_width = 100)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) check: CheckArgs,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// Counters and balances of the SMS gateway (Munin plugin)
///
/// Reads the variables smsgate_host, smsgate_port, smsgate_cafile and smsgate_api_token, and MUNIN_CAP_DIRTYCONFIG, with
/// which `config` brings the values along.
#[derive(Debug, Parser)]
#[command(name = "munin_smsgate", version, max_term_width = 100)]
pub(super) struct MuninArguments {
    /// `config` or `autoconf`; without it, the values
    pub(super) request: Option<String>,
}

//! `check_smsgate`: the gateway's health, or the age of its certificate, for Icinga and Nagios.
//!
//! An exit code from 0 to 3 whatever happens, within [`DEADLINE`]; what is told is judged in `report`. The health token may
//! not read statistics, and a token tried where it does not belong is a logged refusal: statistics are asked for only with
//! a token named for them.

use std::{
    env,
    io::Write,
    time::{Duration, Instant},
};

use clap::Args;
use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    certificate,
    client::{Client, ClientError},
    connection::Connection,
    report::{self, Level, Report},
    stats,
};
use crate::rpc::wire::Value;

/// Longest the check may take, as monitoring hosts expect.
const DEADLINE: Duration = Duration::from_secs(10);
/// The variable with the token for statistics; it wins over the flag.
const STATS_TOKEN_VARIABLE: &str = "SMSGATE_STATS_TOKEN";

/// Flags of the check beside those of the connection.
#[derive(Args, Clone)]
pub(super) struct CheckArgs {
    /// Token for get_stats, for performance data of each modem; better put it into the variable SMSGATE_STATS_TOKEN
    #[arg(long, value_name = "TOKEN", conflicts_with = "certificate")]
    stats_token: Option<String>,
    /// State when nobody listens on the port; upstream's check said critical
    #[arg(long, value_name = "STATE", value_enum, default_value = "unknown")]
    refused: Level,
    /// Check how long the certificate is still valid instead of the health; needs no token
    #[arg(long)]
    certificate: bool,
    /// Days left at which the certificate is worth a warning
    #[arg(long, value_name = "DAYS", default_value_t = 25, requires = "certificate")]
    warning: u16,
    /// Days left at which the certificate is critical
    #[arg(long, value_name = "DAYS", default_value_t = 5, requires = "certificate")]
    critical: u16,
}

/// Prints the lines and returns the exit code.
pub(super) fn run(connection: &Connection, args: &CheckArgs, out: &mut impl Write) -> u8 {
    let start = Instant::now();
    let mut report =
        if args.certificate { certificate_report(connection, args) } else { health(connection, args, start) };
    let seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    report.perfdata.gauge("time", seconds, "s", 0.0, DEADLINE.as_secs_f64());
    match out.write_all(report.lines().as_bytes()) {
        Ok(()) => report.level.code(),
        Err(_) => Level::Unknown.code(),
    }
}

/// Says that the arguments make no sense, since monitoring shows standard output only, and returns the exit code.
pub(super) fn misused(out: &mut impl Write) -> u8 {
    let report = Report::of(Level::Unknown, "the arguments of the check make no sense; run it by hand to see why");
    let _ = out.write_all(report.lines().as_bytes());
    report.level.code()
}

fn health(connection: &Connection, args: &CheckArgs, start: Instant) -> Report {
    let client = match connection.client(DEADLINE) {
        Ok(client) => client,
        Err(failure) => return Report::of(Level::Unknown, failure.to_string()),
    };
    let answer = client.call("get_health_state", &[]);
    client.abandon();
    let mut report = match answer {
        Ok(answer) => report::healthy(&answer),
        Err(error) => return report::unhealthy(&error, args.refused),
    };
    if let Some(token) = stats_token(args) {
        let left = DEADLINE.saturating_sub(start.elapsed());
        match modems(connection, token, left) {
            Ok(modems) => report::describe(&modems, &mut report),
            Err(error) => report.details.push(format!("no statistics: {error}")),
        }
    }
    report
}

fn stats_token(args: &CheckArgs) -> Option<SecretString> {
    let variable = env::var(STATS_TOKEN_VARIABLE).ok();
    variable.or_else(|| args.stats_token.clone()).filter(|token| !token.is_empty()).map(SecretString::from)
}

fn modems(
    connection: &Connection,
    token: SecretString,
    deadline: Duration,
) -> Result<Vec<(String, Value)>, ClientError> {
    let client = Client::new(connection.endpoint(), token, deadline)?;
    let modems = stats::fetch(&client);
    client.abandon();
    modems
}

fn certificate_report(connection: &Connection, args: &CheckArgs) -> Report {
    match certificate::end(connection.endpoint(), DEADLINE) {
        Ok(end) => report::aged(end, Timestamp::now(), args.warning, args.critical),
        Err(error) => report::unhealthy(&error, args.refused),
    }
}

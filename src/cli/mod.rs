//! The command line: one binary, and by the name it is called with the tool that sites know from upstream.
//!
//! `smsgate` has subcommands; links named `smsgate-client`, `check_smsgate` and `munin_smsgate` make it those. Each
//! command's file holds its flags and what it does; here they are put together, and exit codes come out.

mod arguments;
mod cert;
mod certificate;
mod check;
mod check_config;
pub mod client;
pub(crate) mod columns;
mod completion;
mod completions;
mod connection;
mod decode;
mod decode_fields;
mod emulate;
mod exit;
mod get_sms;
mod history;
mod json;
pub(crate) mod keyboard;
mod live_status;
mod local;
pub(crate) mod look;
mod manual;
mod munin;
mod perfdata;
mod provision;
mod report;
mod rescue;
mod sandbox_test;
mod send_sms;
mod send_ussd;
mod shell;
mod sim;
mod stats;
mod table;
pub(crate) mod terminal;
mod termination;
pub(crate) mod token;
mod trace;

use std::{
    ffi::OsString,
    io::{Write, stderr, stdin, stdout},
    path::Path,
    process::ExitCode,
};

use clap::Parser;

use crate::daemon;
use arguments::{Action, Arguments, CheckArguments, ClientArguments, Command, Gateway, MuninArguments};
pub use exit::{Exit, Failure};

/// Runs what the arguments say, the program's name first, and returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let name = arguments.first().and_then(|name| Path::new(name).file_stem()).and_then(|name| name.to_str());
    match name {
        _ if munin::is_asking() => munin_plugin(arguments),
        Some("smsgate-client") => parse::<ClientArguments>(arguments)
            .map_or_else(Exit::into, |arguments| ended(ask(&arguments.gateway, &arguments.action))),
        Some("check_smsgate") => match parse::<CheckArguments>(arguments) {
            Ok(arguments) => check::run(&arguments.connection, &arguments.check, &mut stdout().lock()).into(),
            Err(Exit::Ok) => ExitCode::SUCCESS,
            Err(_) => check::misused(&mut stdout().lock()).into(),
        },
        Some("munin_smsgate") => munin_plugin(arguments),
        _ => parse::<Arguments>(arguments).map_or_else(Exit::into, |arguments| obey(arguments.command)),
    }
}

fn munin_plugin(arguments: Vec<OsString>) -> ExitCode {
    parse::<MuninArguments>(arguments)
        .map_or_else(Exit::into, |arguments| ended(munin::run(arguments.request.as_deref(), &mut stdout().lock())))
}

/// Reads arguments; help and complaints are printed here.
fn parse<T: Parser>(arguments: Vec<OsString>) -> Result<T, Exit> {
    T::try_parse_from(arguments).map_err(|error| {
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

fn obey(command: Command) -> ExitCode {
    // Before standard output is locked: another thread of it writes there.
    if let Command::SandboxTest(args) = &command
        && args.inside
    {
        return sandbox_test::run_inside(args);
    }
    let out = &mut stdout().lock();
    ended(match command {
        // The daemon has a log and exit codes of its own.
        Command::Run(args) => return daemon::run(args.config.as_deref(), args.appliance.as_deref()),
        Command::Rescue(args) => return daemon::rescue(&args.reason_file, &args.host, args.port),
        Command::Emulate(args) => emulate::run(args),
        Command::CheckConfig(args) => check_config::run(&args, out),
        Command::Token(args) => token::run(&args, out),
        Command::Cert(args) => cert::run(&args, out),
        Command::SandboxTest(args) => sandbox_test::run(&args, out),
        Command::Demo(args) => crate::demo::run(&args, out),
        Command::Decode(args) => decode::run(&args, &mut stdin().lock(), out),
        Command::SendSms(remote) => ask(&remote.gateway, &Action::SendSms(remote.args)),
        Command::GetSms(remote) => ask(&remote.gateway, &Action::GetSms(remote.args)),
        Command::SendUssd(remote) => ask(&remote.gateway, &Action::SendUssd(remote.args)),
        Command::Stats(remote) => ask(&remote.gateway, &Action::Stats(remote.args)),
        Command::Shell(gateway) => ask(&gateway, &Action::Shell),
        Command::Provision(args) => provision::run(&args, out),
        Command::Sim(args) => sim::run(&args, out),
        Command::Trace(args) => trace::run(&args, out),
        Command::Completions(args) => completions::run(&args, out),
        Command::Manual(args) => manual::run(&args),
    })
}

fn ask(gateway: &Gateway, action: &Action) -> Result<(), Failure> {
    let out = &mut stdout().lock();
    let client = gateway.connection.client(action.deadline())?;
    let sender = gateway.sender.as_deref();
    let done = match action {
        Action::SendSms(args) => send_sms::run(&client, sender, args, out),
        Action::GetSms(args) => get_sms::run(&client, args, out),
        Action::SendUssd(args) => send_ussd::run(&client, sender, args, out),
        Action::Stats(args) => stats::run(&client, args, out),
        Action::Shell => shell::run(&client, sender, out),
    };
    client.abandon();
    done
}

/// Says what went wrong, and turns it into an exit code.
fn ended(result: Result<(), Failure>) -> ExitCode {
    let result = result.and_then(|()| Ok(stdout().flush()?));
    let Err(failure) = result else { return Exit::Ok.into() };
    if failure.exit() != Exit::Ok {
        let _ = writeln!(stderr(), "smsgate: {failure}");
    }
    failure.exit().into()
}

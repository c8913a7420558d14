//! `manual`: the manual pages of all tools, made from what `--help` knows.
//!
//! What the flags do not tell (files, variables, exit codes) is added to each tool's own page.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{
    arguments::{Arguments, CheckArguments, ClientArguments, MuninArguments},
    exit::{Exit, Failure},
};

/// Flags of `manual`.
#[derive(Args, Clone, Debug)]
pub(super) struct ManualArgs {
    /// Folder to write the pages to; it is made if it is not there
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
}

/// Terms with what they mean.
type Terms = &'static [(&'static str, &'static str)];

const FILES: Terms = &[
    ("/etc/smsgate/smsgate.conf", "The gateway: mail, API, tokens, store. Must not be readable by others."),
    ("/etc/smsgate/sim-cards.conf", "The SIM cards, a section each. Must not be readable by others."),
    ("/var/lib/smsgate/smsgate.db", "Messages, states, counters, the mail spool, records of PIN attempts."),
];
const VARIABLES: Terms = &[
    ("SMSGATE_APITOKEN", "The token for commands that ask a running gateway; it wins over --api-token."),
    ("SMSGATE_LOG", "What the daemon logs; it wins over [logging] level, as in smsgate::mail=debug,info."),
    ("STATE_DIRECTORY", "Folder of the database, unless the configuration names one; systemd sets it."),
    ("SSL_CERT_FILE", "Certificates to trust instead of the system's, for the mail server."),
];
const EXIT_CODES: Terms = &[
    ("0", "Success."),
    ("1", "It worked, and the answer is no: not delivered, or refused by the network."),
    ("64", "The arguments make no sense."),
    ("65, 66", "A file or text is not what it should be, or cannot be read."),
    ("69", "The gateway cannot be reached, or the port to listen on or the store is in use."),
    ("70, 71", "The daemon or the system failed."),
    ("73, 74", "A file or the output cannot be written, or the store cannot be used."),
    ("75", "Not now, perhaps later."),
    ("76", "The other side is no gateway."),
    ("77", "The token does not allow it."),
    ("78", "The configuration has errors; they are shown."),
];
const CHECK_EXIT_CODES: Terms = &[("0", "OK"), ("1", "WARNING"), ("2", "CRITICAL"), ("3", "UNKNOWN")];

/// Writes a page for each tool and each subcommand.
///
/// # Errors
/// [`Failure`] with the file that cannot be written.
pub(super) fn run(args: &ManualArgs) -> Result<(), Failure> {
    let folder = &args.folder;
    let failed = |path: &Path, error: &io::Error| {
        Failure::new(Exit::CannotCreate, format!("cannot write {}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let daemon: &[(&str, Terms)] = &[("FILES", FILES), ("ENVIRONMENT", VARIABLES), ("EXIT STATUS", EXIT_CODES)];
    let check: &[(&str, Terms)] = &[("EXIT STATUS", CHECK_EXIT_CODES)];
    for (tool, sections) in [
        (Arguments::command(), daemon),
        (ClientArguments::command(), &[]),
        (CheckArguments::command(), check),
        (MuninArguments::command(), &[]),
    ] {
        for (name, page) in pages(tool) {
            let path = folder.join(format!("{name}.1"));
            let sections = if name.contains('-') && !name.ends_with("-client") { &[] } else { sections };
            File::create(&path)
                .and_then(|mut file| write_page(page, sections, &mut file))
                .map_err(|error| failed(&path, &error))?;
        }
    }
    Ok(())
}

/// A tool and its subcommands, each with the name of its page.
fn pages(tool: Command) -> Vec<(String, Command)> {
    let tool = tool.disable_help_subcommand(true);
    let mut pages = Vec::new();
    for command in tool.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("{}-{}", tool.get_name(), command.get_name());
        // The page's title has a hyphen, the line of usage a blank.
        let usage = format!("{} {}", tool.get_name(), command.get_name());
        pages.push((name.clone(), command.clone().display_name(name).bin_name(usage)));
    }
    pages.push((tool.get_name().to_owned(), tool));
    pages
}

fn write_page(command: Command, sections: &[(&str, Terms)], out: &mut impl Write) -> io::Result<()> {
    Man::new(command).render(out)?;
    for (title, terms) in sections {
        let mut roff = Roff::new();
        roff.control("SH", [*title]);
        for (term, meaning) in *terms {
            roff.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
        }
        roff.to_writer(out)?;
    }
    Ok(())
}

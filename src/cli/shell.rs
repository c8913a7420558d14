//! `shell`: a prompt for people at the gateway. Commands and questions are upstream's.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use rustyline::{
    Config, Editor,
    error::ReadlineError,
    history::{History, MemHistory, SearchDirection},
};

use super::{
    client::Client,
    completion::Completion,
    exit::{Exit, Failure},
    live_status,
    send_sms::{self, SendSmsArgs},
    send_ussd::{self, SendUssdArgs},
    stats::{self, Look},
};

/// Commands kept for the next time.
const HISTORY: usize = 500;

const HELP: &str = "\
  status       what the modems are doing (also: just Enter)
  loop-status  the same on a screen that keeps itself up to date, until q
  sms          send an SMS
  ussd         send a USSD code and answer its menus
  help         this list
  exit         leave (also: Ctrl-D)";

const COMMANDS: [&str; 6] = ["ussd", "sms", "status", "loop-status", "help", "exit"];

type Prompt = Editor<Completion, MemHistory>;

/// Reads commands until `exit`.
///
/// # Errors
/// [`Failure`]: what ends the shell itself. A command that fails says so and the shell goes on.
pub(super) fn run(client: &Client, sender: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    let config = Config::builder().auto_add_history(false).build();
    let mut prompt = Prompt::with_history(config, MemHistory::new()).map_err(|error| unusable(&error))?;
    let file = HistoryFile::open(&mut prompt);
    let mut phone_number = sender.unwrap_or_default().to_owned();
    let numbers = status(client, out)?;
    prompt.set_helper(Some(Completion::default()));
    let end = loop {
        offer(&mut prompt, COMMANDS.map(String::from));
        match prompt.readline("+ Command (ussd, sms, status, loop-status, help, exit): ") {
            Ok(line) => {
                let command = line.trim();
                if command == "exit" {
                    break Ok(());
                }
                if !command.is_empty() {
                    let _ = prompt.add_history_entry(command);
                }
                offer(&mut prompt, numbers.clone());
                obey(command, client, &mut prompt, &mut phone_number, out)?;
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break Ok(()),
            Err(error) => break Err(unusable(&error)),
        }
    };
    file.save(&prompt);
    end
}

fn obey(
    command: &str,
    client: &Client,
    prompt: &mut Prompt,
    phone_number: &mut String,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let done = match command {
        "" | "status" => return status(client, out).map(drop),
        "loop-status" => live_status::run(client, out),
        "ussd" => match questions_ussd(prompt, phone_number) {
            Some(args) => {
                let mut answer = |question: &str| ask(prompt, question);
                send_ussd::converse(client, Some(phone_number), &args, out, &mut answer)
            }
            None => Ok(()),
        },
        "sms" => match questions_sms(prompt, phone_number) {
            Some(args) => send_sms::run(client, Some(phone_number), &args, out),
            None => Ok(()),
        },
        "help" => Ok(writeln!(out, "{HELP}")?),
        _ => Ok(writeln!(out, "  No such command. These are there:\n{HELP}")?),
    };
    told(done, out)
}

/// Shows the modems, and returns the numbers of their SIMs.
fn status(client: &Client, out: &mut impl Write) -> Result<Vec<String>, Failure> {
    writeln!(out, "+ Get status ...")?;
    out.flush()?;
    match stats::fetch(client) {
        Ok(modems) => {
            write!(out, "{}", stats::table(&modems, Look::of_stdout()))?;
            let numbers = modems.iter().map(|(_, modem)| stats::text(modem, "phone_number"));
            Ok(numbers.filter(|number| !number.is_empty()).collect())
        }
        Err(error) => told(Err(error.into()), out).map(|()| Vec::new()),
    }
}

/// Sets what Tab completes.
fn offer(prompt: &mut Prompt, words: impl Into<Vec<String>>) {
    if let Some(completion) = prompt.helper_mut() {
        completion.words = words.into();
    }
}

/// Shows what went wrong; only a broken output ends the shell.
fn told(done: Result<(), Failure>, out: &mut impl Write) -> Result<(), Failure> {
    match done {
        Err(Failure::Output(error)) => Err(Failure::Output(error)),
        Err(failure) => Ok(writeln!(out, "- {failure}")?),
        Ok(()) => Ok(()),
    }
}

fn questions_ussd(prompt: &mut Prompt, phone_number: &mut String) -> Option<SendUssdArgs> {
    ask_phone_number(prompt, phone_number)?;
    let code = ask(prompt, "+ USSD code: ")?;
    Some(SendUssdArgs { code, single: false, json: false })
}

fn questions_sms(prompt: &mut Prompt, phone_number: &mut String) -> Option<SendSmsArgs> {
    ask_phone_number(prompt, phone_number)?;
    let to = ask(prompt, "+ Destination: ")?;
    let text = ask(prompt, "+ Message: ")?;
    let flash = ask(prompt, "+ Flash message (y/n): ")?.eq_ignore_ascii_case("y");
    Some(SendSmsArgs { to, text, flash, no_wait: false, timeout: None, json: false })
}

/// The number of the SIM to use; Enter keeps the last one.
fn ask_phone_number(prompt: &mut Prompt, phone_number: &mut String) -> Option<()> {
    loop {
        let answer = ask(prompt, "+ Phone number (Enter for last): ")?;
        if !answer.is_empty() {
            *phone_number = answer;
        }
        if !phone_number.is_empty() {
            return Some(());
        }
    }
}

/// One answer; `None` = the question was left with Ctrl-C or Ctrl-D. Answers never get into the history.
fn ask(prompt: &mut Prompt, question: &str) -> Option<String> {
    prompt.readline(question).ok().map(|line| line.trim().to_owned())
}

fn unusable(error: &ReadlineError) -> Failure {
    Failure::new(Exit::System, format!("the terminal cannot be used: {error}"))
}

/// Where commands are kept from one time to the next, if anywhere. Losing them is no error.
struct HistoryFile(Option<PathBuf>);

impl HistoryFile {
    fn open(prompt: &mut Prompt) -> Self {
        let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let state = state.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
        let file = state.map(|state| state.join("smsgate").join("history"));
        if let Some(text) = file.as_deref().and_then(|file| fs::read_to_string(file).ok()) {
            for line in text.lines() {
                let _ = prompt.add_history_entry(line);
            }
        }
        Self(file)
    }

    fn save(&self, prompt: &Prompt) {
        let Some(file) = &self.0 else { return };
        let history = prompt.history();
        let skipped = history.len().saturating_sub(HISTORY);
        let entry = |at| history.get(at, SearchDirection::Forward).ok().flatten();
        let text: String =
            (skipped..history.len()).filter_map(entry).map(|found| format!("{}\n", found.entry)).collect();
        if let Some(folder) = file.parent() {
            let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        }
        let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
        let _ = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    }
}

//! `shell`: a prompt for people at the gateway. Commands and questions are upstream's.

use std::{
    io::{IsTerminal as _, Write, stdout},
    mem,
};

use rustyline::{CompletionType, Config, Editor, error::ReadlineError, history::MemHistory};

use super::{
    client::Client,
    completion::Completion,
    exit::{Exit, Failure},
    history::HistoryFile,
    live_status,
    look::{self, Look},
    send_sms::{self, SendSmsArgs},
    send_ussd::{self, SendUssdArgs},
    stats,
    table::Table,
    termination,
};

const HELP: &str = "\
  status       what the modems are doing (also: just Enter)
  loop-status  the same on a screen that keeps itself up to date, until q
  sms          send an SMS
  ussd         send a USSD code and answer its menus
  help         this list
  exit         leave (also: Ctrl-D)";

const COMMANDS: [&str; 6] = ["ussd", "sms", "status", "loop-status", "help", "exit"];

const COMMAND: &str = "+ Command (ussd, sms, status, loop-status, help, exit): ";

/// Reads commands until `exit`.
///
/// # Errors
/// [`Failure`]: what ends the shell itself. A command that fails says so and the shell goes on.
pub(super) fn run(client: &Client, sender: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    termination::guard_terminal();
    let mut prompts = Prompts::open()?;
    let mut phone_number = sender.unwrap_or_default().to_owned();
    status(client, &mut prompts, out)?;
    loop {
        match prompts.command() {
            Ok(line) if line == "exit" => return Ok(()),
            Ok(line) => {
                // One that was pressed for the command before must not end this one.
                client.forget_interrupts();
                obey(&line, client, &mut prompts, &mut phone_number, out)?;
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(unusable(&error)),
        }
    }
}

fn obey(
    command: &str,
    client: &Client,
    prompts: &mut Prompts,
    phone_number: &mut String,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let done = match command {
        "" | "status" => return status(client, prompts, out),
        "loop-status" => live_status::run(client, out),
        "ussd" => match questions_ussd(prompts, phone_number) {
            Some(args) => {
                let mut answer = |question: &str| prompts.ask(question, &[]);
                send_ussd::converse(client, Some(phone_number), &args, out, &mut answer)
            }
            None => Ok(()),
        },
        "sms" => match questions_sms(prompts, phone_number) {
            Some(args) => send_sms::run(client, Some(phone_number), &args, out),
            None => Ok(()),
        },
        "help" => Ok(writeln!(out, "{HELP}")?),
        _ => Ok(writeln!(out, "  No such command. These are there:\n{HELP}")?),
    };
    told(done, out)
}

/// Shows the modems, and keeps the numbers of their SIMs for questions.
fn status(client: &Client, prompts: &mut Prompts, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "+ Get status ...")?;
    out.flush()?;
    match stats::fetch(client) {
        Ok(modems) => {
            write!(out, "{}", Table::of(&modems, Look::of_stdout()))?;
            let numbers = modems.iter().map(|(_, modem)| stats::text(modem, "phone_number"));
            prompts.numbers = numbers.filter(|number| !number.is_empty()).collect();
            Ok(())
        }
        Err(error) => told(Err(error.into()), out),
    }
}

/// Shows what went wrong; only a broken output ends the shell.
fn told(done: Result<(), Failure>, out: &mut impl Write) -> Result<(), Failure> {
    match done {
        Err(Failure::Output(error)) => Err(Failure::Output(error)),
        Err(failure) => {
            if failure.exit() == Exit::Interrupted {
                clear_echo(out)?;
            }
            Ok(writeln!(out, "- {failure}")?)
        }
        Ok(()) => Ok(()),
    }
}

/// Terminals show a Ctrl-C as `^C`, wherever the cursor is.
fn clear_echo(out: &mut impl Write) -> Result<(), Failure> {
    if look::has_cursor() {
        write!(out, "\r\x1b[K")?;
    } else if stdout().is_terminal() {
        writeln!(out)?;
    }
    Ok(())
}

fn questions_ussd(prompts: &mut Prompts, phone_number: &mut String) -> Option<SendUssdArgs> {
    ask_phone_number(prompts, phone_number)?;
    let code = prompts.ask("+ USSD code: ", &[])?;
    Some(SendUssdArgs { code, single: false, json: false })
}

fn questions_sms(prompts: &mut Prompts, phone_number: &mut String) -> Option<SendSmsArgs> {
    ask_phone_number(prompts, phone_number)?;
    let numbers = prompts.numbers.clone();
    let to = prompts.ask("+ Destination: ", &numbers)?;
    let text = prompts.ask("+ Message: ", &[])?;
    let flash = prompts.ask("+ Flash message (y/n): ", &["y".into(), "n".into()])?.eq_ignore_ascii_case("y");
    Some(SendSmsArgs { to, text, flash, no_wait: false, timeout: None, json: false })
}

/// The number of the SIM to use; Enter keeps the last one.
fn ask_phone_number(prompts: &mut Prompts, phone_number: &mut String) -> Option<()> {
    loop {
        let numbers = prompts.numbers.clone();
        let answer = prompts.ask("+ Phone number (Enter for last): ", &numbers)?;
        if !answer.is_empty() {
            *phone_number = answer;
        }
        if !phone_number.is_empty() {
            return Some(());
        }
    }
}

fn unusable(error: &ReadlineError) -> Failure {
    Failure::new(Exit::System, format!("the terminal cannot be used: {error}"))
}

/// The line editor, which remembers commands but not answers: those are nobody's business later.
struct Prompts {
    editor: Editor<Completion, MemHistory>,
    /// What the arrows bring back in the other kind of line.
    other: MemHistory,
    file: HistoryFile,
    /// Numbers of the SIMs, as seen last.
    numbers: Vec<String>,
}

impl Prompts {
    fn open() -> Result<Self, Failure> {
        let config = Config::builder().auto_add_history(false).completion_type(CompletionType::List).build();
        let (commands, answers) = (MemHistory::with_config(&config), MemHistory::with_config(&config));
        let mut editor = Editor::with_history(config, commands).map_err(|error| unusable(&error))?;
        editor.set_helper(Some(Completion::default()));
        let file = HistoryFile::of_user();
        for line in file.lines() {
            let _ = editor.add_history_entry(line);
        }
        Ok(Self { editor, other: answers, file, numbers: Vec::new() })
    }

    /// The next command. It is remembered at once: a shell need not end well.
    fn command(&mut self) -> Result<String, ReadlineError> {
        let line = self.line(COMMAND, &COMMANDS.map(String::from))?;
        if !line.is_empty() && line != "exit" && self.editor.add_history_entry(&line)? {
            self.file.append(&line);
        }
        Ok(line)
    }

    /// One answer; `None` = the question was left with Ctrl-C or Ctrl-D.
    fn ask(&mut self, question: &str, words: &[String]) -> Option<String> {
        mem::swap(self.editor.history_mut(), &mut self.other);
        let line = self.line(question, words);
        mem::swap(self.editor.history_mut(), &mut self.other);
        line.ok()
    }

    /// A line, of which Tab completes these words.
    fn line(&mut self, question: &str, words: &[String]) -> Result<String, ReadlineError> {
        if let Some(completion) = self.editor.helper_mut() {
            completion.words = words.to_vec();
        }
        Ok(self.editor.readline(question)?.trim().to_owned())
    }
}

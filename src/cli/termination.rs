//! SIGTERM while a person is at the terminal: the program ends as it would, but leaves a terminal that can be used.
//!
//! A thread waits for the signal, since the line editor holds the main one. It takes no locks: the main thread has them.

use std::{
    io::{IsTerminal as _, stdin, stdout},
    process, thread,
};

use nix::sys::termios::{self, SetArg, Termios};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

use super::{look::has_cursor, terminal};

/// As shells count a program that SIGTERM ended.
const EXIT_CODE: i32 = 128 + 15;
/// Pasted text is text again; the line editor had it marked.
const LEAVE_EDITOR: &str = "\x1b[?2004l\r\n";

/// From now on SIGTERM puts the terminal back as it is now. Where that cannot be had, the signal does what it always does.
pub(super) fn guard_terminal() {
    if let Some(before) = stdin().is_terminal().then(|| termios::tcgetattr(stdin()).ok()).flatten() {
        let _ = thread::Builder::new().name("termination".to_owned()).spawn(move || wait(&before));
    }
}

fn wait(before: &Termios) {
    let Ok(runtime) = Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
        if terminate.recv().await.is_some() {
            let _ = termios::tcsetattr(stdin(), SetArg::TCSANOW, before);
            if has_cursor() {
                let leave = if terminal::is_taken() { terminal::LEAVE } else { LEAVE_EDITOR };
                let _ = nix::unistd::write(stdout(), leave.as_bytes());
            }
            process::exit(EXIT_CODE);
        }
    });
}

//! What a fault of this program must not give away. What it holds in its memory are texts, PINs, tokens and passwords: a
//! panic tells where it happened and not with what, and a crash leaves no picture of the memory.

use std::{any::Any, io::Write as _, panic};

use nix::sys::{
    prctl::set_dumpable,
    resource::{Resource, setrlimit},
};

/// From here on no panic of this process tells what it was busy with, and no crash writes its memory down.
pub fn keep_secrets() {
    panic::set_hook(Box::new(|info| {
        let location = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current();
        let told = report(thread.name().unwrap_or("unnamed"), &location, info.payload());
        // Not by way of the log: it may be the log that panics. systemd brings standard error to the journal.
        drop(writeln!(std::io::stderr(), "{told}"));
    }));
    // The limit holds where cores are files. Where they go to a program, which the limit does not keep from being started
    // (core(5)), the other does; besides, nobody but root may then read the memory of the living process (ptrace(2)).
    for done in [setrlimit(Resource::RLIMIT_CORE, 0, 0), set_dumpable(false)] {
        if let Err(error) = done {
            eprintln!("smsgate: cannot switch core dumps off: {error}");
        }
    }
}

/// A message that was written as a whole in the source has nothing in it that came from outside. Any other may: an error
/// shown, or the text that was cut at a wrong place.
fn report(thread: &str, location: &str, payload: &(dyn Any + Send)) -> String {
    let message = payload.downcast_ref::<&'static str>().copied().unwrap_or("(the message may hold data)");
    format!("smsgate: thread '{thread}' panicked at {location}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_source_says_is_told() {
        let said: [(Box<dyn Any + Send>, &str); 3] = [
            (Box::new("a literal"), "a literal"),
            (Box::new("code 246810".to_owned()), "(the message may hold data)"),
            (Box::new(246_810), "(the message may hold data)"),
        ];
        for (payload, message) in said {
            let told = report("token-check", "src/a.rs:1:2", &*payload);
            assert_eq!(told, format!("smsgate: thread 'token-check' panicked at src/a.rs:1:2: {message}"));
        }
    }
}

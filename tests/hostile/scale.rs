//! How large an attack is and what is asked of the daemon under it.
//!
//! `SMSGATE_HOSTILE=full` chooses the figures of the table of threats. Each figure has a variable of its own that wins:
//! `SMSGATE_HOSTILE_FLOOD_SECONDS=600` and so on, named where it is read.

use std::env;

/// Whether the sizes and bars of the table are wanted, not those of every day.
pub fn is_full() -> bool {
    env::var("SMSGATE_HOSTILE").is_ok_and(|word| word == "full")
}

/// The figure `SMSGATE_HOSTILE_{name}`, or the one for this scale.
pub fn figure(name: &str, small: u64, full: u64) -> u64 {
    let variable = format!("SMSGATE_HOSTILE_{name}");
    match env::var(&variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}=`{text}` is no whole number")),
        Err(_) if is_full() => full,
        Err(_) => small,
    }
}

//! Peers, senders, modems and tokens that mean harm, against the daemon as a child process: the rows of the table of
//! threats, each test named after its row (`s01_...`).
//!
//! Without a word each test runs at a tenth or less of its size, and judges times by what it measured itself before the
//! attack. `SMSGATE_HOSTILE=full` is the full size with the bars of the table, for a release build on a machine that has
//! nothing else to do: `make hostile` or, row by row, with the variables that [`scale`] describes.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(clippy::print_stderr, reason = "the figures are worth knowing")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]

mod callers;
mod canary;
mod commands;
mod connections;
mod dead_mail;
mod deluge;
mod figures;
mod flood;
mod guessing;
mod http;
mod lines;
mod mail;
mod modem;
mod output;
mod panics;
mod passage;
mod peer;
mod post;
#[allow(dead_code, reason = "of a terminal each test program uses its part")]
#[path = "../cli/pty.rs"]
mod pty;
#[path = "../rig/mod.rs"]
mod rig;
mod scale;
mod screen;
mod strings;
#[path = "../support/mod.rs"]
mod support;
mod tls_policy;
mod wire;
mod xml;

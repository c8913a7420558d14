//! Breaks things on purpose, at moments drawn from a seed, and audits the books afterwards.
//!
//! Rig C cuts the power in the middle of recorded writes, rig E lets system calls fail under the running daemon, both by
//! strace; rig F lets modems misbehave; rig R is C while the store forgets what is old. `make fault RIG=C|E|F|R SEED=... POINTS=...` runs them at any size; what fails says
//! the one command that runs it again. Rig K (SIGKILL) is `tests/kill.rs`, the power cuts of the whole appliance are in `tests/image/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test program: a panic is its answer"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]
#![allow(clippy::print_stderr, reason = "what was drawn and seen is worth knowing")]

mod audit;
mod boot;
mod crash;
mod disk;
mod errors;
mod modems;
mod recording;
mod rest;
mod retention;
#[path = "../rig/mod.rs"]
mod rig;
mod series;
mod site;
mod strace;
mod witness;

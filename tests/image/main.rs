//! The appliance as a whole: the test image booted in QEMU, met through its port 7000, its disk and its USB ports.
//!
//! Every test boots virtual machines and takes a minute or more, so no plain test run takes part in it (`test = false` in
//! Cargo.toml): `make image-test`. The image is what scripts/test-image made of the same overlay, units and rules as the
//! product's; `SMSGATE_TEST_IMAGES` names the folder of both, of which each lies in one that is called by its architecture.

#![allow(dead_code, reason = "what the scenarios of other files need")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test helper fails its test")]
#![allow(clippy::indexing_slicing, reason = "a test helper fails its test")]
#![allow(clippy::print_stderr, reason = "a failed test shows the console, and figures are shown")]

mod agent;
mod api;
mod arm;
mod bad_files;
mod boot;
mod client;
mod data;
mod disk;
mod first_boot;
mod idle;
mod inside;
mod machine;
mod mailbox;
mod mdns;
mod modems;
mod operator;
mod pool;
mod power;
mod qmp;
mod reset;
mod result;
#[path = "../rig/mod.rs"]
mod rig;
mod start;
mod trouble;
mod volatile;

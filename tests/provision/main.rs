//! `smsgate provision` as the appliance runs it: the real binary on folders that stand for the partition, /data and
//! /run. Nothing needs root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program: a panic is its answer"
)]

mod accept_sims;
mod bad_files;
mod first_boot;
mod folders;
mod power_cut;
mod system_files;

//! What several targets share: TPDUs that go through the codec and back, cuts of a stream, places in a file.
//!
//! A property that does not hold is a panic, which is what libFuzzer looks for. The targets themselves lie in
//! `fuzz_targets/`, a grammar each; `scripts/fuzz` says how they are built and run.

#![forbid(unsafe_code)]

pub mod air;
pub mod box_files;
pub mod cuts;
pub mod page;

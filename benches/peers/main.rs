//! This daemon beside gammu-smsd and smstools on the same emulated modems.

#![allow(missing_docs, unreachable_pub, dead_code, clippy::print_stdout, reason = "a plain program")]
#![allow(clippy::indexing_slicing, reason = "a plain program")]

mod cell;
mod figure;
mod numbers;
mod plan;
mod table;
mod tally;
mod usage;

fn main() {}

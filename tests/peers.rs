//! The pure parts of the load tool of `make bench-peers`: plan, counting, what the kernel tells, the table. The tool
//! itself, with the gateways it compares, runs only where it is asked for.

#![allow(dead_code, reason = "the tool uses the rest")]
#![allow(unreachable_pub, missing_docs, reason = "a test program has no public interface")]
#![allow(clippy::indexing_slicing, reason = "a column that is not there fails the test")]

#[path = "../benches/peers/cell.rs"]
mod cell;
#[path = "../benches/peers/figure.rs"]
mod figure;
#[path = "../benches/peers/numbers.rs"]
mod numbers;
#[path = "../benches/peers/plan.rs"]
mod plan;
#[path = "../benches/peers/table.rs"]
mod table;
#[path = "../benches/peers/tally.rs"]
mod tally;
#[path = "../benches/peers/usage.rs"]
mod usage;

//! Self-test SMS: each SIM writes to itself now and then, and misses what does not come back.
//!
//! Decisions only, all pure: [`schedule`] says when a test is due, [`text`] what it says and how it is known again,
//! [`verdict`] what its absence means for the modem's health. The daemon's task runs them; the store keeps the record.

pub mod schedule;
pub mod text;
pub mod verdict;

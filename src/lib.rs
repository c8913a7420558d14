//! smsgate: a gateway between a pool of USB GSM modems and the people and machines on a LAN.
//!
//! The code map is in `ARCHITECTURE.md`. Rooms of layer 0 are pure: bytes, values and time in, values out; no socket,
//! file, clock or thread ([`model`], [`tpdu`], [`at`], [`ussd`], [`trace`], [`balance`], [`self_test`], [`router`],
//! [`config`]). Layer 1 holds actors that own one outside resource each ([`store`], [`modem`], [`mail`], [`rpc`],
//! [`emulator`]), and [`provision`], which readies an appliance for them; above them sit [`pool`], [`dispatch`] and [`control`], then the daemon and the command line.

pub mod at;
pub mod balance;
pub mod cli;
pub mod config;
pub mod config_files;
pub mod control;
pub mod daemon;
pub mod demo;
pub mod dispatch;
pub mod emulator;
pub mod mail;
pub mod model;
pub mod modem;
pub mod pool;
pub mod pool_health;
pub mod provision;
pub mod router;
pub mod rpc;
pub mod sandbox;
pub mod self_test;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod tpdu;
pub mod trace;
pub mod ussd;

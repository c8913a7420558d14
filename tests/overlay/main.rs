//! What is laid over the root of the appliance's images: units, settings, scripts.
//!
//! Here it is judged on this machine: units by systemd-analyze, scripts by shellcheck and by running them against disks
//! that are files. What a booted machine makes of it is tests/image's business.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its answer")]
#![allow(clippy::indexing_slicing, reason = "a test program: a panic is its answer")]

mod data;
mod disk;
mod files;
mod scripts;
mod units;

use std::path::{Path, PathBuf};

/// A file of the project.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Everything below `overlay/` but folders, relative to it.
fn overlaid() -> Vec<PathBuf> {
    let overlay = project("overlay");
    let mut found = Vec::new();
    let mut folders = vec![overlay.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(&overlay).unwrap().to_owned());
            }
        }
    }
    assert!(found.len() > 30, "the overlay was not found");
    found.sort();
    found
}

/// The values of a key in a unit or settings file, split at blanks.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).flat_map(|(_, value)| value.split_whitespace()).collect()
}

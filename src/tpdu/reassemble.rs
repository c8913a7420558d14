//! Segments to text, in whatever order they came (TS 23.040 9.2.3.24.1).

use super::{dcs::DataCodingScheme, userdata::UserData};

/// A segment received.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its number, from 1.
    pub sequence: u8,
    /// Number of segments it claims the message has.
    pub total: u8,
    /// TP-DCS it came with.
    pub data_coding: DataCodingScheme,
    /// TP-UD it came with.
    pub user_data: &'a UserData,
}

/// A message of several segments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joined {
    /// The text, with `[...]` where segments are missing.
    pub text: String,
    /// Numbers of the segments that are missing.
    pub missing: Vec<u8>,
    /// Numbers that came more than once with unlike contents; the first one is in the text.
    pub conflicting: Vec<u8>,
}

/// Joins.
#[must_use]
pub fn join(parts: &[Part<'_>], total: u8) -> Joined {
    let _ = (parts, total);
    todo!()
}

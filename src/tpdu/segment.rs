//! Text to segments (TS 23.040 9.2.3.24.1, TS 23.038 6.1).

use super::{
    dcs::{DataCodingScheme, MessageClass},
    national::Language,
    userdata::UserData,
};

/// One TPDU's share of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    /// TP-DCS for it.
    pub data_coding: DataCodingScheme,
    /// TP-UD for it.
    pub user_data: UserData,
}

/// Reference of a message of several segments; without effect on one that fits one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reference {
    /// 8 bits: one character more a segment.
    Narrow(u8),
    /// 16 bits: fewer mix-ups.
    Wide(u16),
}

/// Which national language tables may be used for sending.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alphabets {
    /// Languages whose single shift table may be used.
    pub single_shift: Vec<Language>,
    /// Languages whose locking shift table may be used.
    pub locking_shift: Vec<Language>,
}

/// Why a text has no segments.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SegmentError {
    /// More segments than one message can have.
    #[error("the text needs {parts} segments, 255 are the most")]
    TooLong {
        /// Segments it would need.
        parts: usize,
    },
}

/// Splits with every national table allowed.
///
/// # Errors
/// [`SegmentError::TooLong`].
pub fn segment(text: &str, reference: Reference, class: Option<MessageClass>) -> Result<Vec<Segment>, SegmentError> {
    segment_with(text, reference, class, &Alphabets::default())
}

/// Splits.
///
/// # Errors
/// [`SegmentError::TooLong`].
pub fn segment_with(
    text: &str,
    reference: Reference,
    class: Option<MessageClass>,
    alphabets: &Alphabets,
) -> Result<Vec<Segment>, SegmentError> {
    let _ = (text, reference, class, alphabets);
    todo!()
}

impl Default for Alphabets {
    fn default() -> Self {
        todo!()
    }
}

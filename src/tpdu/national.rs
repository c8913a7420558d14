//! National language tables (TS 23.038 annex A) and their identifiers.

/// A national language identifier (TS 23.038 6.2.1.2.4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Language {
    /// 1.
    Turkish,
    /// 2: single shift only.
    Spanish,
    /// 3.
    Portuguese,
    /// 4, and Assamese.
    Bengali,
    /// 5.
    Gujarati,
    /// 6.
    Hindi,
    /// 7.
    Kannada,
    /// 8.
    Malayalam,
    /// 9.
    Oriya,
    /// 10.
    Punjabi,
    /// 11.
    Tamil,
    /// 12.
    Telugu,
    /// 13.
    Urdu,
}

//! Spanish, which has no locking shift table: TS 23.038 A.2.2.

use super::Runs;

/// The single shift table, whole.
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x09, "\u{e7}\u{c}"),
    (0x14, "^"),
    (0x28, "{}"),
    (0x2f, "\\"),
    (0x3c, "[~]"),
    (0x40, "|\u{c1}"),
    (0x49, "\u{cd}"),
    (0x4f, "\u{d3}"),
    (0x55, "\u{da}"),
    (0x61, "\u{e1}"),
    (0x65, "\u{20ac}"),
    (0x69, "\u{ed}"),
    (0x6f, "\u{f3}"),
    (0x75, "\u{fa}"),
];

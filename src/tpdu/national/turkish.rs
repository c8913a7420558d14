//! Turkish: TS 23.038 A.2.1 and A.3.1.

use super::Runs;

/// The single shift table, whole.
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x0a, "\u{c}"),
    (0x14, "^"),
    (0x28, "{}"),
    (0x2f, "\\"),
    (0x3c, "[~]"),
    (0x40, "|"),
    (0x47, "\u{11e}"),
    (0x49, "\u{130}"),
    (0x53, "\u{15e}"),
    (0x63, "\u{e7}"),
    (0x65, "\u{20ac}"),
    (0x67, "\u{11f}"),
    (0x69, "\u{131}"),
    (0x73, "\u{15f}"),
];

/// Where the locking shift table differs from the default alphabet.
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x04, "\u{20ac}"),
    (0x07, "\u{131}"),
    (0x0b, "\u{11e}\u{11f}"),
    (0x1c, "\u{15e}\u{15f}"),
    (0x40, "\u{130}"),
    (0x60, "\u{e7}"),
];

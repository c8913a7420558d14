//! Portuguese: TS 23.038 A.2.3 and A.3.3.

use super::Runs;

/// The single shift table, whole.
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x05, "\u{ea}"),
    (0x09, "\u{e7}\u{c}\u{d4}\u{f4}"),
    (0x0e, "\u{c1}\u{e1}"),
    (0x12, "\u{3a6}\u{393}^\u{3a9}\u{3a0}\u{3a8}\u{3a3}\u{398}"),
    (0x1f, "\u{ca}"),
    (0x28, "{}"),
    (0x2f, "\\"),
    (0x3c, "[~]"),
    (0x40, "|\u{c0}"),
    (0x49, "\u{cd}"),
    (0x4f, "\u{d3}"),
    (0x55, "\u{da}"),
    (0x5b, "\u{c3}\u{d5}"),
    (0x61, "\u{c2}"),
    (0x65, "\u{20ac}"),
    (0x69, "\u{ed}"),
    (0x6f, "\u{f3}"),
    (0x75, "\u{fa}"),
    (0x7b, "\u{e3}\u{f5}"),
    (0x7f, "\u{e2}"),
];

/// Where the locking shift table differs from the default alphabet.
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x04, "\u{ea}"),
    (0x06, "\u{fa}\u{ed}\u{f3}\u{e7}"),
    (0x0b, "\u{d4}\u{f4}"),
    (0x0e, "\u{c1}\u{e1}"),
    (0x12, "\u{aa}\u{c7}\u{c0}\u{221e}^\\\u{20ac}\u{d3}|"),
    (0x1c, "\u{c2}\u{e2}\u{ca}"),
    (0x24, "\u{ba}"),
    (0x40, "\u{cd}"),
    (0x5b, "\u{c3}\u{d5}\u{da}"),
    (0x60, "~"),
    (0x7b, "\u{e3}\u{f5}`"),
];

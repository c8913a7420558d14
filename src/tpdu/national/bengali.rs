//! Bengali and Assamese: TS 23.038 A.2.4 and A.3.4.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{9e6}\u{9e7}"),
    (0x1c, "\u{9e8}\u{9e9}\u{9ea}\u{9eb}"),
    (0x20, "\u{9ec}\u{9ed}\u{9ee}\u{9ef}\u{9df}\u{9e0}\u{9e1}\u{9e2}"),
    (0x2a, "\u{9e3}\u{9f2}\u{9f3}\u{9f4}\u{9f5}"),
    (0x30, "\u{9f6}\u{9f7}\u{9f8}\u{9f9}\u{9fa}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x00, "\u{981}\u{982}\u{983}\u{985}\u{986}\u{987}\u{988}\u{989}\u{98a}\u{98b}"),
    (0x0b, "\u{98c}"),
    (0x0f, "\u{98f}"),
    (0x10, "\u{990}"),
    (0x13, "\u{993}\u{994}\u{995}\u{996}\u{997}\u{998}\u{999}\u{99a}"),
    (0x1c, "\u{99b}\u{99c}\u{99d}\u{99e}"),
    (0x22, "\u{99f}\u{9a0}\u{9a1}\u{9a2}\u{9a3}\u{9a4}"),
    (0x2a, "\u{9a5}\u{9a6}"),
    (0x2d, "\u{9a7}"),
    (0x2f, "\u{9a8}"),
    (0x3d, "\u{9aa}\u{9ab}"),
    (0x40, "\u{9ac}\u{9ad}\u{9ae}\u{9af}\u{9b0}"),
    (0x46, "\u{9b2}"),
    (0x4a, "\u{9b6}\u{9b7}\u{9b8}\u{9b9}\u{9bc}\u{9bd}"),
    (0x50, "\u{9be}\u{9bf}\u{9c0}\u{9c1}\u{9c2}\u{9c3}\u{9c4}"),
    (0x59, "\u{9c7}\u{9c8}"),
    (0x5d, "\u{9cb}\u{9cc}\u{9cd}"),
    (0x60, "\u{9ce}"),
    (0x7b, "\u{9d7}\u{9dc}\u{9dd}\u{9f0}\u{9f1}"),
];

//! Telugu: TS 23.038 A.2.12 and A.3.12.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x1c, "\u{c66}\u{c67}\u{c68}\u{c69}"),
    (0x20, "\u{c6a}\u{c6b}\u{c6c}\u{c6d}\u{c6e}\u{c6f}\u{c58}\u{c59}"),
    (0x2a, "\u{c78}\u{c79}\u{c7a}\u{c7b}\u{c7c}"),
    (0x30, "\u{c7d}\u{c7e}\u{c7f}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x00, "\u{c01}\u{c02}\u{c03}\u{c05}\u{c06}\u{c07}\u{c08}\u{c09}\u{c0a}\u{c0b}"),
    (0x0b, "\u{c0c}"),
    (0x0e, "\u{c0e}\u{c0f}"),
    (0x10, "\u{c10}"),
    (0x12, "\u{c12}\u{c13}\u{c14}\u{c15}\u{c16}\u{c17}\u{c18}\u{c19}\u{c1a}"),
    (0x1c, "\u{c1b}\u{c1c}\u{c1d}\u{c1e}"),
    (0x22, "\u{c1f}\u{c20}\u{c21}\u{c22}\u{c23}\u{c24}"),
    (0x2a, "\u{c25}\u{c26}"),
    (0x2d, "\u{c27}"),
    (0x2f, "\u{c28}"),
    (0x3d, "\u{c2a}\u{c2b}"),
    (0x40, "\u{c2c}\u{c2d}\u{c2e}\u{c2f}\u{c30}\u{c31}\u{c32}\u{c33}"),
    (0x49, "\u{c35}\u{c36}\u{c37}\u{c38}\u{c39}"),
    (0x4f, "\u{c3d}"),
    (0x50, "\u{c3e}\u{c3f}\u{c40}\u{c41}\u{c42}\u{c43}\u{c44}"),
    (0x58, "\u{c46}\u{c47}\u{c48}"),
    (0x5c, "\u{c4a}\u{c4b}\u{c4c}\u{c4d}"),
    (0x60, "\u{c55}"),
    (0x7b, "\u{c56}\u{c60}\u{c61}\u{c62}\u{c63}"),
];

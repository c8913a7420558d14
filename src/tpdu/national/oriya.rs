//! Oriya: TS 23.038 A.2.9 and A.3.9.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{964}\u{965}"),
    (0x1c, "\u{b66}\u{b67}\u{b68}\u{b69}"),
    (0x20, "\u{b6a}\u{b6b}\u{b6c}\u{b6d}\u{b6e}\u{b6f}\u{b5c}\u{b5d}"),
    (0x2a, "\u{b5f}\u{b70}\u{b71}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x00, "\u{b01}\u{b02}\u{b03}\u{b05}\u{b06}\u{b07}\u{b08}\u{b09}\u{b0a}\u{b0b}"),
    (0x0b, "\u{b0c}"),
    (0x0f, "\u{b0f}"),
    (0x10, "\u{b10}"),
    (0x13, "\u{b13}\u{b14}\u{b15}\u{b16}\u{b17}\u{b18}\u{b19}\u{b1a}"),
    (0x1c, "\u{b1b}\u{b1c}\u{b1d}\u{b1e}"),
    (0x22, "\u{b1f}\u{b20}\u{b21}\u{b22}\u{b23}\u{b24}"),
    (0x2a, "\u{b25}\u{b26}"),
    (0x2d, "\u{b27}"),
    (0x2f, "\u{b28}"),
    (0x3d, "\u{b2a}\u{b2b}"),
    (0x40, "\u{b2c}\u{b2d}\u{b2e}\u{b2f}\u{b30}"),
    (0x46, "\u{b32}\u{b33}"),
    (0x49, "\u{b35}\u{b36}\u{b37}\u{b38}\u{b39}\u{b3c}\u{b3d}"),
    (0x50, "\u{b3e}\u{b3f}\u{b40}\u{b41}\u{b42}\u{b43}\u{b44}"),
    (0x59, "\u{b47}\u{b48}"),
    (0x5d, "\u{b4b}\u{b4c}\u{b4d}"),
    (0x60, "\u{b56}"),
    (0x7b, "\u{b57}\u{b60}\u{b61}\u{b62}\u{b63}"),
];

//! Malayalam: TS 23.038 A.2.8 and A.3.8.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{964}\u{965}"),
    (0x1c, "\u{d66}\u{d67}\u{d68}\u{d69}"),
    (0x20, "\u{d6a}\u{d6b}\u{d6c}\u{d6d}\u{d6e}\u{d6f}\u{d70}\u{d71}"),
    (0x2a, "\u{d72}\u{d73}\u{d74}\u{d75}\u{d7a}"),
    (0x30, "\u{d7b}\u{d7c}\u{d7d}\u{d7e}\u{d7f}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x01, "\u{d02}\u{d03}\u{d05}\u{d06}\u{d07}\u{d08}\u{d09}\u{d0a}\u{d0b}"),
    (0x0b, "\u{d0c}"),
    (0x0e, "\u{d0e}\u{d0f}"),
    (0x10, "\u{d10}"),
    (0x12, "\u{d12}\u{d13}\u{d14}\u{d15}\u{d16}\u{d17}\u{d18}\u{d19}\u{d1a}"),
    (0x1c, "\u{d1b}\u{d1c}\u{d1d}\u{d1e}"),
    (0x22, "\u{d1f}\u{d20}\u{d21}\u{d22}\u{d23}\u{d24}"),
    (0x2a, "\u{d25}\u{d26}"),
    (0x2d, "\u{d27}"),
    (0x2f, "\u{d28}"),
    (0x3d, "\u{d2a}\u{d2b}"),
    (0x40, "\u{d2c}\u{d2d}\u{d2e}\u{d2f}\u{d30}\u{d31}\u{d32}\u{d33}\u{d34}\u{d35}\u{d36}\u{d37}\u{d38}\u{d39}"),
    (0x4f, "\u{d3d}"),
    (0x50, "\u{d3e}\u{d3f}\u{d40}\u{d41}\u{d42}\u{d43}\u{d44}"),
    (0x58, "\u{d46}\u{d47}\u{d48}"),
    (0x5c, "\u{d4a}\u{d4b}\u{d4c}\u{d4d}"),
    (0x60, "\u{d57}"),
    (0x7b, "\u{d60}\u{d61}\u{d62}\u{d63}\u{d79}"),
];

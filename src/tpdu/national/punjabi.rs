//! Punjabi: TS 23.038 A.2.10 and A.3.10.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{964}\u{965}"),
    (0x1c, "\u{a66}\u{a67}\u{a68}\u{a69}"),
    (0x20, "\u{a6a}\u{a6b}\u{a6c}\u{a6d}\u{a6e}\u{a6f}\u{a59}\u{a5a}"),
    (0x2a, "\u{a5b}\u{a5c}\u{a5e}\u{a75}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x00, "\u{a01}\u{a02}\u{a03}\u{a05}\u{a06}\u{a07}\u{a08}\u{a09}\u{a0a}"),
    (0x0f, "\u{a0f}"),
    (0x10, "\u{a10}"),
    (0x13, "\u{a13}\u{a14}\u{a15}\u{a16}\u{a17}\u{a18}\u{a19}\u{a1a}"),
    (0x1c, "\u{a1b}\u{a1c}\u{a1d}\u{a1e}"),
    (0x22, "\u{a1f}\u{a20}\u{a21}\u{a22}\u{a23}\u{a24}"),
    (0x2a, "\u{a25}\u{a26}"),
    (0x2d, "\u{a27}"),
    (0x2f, "\u{a28}"),
    (0x3d, "\u{a2a}\u{a2b}"),
    (0x40, "\u{a2c}\u{a2d}\u{a2e}\u{a2f}\u{a30}"),
    (0x46, "\u{a32}\u{a33}"),
    (0x49, "\u{a35}\u{a36}"),
    (0x4c, "\u{a38}\u{a39}\u{a3c}"),
    (0x50, "\u{a3e}\u{a3f}\u{a40}\u{a41}\u{a42}"),
    (0x59, "\u{a47}\u{a48}"),
    (0x5d, "\u{a4b}\u{a4c}\u{a4d}"),
    (0x60, "\u{a51}"),
    (0x7b, "\u{a70}\u{a71}\u{a72}\u{a73}\u{a74}"),
];

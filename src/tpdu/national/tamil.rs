//! Tamil: TS 23.038 A.2.11 and A.3.11.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{964}\u{965}"),
    (0x1c, "\u{be6}\u{be7}\u{be8}\u{be9}"),
    (0x20, "\u{bea}\u{beb}\u{bec}\u{bed}\u{bee}\u{bef}\u{bf3}\u{bf4}"),
    (0x2a, "\u{bf5}\u{bf6}\u{bf7}\u{bf8}\u{bfa}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x01, "\u{b82}\u{b83}\u{b85}\u{b86}\u{b87}\u{b88}\u{b89}\u{b8a}"),
    (0x0e, "\u{b8e}\u{b8f}"),
    (0x10, "\u{b90}"),
    (0x12, "\u{b92}\u{b93}\u{b94}\u{b95}"),
    (0x19, "\u{b99}\u{b9a}"),
    (0x1d, "\u{b9c}"),
    (0x1f, "\u{b9e}"),
    (0x22, "\u{b9f}"),
    (0x26, "\u{ba3}\u{ba4}"),
    (0x2f, "\u{ba8}"),
    (0x3c, "\u{ba9}\u{baa}"),
    (0x42, "\u{bae}\u{baf}\u{bb0}\u{bb1}\u{bb2}\u{bb3}\u{bb4}\u{bb5}\u{bb6}\u{bb7}\u{bb8}\u{bb9}"),
    (0x50, "\u{bbe}\u{bbf}\u{bc0}\u{bc1}\u{bc2}"),
    (0x58, "\u{bc6}\u{bc7}\u{bc8}"),
    (0x5c, "\u{bca}\u{bcb}\u{bcc}\u{bcd}"),
    (0x60, "\u{bd0}"),
    (0x7b, "\u{bd7}\u{bf0}\u{bf1}\u{bf2}\u{bf9}"),
];

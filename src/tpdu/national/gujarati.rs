//! Gujarati: TS 23.038 A.2.5 and A.3.5.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{964}\u{965}"),
    (0x1c, "\u{ae6}\u{ae7}\u{ae8}\u{ae9}"),
    (0x20, "\u{aea}\u{aeb}\u{aec}\u{aed}\u{aee}\u{aef}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x00, "\u{a81}\u{a82}\u{a83}\u{a85}\u{a86}\u{a87}\u{a88}\u{a89}\u{a8a}\u{a8b}"),
    (0x0b, "\u{a8c}\u{a8d}"),
    (0x0f, "\u{a8f}"),
    (0x10, "\u{a90}\u{a91}"),
    (0x13, "\u{a93}\u{a94}\u{a95}\u{a96}\u{a97}\u{a98}\u{a99}\u{a9a}"),
    (0x1c, "\u{a9b}\u{a9c}\u{a9d}\u{a9e}"),
    (0x22, "\u{a9f}\u{aa0}\u{aa1}\u{aa2}\u{aa3}\u{aa4}"),
    (0x2a, "\u{aa5}\u{aa6}"),
    (0x2d, "\u{aa7}"),
    (0x2f, "\u{aa8}"),
    (0x3d, "\u{aaa}\u{aab}"),
    (0x40, "\u{aac}\u{aad}\u{aae}\u{aaf}\u{ab0}"),
    (0x46, "\u{ab2}\u{ab3}"),
    (0x49, "\u{ab5}\u{ab6}\u{ab7}\u{ab8}\u{ab9}\u{abc}\u{abd}"),
    (0x50, "\u{abe}\u{abf}\u{ac0}\u{ac1}\u{ac2}\u{ac3}\u{ac4}\u{ac5}"),
    (0x59, "\u{ac7}\u{ac8}\u{ac9}"),
    (0x5d, "\u{acb}\u{acc}\u{acd}"),
    (0x60, "\u{ad0}"),
    (0x7b, "\u{ae0}\u{ae1}\u{ae2}\u{ae3}\u{af1}"),
];

//! Kannada: TS 23.038 A.2.7 and A.3.7.
//!
//! The standard prints U+0CAA twice in the locking shift table; at 0x24 the order of the letters wants U+0CA1.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{964}\u{965}"),
    (0x1c, "\u{ce6}\u{ce7}\u{ce8}\u{ce9}"),
    (0x20, "\u{cea}\u{ceb}\u{cec}\u{ced}\u{cee}\u{cef}\u{cde}\u{cf1}"),
    (0x2a, "\u{cf2}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x01, "\u{c82}\u{c83}\u{c85}\u{c86}\u{c87}\u{c88}\u{c89}\u{c8a}\u{c8b}"),
    (0x0b, "\u{c8c}"),
    (0x0e, "\u{c8e}\u{c8f}"),
    (0x10, "\u{c90}"),
    (0x12, "\u{c92}\u{c93}\u{c94}\u{c95}\u{c96}\u{c97}\u{c98}\u{c99}\u{c9a}"),
    (0x1c, "\u{c9b}\u{c9c}\u{c9d}\u{c9e}"),
    (0x22, "\u{c9f}\u{ca0}\u{ca1}\u{ca2}\u{ca3}\u{ca4}"),
    (0x2a, "\u{ca5}\u{ca6}"),
    (0x2d, "\u{ca7}"),
    (0x2f, "\u{ca8}"),
    (0x3d, "\u{caa}\u{cab}"),
    (0x40, "\u{cac}\u{cad}\u{cae}\u{caf}\u{cb0}\u{cb1}\u{cb2}\u{cb3}"),
    (0x49, "\u{cb5}\u{cb6}\u{cb7}\u{cb8}\u{cb9}\u{cbc}\u{cbd}"),
    (0x50, "\u{cbe}\u{cbf}\u{cc0}\u{cc1}\u{cc2}\u{cc3}\u{cc4}"),
    (0x58, "\u{cc6}\u{cc7}\u{cc8}"),
    (0x5c, "\u{cca}\u{ccb}\u{ccc}\u{ccd}"),
    (0x60, "\u{cd5}"),
    (0x7b, "\u{cd6}\u{ce0}\u{ce1}\u{ce2}\u{ce3}"),
];

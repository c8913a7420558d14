//! Urdu: TS 23.038 A.2.13 and A.3.13.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{600}\u{601}"),
    (0x1c, "\u{6f0}\u{6f1}\u{6f2}\u{6f3}"),
    (0x20, "\u{6f4}\u{6f5}\u{6f6}\u{6f7}\u{6f8}\u{6f9}\u{60c}\u{60d}"),
    (0x2a, "\u{60e}\u{60f}\u{610}\u{611}\u{612}"),
    (0x30, "\u{613}\u{614}\u{61b}\u{61f}\u{640}\u{652}\u{658}\u{66b}\u{66c}\u{672}\u{673}\u{6cd}"),
    (0x3f, "\u{6d4}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x00, "\u{627}\u{622}\u{628}\u{67b}\u{680}\u{67e}\u{6a6}\u{62a}\u{6c2}\u{67f}"),
    (0x0b, "\u{679}\u{67d}"),
    (0x0e, "\u{67a}\u{67c}"),
    (0x10, "\u{62b}\u{62c}\u{681}\u{684}\u{683}\u{685}\u{686}\u{687}\u{62d}\u{62e}\u{62f}"),
    (0x1c, "\u{68c}\u{688}\u{689}\u{68a}"),
    (0x22, "\u{68f}\u{68d}\u{630}\u{631}\u{691}\u{693}"),
    (0x2a, "\u{699}\u{632}"),
    (0x2d, "\u{696}"),
    (0x2f, "\u{698}"),
    (0x3c, "\u{69a}\u{633}\u{634}"),
    (
        0x40,
        "\u{635}\u{636}\u{637}\u{638}\u{639}\u{641}\u{642}\u{6a9}\u{6aa}\u{6ab}\u{6af}\u{6b3}\u{6b1}\u{644}\u{645}\u{646}",
    ),
    (
        0x50,
        "\u{6ba}\u{6bb}\u{6bc}\u{648}\u{6c4}\u{6d5}\u{6c1}\u{6be}\u{621}\u{6cc}\u{6d0}\u{6d2}\u{64d}\u{650}\u{64f}\u{657}",
    ),
    (0x60, "\u{654}"),
    (0x7b, "\u{655}\u{651}\u{653}\u{656}\u{670}"),
];

//! Hindi: TS 23.038 A.2.6 and A.3.6.

use super::Runs;

/// What the single shift table has besides [`super::INDIC_SINGLE_SHIFT`].
pub(super) const SINGLE_SHIFT: Runs = &[
    (0x19, "\u{964}\u{965}"),
    (0x1c, "\u{966}\u{967}\u{968}\u{969}"),
    (0x20, "\u{96a}\u{96b}\u{96c}\u{96d}\u{96e}\u{96f}\u{951}\u{952}"),
    (0x2a, "\u{953}\u{954}\u{958}\u{959}\u{95a}"),
    (0x30, "\u{95b}\u{95c}\u{95d}\u{95e}\u{95f}\u{960}\u{961}\u{962}\u{963}\u{970}\u{971}"),
];

/// What the locking shift table has besides [`super::INDIC_LOCKING_SHIFT`].
pub(super) const LOCKING_SHIFT: Runs = &[
    (0x00, "\u{901}\u{902}\u{903}\u{905}\u{906}\u{907}\u{908}\u{909}\u{90a}\u{90b}"),
    (0x0b, "\u{90c}\u{90d}"),
    (0x0e, "\u{90e}\u{90f}"),
    (0x10, "\u{910}\u{911}\u{912}\u{913}\u{914}\u{915}\u{916}\u{917}\u{918}\u{919}\u{91a}"),
    (0x1c, "\u{91b}\u{91c}\u{91d}\u{91e}"),
    (0x22, "\u{91f}\u{920}\u{921}\u{922}\u{923}\u{924}"),
    (0x2a, "\u{925}\u{926}"),
    (0x2d, "\u{927}"),
    (0x2f, "\u{928}"),
    (0x3c, "\u{929}\u{92a}\u{92b}"),
    (
        0x40,
        "\u{92c}\u{92d}\u{92e}\u{92f}\u{930}\u{931}\u{932}\u{933}\u{934}\u{935}\u{936}\u{937}\u{938}\u{939}\u{93c}\u{93d}",
    ),
    (
        0x50,
        "\u{93e}\u{93f}\u{940}\u{941}\u{942}\u{943}\u{944}\u{945}\u{946}\u{947}\u{948}\u{949}\u{94a}\u{94b}\u{94c}\u{94d}",
    ),
    (0x60, "\u{950}"),
    (0x7b, "\u{972}\u{97b}\u{97c}\u{97e}\u{97f}"),
];

//! How much room is left on the file system of the store, and what the gateway does about it (D20).
//!
//! A step needs both a share and an amount to fall short. The share is for small volumes: of the 256 MiB that `/data` of
//! an appliance may have, 51 MiB are low and 25 MiB nearly full. The amount is for large ones, where a tenth is plenty: one
//! SMS takes less than 2 KiB with all that is noted of it, so 64 MiB hold tens of thousands, and 256 MiB a
//! day of one SMS a second.

const MIB: u64 = 1024 * 1024;
/// In per cent and in octets.
const LOW: (u64, u64) = (20, 256 * MIB);
/// Likewise.
const NEARLY_FULL: (u64, u64) = (10, 64 * MIB);

/// What is left.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Space {
    /// As it should be.
    #[default]
    Enough,
    /// The texts of finished messages are forgotten before their time.
    Low,
    /// Besides, no new message is accepted to be sent: what is left is for what comes in, and for what was accepted.
    NearlyFull,
}

impl Space {
    /// Of a file system with so many octets, of which so many may be used by us. One that does not tell its size is taken
    /// to have enough.
    #[must_use]
    pub const fn of(free: u64, total: u64) -> Self {
        if is_below(NEARLY_FULL, free, total) {
            Self::NearlyFull
        } else if is_below(LOW, free, total) {
            Self::Low
        } else {
            Self::Enough
        }
    }
}

const fn is_below((share, least): (u64, u64), free: u64, total: u64) -> bool {
    free < least && free.saturating_mul(100) < total.saturating_mul(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_small_share_and_a_small_amount_to_be_short() {
        const GIB: u64 = 1024;
        for (free, total, space) in [
            // The data partition of a small card.
            (52, 256, Space::Enough),
            (51, 256, Space::Low),
            (26, 256, Space::Low),
            (25, 256, Space::NearlyFull),
            (0, 256, Space::NearlyFull),
            // Where both bounds of `Low` meet.
            (256, 1280, Space::Enough),
            (255, 1280, Space::Low),
            (64, 1280, Space::Low),
            (63, 1280, Space::NearlyFull),
            // A large disk.
            (500 * GIB / 100, 500 * GIB, Space::Enough),
            (256, 500 * GIB, Space::Enough),
            (255, 500 * GIB, Space::Low),
            (64, 500 * GIB, Space::Low),
            (63, 500 * GIB, Space::NearlyFull),
            // One that does not say.
            (0, 0, Space::Enough),
        ] {
            assert_eq!(Space::of(free * MIB, total * MIB), space, "{free} of {total} MiB");
        }
        assert_eq!(Space::of(u64::MAX, u64::MAX), Space::Enough);
        assert!(Space::Enough < Space::Low && Space::Low < Space::NearlyFull);
    }
}

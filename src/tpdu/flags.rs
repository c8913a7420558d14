//! Octets of single bits: the first octet of every TPDU, and TP-PI (TS 23.040 9.2.2, 9.2.3.27).

/// `field`, which is in the octet in any case, and the bits that are set. All of them are different bits.
pub(super) fn octet(field: u8, flags: impl IntoIterator<Item = (bool, u8)>) -> u8 {
    flags.into_iter().filter(|(set, _)| *set).map(|(_, bit)| bit).fold(field, u8::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_that_are_set_are_in_the_octet() {
        assert_eq!(octet(0x01, [(true, 0x04), (false, 0x20), (true, 0x80)]), 0x85);
        assert_eq!(octet(0x00, [(false, 0x01)]), 0x00);
        assert_eq!(octet(0x02, []), 0x02);
    }
}

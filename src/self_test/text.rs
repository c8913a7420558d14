//! What a self-test SMS says, and how it is known again when it comes back. Pure.
//!
//! Whether its token was ever issued is the store's to say: a text that merely looks alike is an ordinary message.

/// What stands before the token. All of it, with the token, fits one segment of the GSM alphabet.
const OPENING: &str = "SMSgate self-test ";
/// Hexadecimal digits of a token.
const TOKEN_DIGITS: usize = 16;
/// Fewer digits than this make no subscriber number.
const LEAST_DIGITS: usize = 6;

/// The text of a test.
#[must_use]
pub fn compose(token: &str) -> String {
    format!("{OPENING}{token}")
}

/// A token from random octets.
#[must_use]
pub fn token(octets: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(octets))
}

/// The token in the text of a test; `None` if it is another text. Blanks around it are the network's.
#[must_use]
pub fn token_in(text: &str) -> Option<&str> {
    let token = text.trim().strip_prefix(OPENING)?;
    let is_digit = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
    (token.len() == TOKEN_DIGITS && token.bytes().all(is_digit)).then_some(token)
}

/// Whether an originating address is this SIM's own number.
///
/// `own` is international, as configured. Networks show a number of their own as `+49170...`, `0049170...`, `49170...`,
/// `0170...` or `170...`, so the digits behind leading zeros have to be the end of ours. That is loose where it can be:
/// behind it stands the token, which only this SIM was ever told.
#[must_use]
pub fn is_own_number(own: &str, sender: &str) -> bool {
    let Some(own) = own.strip_prefix('+').filter(|digits| !digits.is_empty()) else { return false };
    let digits = sender.strip_prefix('+').unwrap_or(sender);
    let significant = digits.trim_start_matches('0');
    digits.bytes().all(|octet| octet.is_ascii_digit())
        && own.ends_with(significant)
        && (significant.len() >= LEAST_DIGITS || significant == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_known_by_its_exact_form() {
        let text = compose(&token([0x3f, 0x9c, 0x1a, 0x7b, 0xe2, 0xd0, 0x4c, 0x05]));
        assert_eq!(text, "SMSgate self-test 3f9c1a7be2d04c05");
        assert!(text.is_ascii() && text.len() <= 160, "one segment");
        for (text, expected) in [
            (text.as_str(), Some("3f9c1a7be2d04c05")),
            (" SMSgate self-test 0000000000000000\r\n", Some("0000000000000000")),
            ("SMSgate self-test", None),
            ("SMSgate self-test ", None),
            ("SMSgate self-test 3f9c1a7be2d04c0", None),
            ("SMSgate self-test 3f9c1a7be2d04c055", None),
            ("SMSgate self-test 3F9C1A7BE2D04C05", None),
            ("SMSgate self-test 3f9c1a7be2d04c0g", None),
            ("smsgate self-test 3f9c1a7be2d04c05", None),
            ("Re: SMSgate self-test 3f9c1a7be2d04c05", None),
            ("", None),
        ] {
            assert_eq!(token_in(text), expected, "{text:?}");
        }
    }

    #[test]
    fn our_own_number_in_the_ways_networks_write_it() {
        let own = "+491700000001";
        for (sender, same) in [
            ("+491700000001", true),
            ("491700000001", true),
            ("00491700000001", true),
            ("01700000001", true),
            ("1700000001", true),
            ("+491700000002", false),
            ("+431700000001", false),
            ("00001", false),
            ("1", false),
            ("", false),
            ("+", false),
            ("000000", false),
            ("Bank 1700000001", false),
            ("Vodafone", false),
            ("+49+1700000001", false),
        ] {
            assert_eq!(is_own_number(own, sender), same, "{sender:?}");
        }
        assert!(!is_own_number("", ""), "a slot without a number has no own number");
        assert!(!is_own_number("", "+491700000001"));
        assert!(!is_own_number("+", ""));
        assert!(is_own_number("+37612", "+37612"), "however short, if it is all of it");
    }
}

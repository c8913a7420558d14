//! The name under which is counted what a token sends: the same after every restart, and no way back to the token.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

/// For the token that is known by this hash in the configuration.
#[must_use]
pub fn party_of(hash: &str) -> String {
    let sum = digest(&SHA256, hash.as_bytes());
    let mut name = "token ".to_owned();
    for octet in sum.as_ref().iter().take(8) {
        let _ = write!(name, "{octet:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_stay() {
        // The first digits of SHA-256 of "abc" (FIPS 180-2, appendix B.1).
        assert_eq!(party_of("abc"), "token ba7816bf8f01cfea");
        assert_ne!(party_of("abd"), party_of("abc"));
    }
}

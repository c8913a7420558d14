//! `authorized_keys`: OpenSSH public keys (RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4), checked line by line.
//!
//! Options before a key are refused: what a login may do is the box's decision. A private key put here by mistake is
//! refused too, and never copied.

use super::finding::Finding;

/// Least bits of an RSA modulus that the server takes.
const LEAST_RSA_BITS: usize = 2048;
/// What a key may be, and how many fields its blob has.
const TYPES: [(&str, usize); 7] = [
    ("ssh-ed25519", 2),
    ("ecdsa-sha2-nistp256", 3),
    ("ecdsa-sha2-nistp384", 3),
    ("ecdsa-sha2-nistp521", 3),
    ("ssh-rsa", 3),
    ("sk-ssh-ed25519@openssh.com", 3),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 4),
];

/// Every problem of the file, and how many keys are in it.
#[must_use]
pub fn check(file: &str, text: &str) -> (usize, Vec<Finding>) {
    if let Some((line, problem)) = foreign_format(text) {
        return (0, vec![Finding::at(file, line, problem.0, problem.1)]);
    }
    let mut problems = Vec::new();
    let mut keys = 0;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match check_line(line) {
            Ok(()) => keys += 1,
            Err((message, remedy)) => problems.push(Finding::at(file, index + 1, message, remedy)),
        }
    }
    (keys, problems)
}

/// Whether a key for logging in is there.
#[must_use]
pub fn any(text: &str) -> bool {
    check("", text).0 > 0
}

type Complaint = (&'static str, &'static str);

fn foreign_format(text: &str) -> Option<(usize, Complaint)> {
    const CONVERT: &str = "convert it with `ssh-keygen -i -f FILE`, or copy the one line that PuTTYgen shows on top";
    for (index, line) in text.lines().enumerate() {
        let complaint = if line.contains("PRIVATE KEY") || line.starts_with("PuTTY-User-Key-File") {
            ("is a private key", "remove it from this card; put the public key here (the file that ends in .pub)")
        } else if line.contains("BEGIN SSH2 PUBLIC KEY") || line.contains("BEGIN PUBLIC KEY") {
            ("is a public key in another format", CONVERT)
        } else {
            continue;
        };
        return Some((index + 1, complaint));
    }
    None
}

fn check_line(line: &str) -> Result<(), Complaint> {
    const WHOLE: &str = "copy the whole line of the .pub file";
    let mut words = line.split_whitespace();
    let (kind, blob) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let Some((name, fields)) = TYPES.iter().find(|(name, _)| *name == kind) else {
        return Err(if kind == "ssh-dss" {
            ("is a DSA key, which no server takes any more", "make one with `ssh-keygen -t ed25519`")
        } else if TYPES.iter().any(|(name, _)| line.contains(name)) {
            ("has options before the key, which are not taken here", "begin the line with the type of the key")
        } else {
            ("is not an OpenSSH public key", "write a line such as `ssh-ed25519 AAAA... name`")
        });
    };
    let blob = base64(blob).ok_or(("is cut off, or has characters that no key has", WHOLE))?;
    let parts = parts(&blob).ok_or(("is cut off", WHOLE))?;
    if parts.first() != Some(&name.as_bytes()) || parts.len() != *fields {
        return Err(("says another type in its key than before it", WHOLE));
    }
    if let ("ssh-rsa", Some(modulus)) = (*name, parts.get(2)) {
        let significant = modulus.iter().skip_while(|octet| **octet == 0).count();
        if significant * 8 < LEAST_RSA_BITS {
            return Err(("is an RSA key of less than 2048 bits", "make one with `ssh-keygen -t ed25519`"));
        }
    }
    let whole = match (*name, parts.get(1)) {
        ("ssh-ed25519" | "sk-ssh-ed25519@openssh.com", Some(point)) => point.len() == 32,
        _ => true,
    };
    if whole { Ok(()) } else { Err(("is cut off", WHOLE)) }
}

/// The strings of a blob (RFC 4251 5): four octets of length, then as many octets, to its very end.
fn parts(blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let mut rest = blob;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, behind) = behind.split_at_checked(length)?;
        parts.push(part);
        rest = behind;
    }
    rest.is_empty().then_some(parts)
}

/// RFC 4648 4.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.is_empty() || text.len() - digits.len() > 2 || !text.len().is_multiple_of(4) {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut value, mut bits) = (0_u32, 0);
    for digit in digits.bytes() {
        let digit = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        value = (value << 6 | u32::from(digit)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            octets.push(u8::try_from(value >> bits & 0xff).ok()?);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f somebody@example.org";

    #[test]
    fn public_keys_are_counted() {
        let text = format!("# who may log in\n\n{ED25519}\n  {ED25519}\n");
        assert_eq!(check("authorized_keys", &text), (2, vec![]));
        assert!(!any("# nobody\n"));
    }

    #[test]
    fn whatever_is_no_public_key_is_refused_with_its_line() {
        let cut = ED25519.replace("Bwd", "").replace("AAAAIAAB", "AAAAIAA");
        let short = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAABAABAgM=";
        let other = ED25519.replace("ssh-ed25519 ", "ssh-rsa ");
        let options = format!("command=\"/bin/sh\" {ED25519}");
        let small_rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAABAECAwQ=";
        for (line, complaint) in [
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key; remove it"),
            ("PuTTY-User-Key-File-3: ssh-ed25519", "is a private key"),
            ("---- BEGIN SSH2 PUBLIC KEY ----", "is a public key in another format"),
            ("ssh-dss AAAA", "is a DSA key"),
            ("hello", "is not an OpenSSH public key"),
            ("ssh-ed25519", "is cut off"),
            ("ssh-ed25519 AAAA*A==", "is cut off"),
            (&cut, "is cut off"),
            (short, "is cut off"),
            (&other, "says another type"),
            (&options, "has options before the key"),
            (small_rsa, "less than 2048 bits"),
        ] {
            let (_, problems) = check("authorized_keys", &format!("# one\n{line}\n"));
            assert_eq!(problems.len(), 1, "{line}: {problems:?}");
            let told = problems[0].to_string();
            assert!(told.starts_with("authorized_keys:2: ") && told.contains(complaint), "{line}: {told}");
        }
    }
}

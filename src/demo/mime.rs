//! The text of a received mail: quoted-printable (RFC 2045 6.7) and base64 (6.8), UTF-8. Nothing of multipart.

use crate::rpc::wire::decode_base64;

/// The body as text with LF between lines; `None` if it is not what `encoding` says.
pub(super) fn decode(encoding: &str, body: &str) -> Option<String> {
    let octets = match encoding.to_ascii_lowercase().as_str() {
        "base64" => decode_base64(body)?,
        "quoted-printable" => quoted_printable(body)?,
        _ => body.as_bytes().to_vec(),
    };
    Some(String::from_utf8(octets).ok()?.replace("\r\n", "\n"))
}

fn quoted_printable(body: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(body.len());
    let mut rest = body.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'=' {
            octets.push(octet);
            continue;
        }
        match (rest.next()?, rest.next()?) {
            // A soft line break.
            (b'\r', b'\n') => {}
            (high, low) => {
                let digit = |octet: u8| char::from(octet).to_digit(16);
                octets.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
            }
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_decoded() {
        for (encoding, body, text) in [
            ("7bit", "plain\r\ntext", Some("plain\ntext")),
            ("Quoted-Printable", "41 =C2=B0C a=\r\nb =3D", Some("41 °C ab =")),
            ("base64", "R3LD\r\nvMOfZQ==\r\n", Some("Grüße")),
            ("quoted-printable", "cut =4", None),
            ("quoted-printable", "=ZZ", None),
            ("base64", "/w==", None),
        ] {
            assert_eq!(decode(encoding, body).as_deref(), text, "{encoding} {body:?}");
        }
    }
}

//! User data that is no text, in words: 8 bit data (TS 23.038 4) and compressed text (TS 23.042).
//!
//! 8 bit data is its two ends' own affair; some senders write text in it all the same. What reads as text is given as
//! it is. Everything else becomes a mark with all octets in hex, since characters that cannot be shown would be lost
//! further on.

use super::{
    dcs::DataCodingScheme,
    hex,
    udh::{InformationElement, UserDataHeader},
};

/// WAP push and its secure form (WAP-259, Wireless Datagram Protocol, appendix B).
const WAP_PUSH: [u16; 2] = [2948, 2949];

/// The text of octets under a scheme that tells none; the header says which application they are for.
pub(super) fn text(octets: &[u8], scheme: DataCodingScheme, header: Option<&UserDataHeader>) -> String {
    if scheme.is_compressed() {
        return format!("[compressed text: {}]", hex::encode(octets));
    }
    readable(octets).unwrap_or_else(|| format!("[8 bit data{}: {}]", destination(header), hex::encode(octets)))
}

/// UTF-8, else ISO 8859-1, if nothing in it is a control character other than blanks and line ends.
fn readable(octets: &[u8]) -> Option<String> {
    let text =
        std::str::from_utf8(octets).map_or_else(|_| octets.iter().copied().map(char::from).collect(), str::to_owned);
    let shown = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    text.chars().all(shown).then_some(text)
}

fn destination(header: Option<&UserDataHeader>) -> String {
    let port = header.and_then(UserDataHeader::destination_port);
    match port {
        Some(port) if WAP_PUSH.contains(&port) => format!(" to port {port} (WAP push)"),
        Some(port) => format!(" to port {port}"),
        None => String::new(),
    }
}

impl UserDataHeader {
    /// The application port it is for (TS 23.040 9.2.3.24.3, 9.2.3.24.4); the last one counts.
    #[must_use]
    pub fn destination_port(&self) -> Option<u16> {
        self.last(|element| {
            let &InformationElement::Ports { destination, .. } = element else { return None };
            Some(destination)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_text_or_marked() {
        let push = UserDataHeader {
            elements: vec![InformationElement::Ports { destination: 2948, source: 9200, wide: true }],
        };
        let other =
            UserDataHeader { elements: vec![InformationElement::Ports { destination: 16, source: 0, wide: false }] };
        let octets = DataCodingScheme::OCTETS;
        for (data, scheme, header, expected) in [
            (&b"Hi there"[..], octets, None, "Hi there"),
            ("gr\u{fc}n\r\n".as_bytes(), octets, None, "grün\r\n"),
            (&[0x47, 0x72, 0xfc, 0x6e], octets, None, "Grün"),
            (b"for an application", octets, Some(&other), "for an application"),
            (&[0x01, 0x06, 0xff], octets, None, "[8 bit data: 0106FF]"),
            (&[0x01, 0x06], octets, Some(&push), "[8 bit data to port 2948 (WAP push): 0106]"),
            (&[0x00], octets, Some(&other), "[8 bit data to port 16: 00]"),
            (&[0x41, 0x85], octets, None, "[8 bit data: 4185]"),
            (b"AB", DataCodingScheme(0x20), None, "[compressed text: 4142]"),
            (b"AB", DataCodingScheme(0x28), None, "[compressed text: 4142]"),
            (b"", octets, None, ""),
        ] {
            assert_eq!(text(data, scheme, header), expected, "{data:?}");
        }
    }
}

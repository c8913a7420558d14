//! What the box says of itself by multicast DNS (RFC 6762), as its LAN hears it: QEMU's network does not carry multicast
//! to this machine, but writes down what was sent.

use std::{fs, path::Path};

/// Where in a packet the source address begins, the destination address, the UDP destination port, and the message:
/// after Ethernet and an IPv4 header without options.
const SOURCE: usize = 14 + 12;
const DESTINATION: usize = 14 + 16;
const PORT: usize = 14 + 20 + 2;
const MESSAGE: usize = 14 + 20 + 8;
/// The box's address in QEMU's network, and the group of mDNS.
const BOX: [u8; 4] = [10, 0, 2, 15];
const GROUP: [u8; 4] = [224, 0, 0, 251];

/// Whether the name has been announced with the box's address, and the service with its port (RFC 6763).
pub fn is_announced(capture: &Path) -> bool {
    let octets = fs::read(capture).unwrap_or_default();
    let answers: Vec<&[u8]> = packets(&octets).filter_map(answer).collect();
    let said = |octets: &[u8]| answers.iter().any(|answer| answer.windows(octets.len()).any(|seen| seen == octets));
    // An A record's length and address; the labels of the name and of the service; an SRV record's port.
    said(&[&[0, 4][..], &BOX].concat())
        && said(b"\x07smsgate")
        && said(b"\x08_smsgate\x04_tcp")
        && said(&7000_u16.to_be_bytes())
}

/// The packets of a capture in libpcap's format.
fn packets(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = octets.get(24..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_le_bytes(rest.get(8..12)?.try_into().ok()?);
        let packet = rest.get(16..16 + usize::try_from(length).ok()?)?;
        rest = &rest[16 + packet.len()..];
        Some(packet)
    })
}

/// The box's answer to nobody's question, if the packet is one.
fn answer(packet: &[u8]) -> Option<&[u8]> {
    let is = |at: usize, octets: &[u8]| packet.get(at..at + octets.len()) == Some(octets);
    let message = packet.get(MESSAGE..)?;
    let is_ours = is(SOURCE, &BOX) && is(DESTINATION, &GROUP) && is(PORT, &5353_u16.to_be_bytes());
    (is_ours && message.get(2)? & 0x80 != 0).then_some(message)
}

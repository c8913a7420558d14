//! Descriptors of a device as octets (USB 2.0 9.6), made from its kind. Full speed: QEMU's hubs know no other.

use super::{
    fields::Octets,
    kinds::{Interface, Kind},
    packet::{EndpointInfo, InterfaceInfo, Transfer},
};

/// Largest packet of a bulk endpoint at full speed (USB 2.0 5.8.3), and of endpoint 0.
pub(super) const BULK_PACKET: u16 = 64;
/// The only configuration.
pub(super) const CONFIGURATION: u8 = 1;

const DEVICE: u8 = 1;
const CONFIGURATION_TYPE: u8 = 2;
const STRING: u8 = 3;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;

/// Room for a notification.
const INTERRUPT_PACKET: u16 = 16;
/// Milliseconds between two looks for a notification.
const INTERRUPT_INTERVAL: u8 = 32;
/// US English, in which the strings are.
const LANGUAGE: u16 = 0x0409;

/// Answer to `GET_DESCRIPTOR`; none for what the device does not have.
pub(super) fn descriptor(kind: &Kind, value: u16) -> Option<Vec<u8>> {
    let [index, descriptor] = value.to_le_bytes();
    match (descriptor, index) {
        (DEVICE, 0) => Some(device(kind)),
        (CONFIGURATION_TYPE, 0) => Some(configuration(kind)),
        (STRING, 0) => Some(string_of(Octets::default().u16(LANGUAGE))),
        (STRING, 1) => Some(string(kind.manufacturer)),
        (STRING, 2) => Some(string(kind.product_name)),
        (STRING, 3) => kind.serial.map(string),
        _ => None,
    }
}

/// Its interfaces, for the redirection.
pub(super) fn interfaces(kind: &Kind) -> Vec<InterfaceInfo> {
    let numbered = (0..).zip(kind.interfaces);
    numbered
        .map(|(number, Interface { class: [class, sub, protocol], .. })| [number, *class, *sub, *protocol])
        .collect()
}

/// Its endpoints, for the redirection: those of control, and those of a configured device.
pub(super) fn endpoints(kind: &Kind) -> Vec<EndpointInfo> {
    let control = [0x00, 0x80].map(|address| EndpointInfo {
        address,
        transfer: Transfer::Control,
        interval: 0,
        interface: 0,
        max_packet_size: BULK_PACKET,
    });
    let numbered = (0..).zip(kind.interfaces);
    control.into_iter().chain(numbered.flat_map(|(number, interface)| endpoints_of(number, interface))).collect()
}

fn endpoints_of(interface: u8, of: &Interface) -> impl Iterator<Item = EndpointInfo> {
    let bulk = [of.bulk_in, of.bulk_out].map(|address| EndpointInfo {
        address,
        transfer: Transfer::Bulk,
        interval: 0,
        interface,
        max_packet_size: BULK_PACKET,
    });
    let interrupt = of.interrupt_in.map(|address| EndpointInfo {
        address,
        transfer: Transfer::Interrupt,
        interval: INTERRUPT_INTERVAL,
        interface,
        max_packet_size: INTERRUPT_PACKET,
    });
    interrupt.into_iter().chain(bulk)
}

fn device(kind: &Kind) -> Vec<u8> {
    let max_packet = 64;
    let head = Octets::default().u8(18).u8(DEVICE).u16(0x0200).bytes(&[0, 0, 0]).u8(max_packet);
    let ids = head.u16(kind.vendor).u16(kind.product).u16(kind.version);
    ids.u8(1).u8(2).u8(if kind.serial.is_some() { 3 } else { 0 }).u8(1).0
}

fn configuration(kind: &Kind) -> Vec<u8> {
    const BUS_POWERED: u8 = 0x80;
    const HALF_AN_AMPERE: u8 = 250;
    let mut rest = Octets::default();
    for (number, interface) in (0..).zip(kind.interfaces) {
        let endpoints: Vec<_> = endpoints_of(number, interface).collect();
        let count = u8::try_from(endpoints.len()).unwrap_or_default();
        rest = rest.u8(9).u8(INTERFACE).u8(number).u8(0).u8(count).bytes(&interface.class).u8(0);
        for endpoint in endpoints {
            let head = rest.u8(7).u8(ENDPOINT).u8(endpoint.address).u8(endpoint.transfer as u8);
            rest = head.u16(endpoint.max_packet_size).u8(endpoint.interval);
        }
    }
    let total = u16::try_from(9 + rest.0.len()).unwrap_or(u16::MAX);
    let count = u8::try_from(kind.interfaces.len()).unwrap_or_default();
    let head = Octets::default().u8(9).u8(CONFIGURATION_TYPE).u16(total).u8(count);
    head.u8(CONFIGURATION).u8(0).u8(BUS_POWERED).u8(HALF_AN_AMPERE).bytes(&rest.0).0
}

fn string(text: &str) -> Vec<u8> {
    string_of(text.encode_utf16().fold(Octets::default(), Octets::u16))
}

fn string_of(body: Octets) -> Vec<u8> {
    let length = u8::try_from(2 + body.0.len()).unwrap_or(u8::MAX);
    Octets::default().u8(length).u8(STRING).bytes(&body.0).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::usb::kinds::KINDS;

    /// An interface as it reads back.
    struct Seen {
        number: u8,
        class: [u8; 3],
        count: u8,
        /// Address and kind of each endpoint.
        endpoints: Vec<(u8, u8)>,
    }

    /// Type and octets of each descriptor in a row of them, as a driver walks it.
    fn walk(mut octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut found = Vec::new();
        while let [length, kind, ..] = octets {
            let (one, rest) = octets.split_at(usize::from(*length));
            found.push((*kind, one.to_vec()));
            octets = rest;
        }
        assert!(octets.is_empty(), "ends with a whole descriptor");
        found
    }

    #[test]
    fn a_configuration_reads_back_as_its_kind() {
        for kind in KINDS {
            let octets = descriptor(kind, 0x0200).unwrap();
            let parts = walk(&octets);
            assert_eq!(usize::from(u16::from_le_bytes([octets[2], octets[3]])), octets.len(), "{}", kind.name);
            assert_eq!(usize::from(octets[4]), kind.interfaces.len(), "{}", kind.name);
            let mut seen: Vec<Seen> = Vec::new();
            for (descriptor, octets) in &parts[1..] {
                match *descriptor {
                    4 => seen.push(Seen {
                        number: octets[2],
                        class: [octets[5], octets[6], octets[7]],
                        count: octets[4],
                        endpoints: Vec::new(),
                    }),
                    5 => seen.last_mut().unwrap().endpoints.push((octets[2], octets[3])),
                    other => panic!("{}: descriptor {other}", kind.name),
                }
            }
            assert_eq!(seen.len(), kind.interfaces.len());
            for (at, (seen, of)) in seen.iter().zip(kind.interfaces).enumerate() {
                let Seen { number, class, count, endpoints } = seen;
                assert_eq!((usize::from(*number), *class), (at, of.class), "{}", kind.name);
                assert_eq!(usize::from(*count), endpoints.len(), "{} {number}", kind.name);
                assert!(endpoints.contains(&(of.bulk_in, 2)) && endpoints.contains(&(of.bulk_out, 2)));
                assert_eq!(endpoints.iter().find(|(_, transfer)| *transfer == 3).map(|one| one.0), of.interrupt_in);
            }
        }
    }

    #[test]
    fn a_device_names_its_ids_and_its_strings_exist() {
        for kind in KINDS {
            let octets = descriptor(kind, 0x0100).unwrap();
            assert_eq!(octets.len(), 18);
            assert_eq!(octets[0], 18);
            assert_eq!(octets[8..14], [kind.vendor, kind.product, kind.version].map(u16::to_le_bytes).concat()[..]);
            for index in octets[14..17].iter().filter(|index| **index > 0) {
                let string = descriptor(kind, 0x0300 | u16::from(*index)).unwrap();
                assert_eq!((usize::from(string[0]), string[1]), (string.len(), 3), "{}", kind.name);
            }
            assert_eq!(octets[16] == 0, kind.serial.is_none(), "{}", kind.name);
        }
        assert_eq!(descriptor(&KINDS[0], 0x0301).unwrap()[2..6], [b'S', 0, b'i', 0]);
    }

    #[test]
    fn what_a_full_speed_device_does_not_have_is_not_described() {
        for value in [0x0600, 0x0700, 0x0101, 0x0201, 0x0304, 0x0f00, 0x2200] {
            assert_eq!(descriptor(&KINDS[0], value), None, "{value:04x}");
        }
        let without_serial = KINDS.iter().find(|kind| kind.serial.is_none()).unwrap();
        assert_eq!(descriptor(without_serial, 0x0303), None);
    }

    #[test]
    fn the_redirection_is_told_of_the_same_endpoints() {
        for kind in KINDS {
            let configuration = descriptor(kind, 0x0200).unwrap();
            let described = walk(&configuration).into_iter().filter(|(descriptor, _)| *descriptor == 5);
            let described: Vec<_> = described.map(|(_, octets)| (octets[2], octets[3], octets[4])).collect();
            let told: Vec<_> = endpoints(kind).into_iter().skip(2).collect();
            let told: Vec<_> =
                told.iter().map(|one| (one.address, one.transfer as u8, one.max_packet_size as u8)).collect();
            assert_eq!(told, described, "{}", kind.name);
        }
    }
}

//! USB devices that modems are or sit behind, as data: ids, interfaces, and what each interface does.
//!
//! Ids and which interface takes AT commands are those of the real devices (`udev/` names the same), and so is that their
//! serial numbers tell nothing apart. What the drivers do not look at (endpoint addresses, the order of a Huawei stick's
//! interfaces, which varies with its firmware) is one of several real layouts.

/// What is on an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// The modem itself.
    Modem,
    /// A second port of the same modem, which knows little more than `AT`.
    Secondary,
    /// Diagnostics, positions, sound, packet data: takes everything, says nothing.
    Silent,
    /// A card reader without a card.
    Storage,
}

/// How octets travel in bulk transfers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// As they are.
    Plain,
    /// With two octets of status at the head of each packet from the device.
    Ftdi,
}

/// An interface.
#[derive(Debug)]
pub(super) struct Interface {
    /// Class, subclass and protocol.
    pub(super) class: [u8; 3],
    /// Endpoint that gives data.
    pub(super) bulk_in: u8,
    /// Endpoint that takes data.
    pub(super) bulk_out: u8,
    /// Endpoint of notifications, if it has one.
    pub(super) interrupt_in: Option<u8>,
    pub(super) role: Role,
}

/// A model of a USB device.
#[derive(Debug)]
pub(super) struct Kind {
    /// Name in options.
    pub(super) name: &'static str,
    pub(super) vendor: u16,
    pub(super) product: u16,
    /// `bcdDevice`: FTDI's driver tells its chips apart by it.
    pub(super) version: u16,
    pub(super) manufacturer: &'static str,
    pub(super) product_name: &'static str,
    /// The same on every one of them, or none.
    pub(super) serial: Option<&'static str>,
    pub(super) framing: Framing,
    /// Model of the modems (`personality`), of which there is one an interface of [`Role::Modem`].
    pub(super) modem: &'static str,
    pub(super) interfaces: &'static [Interface],
}

const VENDOR: [u8; 3] = [0xff, 0xff, 0xff];
/// Mass storage, SCSI, bulk-only.
const STORAGE: [u8; 3] = [0x08, 0x06, 0x50];

const fn interface(class: [u8; 3], number: u8, role: Role) -> Interface {
    Interface { class, bulk_in: 0x81 + number, bulk_out: 0x01 + number, interrupt_in: None, role }
}

const fn notifying(class: [u8; 3], number: u8, role: Role) -> Interface {
    Interface { interrupt_in: Some(0x89 + number), ..interface(class, number, role) }
}

const fn channel(number: u8) -> Interface {
    Interface {
        class: VENDOR,
        bulk_in: 0x81 + 2 * number,
        bulk_out: 0x02 + 2 * number,
        interrupt_in: None,
        role: Role::Modem,
    }
}

/// All kinds.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "sim7600e",
        vendor: 0x1e0e,
        product: 0x9001,
        version: 0x0318,
        manufacturer: "SimTech, Incorporated",
        product_name: "SimTech, Incorporated",
        serial: Some("0123456789ABCDEF"),
        framing: Framing::Plain,
        modem: "sim7600e",
        interfaces: &[
            interface(VENDOR, 0, Role::Silent),
            notifying([0xff, 0, 0], 1, Role::Silent),
            notifying([0xff, 0, 0], 2, Role::Modem),
            notifying([0xff, 0, 0], 3, Role::Secondary),
            notifying([0xff, 0, 0], 4, Role::Silent),
            notifying(VENDOR, 5, Role::Silent),
        ],
    },
    Kind {
        name: "zte-mf190",
        vendor: 0x19d2,
        product: 0x0117,
        version: 0x0000,
        manufacturer: "ZTE,Incorporated",
        product_name: "ZTE WCDMA Technologies MSM",
        serial: Some("1234567890ABCDEF"),
        framing: Framing::Plain,
        modem: "zte-mf190",
        interfaces: &[
            interface(VENDOR, 0, Role::Silent),
            notifying(VENDOR, 1, Role::Secondary),
            notifying(VENDOR, 2, Role::Modem),
            interface(STORAGE, 3, Role::Storage),
        ],
    },
    Kind {
        name: "huawei-e3131",
        vendor: 0x12d1,
        product: 0x1506,
        version: 0x0102,
        manufacturer: "HUAWEI Technology",
        product_name: "HUAWEI Mobile",
        serial: None,
        framing: Framing::Plain,
        modem: "huawei-e3131",
        interfaces: &[
            notifying([0xff, 0x01, 0x01], 0, Role::Secondary),
            interface([0xff, 0x01, 0x03], 1, Role::Silent),
            interface([0xff, 0x01, 0x02], 2, Role::Modem),
            interface(STORAGE, 3, Role::Storage),
        ],
    },
    Kind {
        name: "ft4232h",
        vendor: 0x0403,
        product: 0x6011,
        version: 0x0800,
        manufacturer: "FTDI",
        product_name: "Quad RS232-HS",
        serial: None,
        framing: Framing::Ftdi,
        modem: "quectel-m35",
        interfaces: &[channel(0), channel(1), channel(2), channel(3)],
    },
];

impl Kind {
    /// The kind of that name; `mf190` and `huawei` will do.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        let wanted = name.to_ascii_lowercase();
        KINDS.iter().find(|kind| {
            kind.name == wanted
                || kind.name.split_once('-').is_some_and(|(maker, model)| model == wanted || maker == wanted)
        })
    }

    /// Numbers of the interfaces on which its modems are, in order.
    pub(super) fn modem_interfaces(&self) -> impl Iterator<Item = usize> + '_ {
        self.interfaces.iter().enumerate().filter(|(_, one)| one.role == Role::Modem).map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::emulator::Personality;

    #[test]
    fn short_names_of_kinds_will_do() {
        let table = [
            ("SIM7600E", Some("sim7600e")),
            ("mf190", Some("zte-mf190")),
            ("huawei", Some("huawei-e3131")),
            ("ft4232h", Some("ft4232h")),
            ("keyboard", None),
        ];
        for (name, kind) in table {
            assert_eq!(Kind::named(name).map(|one| one.name), kind, "{name}");
        }
    }

    #[test]
    fn every_kind_has_modems_of_a_known_model_and_no_endpoint_twice() {
        for kind in KINDS {
            assert!(Personality::named(kind.modem).is_some(), "{}", kind.name);
            assert!(kind.modem_interfaces().count() > 0, "{}", kind.name);
            let mut seen = BTreeSet::new();
            for interface in kind.interfaces {
                assert!(interface.bulk_out & 0x80 == 0 && interface.bulk_in & 0x80 != 0, "{}", kind.name);
                for address in [interface.bulk_in, interface.bulk_out].into_iter().chain(interface.interrupt_in) {
                    assert!(address & 0x7f != 0 && address & 0x70 == 0, "{}: endpoint {address:02x}", kind.name);
                    assert!(seen.insert(address), "{}: endpoint {address:02x} twice", kind.name);
                }
            }
        }
    }

    #[test]
    fn the_modems_are_where_the_real_ones_have_them() {
        let table: [(&str, &[usize]); 4] =
            [("sim7600e", &[2]), ("zte-mf190", &[2]), ("huawei-e3131", &[2]), ("ft4232h", &[0, 1, 2, 3])];
        for (name, interfaces) in table {
            assert_eq!(Kind::named(name).unwrap().modem_interfaces().collect::<Vec<_>>(), interfaces, "{name}");
        }
    }
}

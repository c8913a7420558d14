//! What FTDI's bridges do otherwise than plain ones: status at the head of every packet, settings by vendor requests.
//!
//! The chip sends its status every 16 ms (the latency timer) even if there is nothing else to say. This one sends it only
//! with data: Linux asks for it where it needs it, and a virtual machine shall have its peace.

use std::collections::VecDeque;

use super::{descriptor::BULK_PACKET, packet::Setup};

/// Modem status: data carrier detect off, data set ready and clear to send on; the lowest bit is always set. Line status:
/// transmitter and its holding register empty.
const STATUS: [u8; 2] = [0x31, 0x60];
/// Milliseconds, as the chip starts.
const LATENCY: u8 = 16;

const RESET: u8 = 0x00;
const MODEM_CONTROL: u8 = 0x01;
const FLOW_CONTROL: u8 = 0x02;
const BAUD_RATE: u8 = 0x03;
const DATA: u8 = 0x04;
const MODEM_STATUS: u8 = 0x05;
const EVENT_CHARACTER: u8 = 0x06;
const ERROR_CHARACTER: u8 = 0x07;
const SET_LATENCY: u8 = 0x09;
const READ_LATENCY: u8 = 0x0a;
const READ_EEPROM: u8 = 0x90;

/// What a vendor request asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// That data.
    Data(Vec<u8>),
    /// To throw away what the terminal has not read.
    Discard { channel: usize },
    /// That the terminal is there, or gone (DTR).
    Terminal { channel: usize, ready: bool },
    /// To set what has no effect here.
    Setting,
    /// What the chip does not know.
    Unknown,
}

/// Reads a vendor request. Channels are counted from 1 on the wire.
pub(super) fn asked(setup: Setup) -> Asked {
    const TO_DEVICE: u8 = 0x40;
    const FROM_DEVICE: u8 = 0xc0;
    const DISCARD_READ: u16 = 1;
    let [set, mask] = setup.value.to_le_bytes();
    let [channel, _] = setup.index.to_le_bytes();
    let channel = usize::from(channel).saturating_sub(1);
    match (setup.kind, setup.request) {
        // 0 resets the channel, 2 throws away what the chip has not sent: it has sent everything.
        (TO_DEVICE, RESET) if setup.value <= DISCARD_READ => Asked::Discard { channel },
        (TO_DEVICE, MODEM_CONTROL) if mask & 1 != 0 => Asked::Terminal { channel, ready: set & 1 != 0 },
        (
            TO_DEVICE,
            RESET | MODEM_CONTROL | FLOW_CONTROL | BAUD_RATE | DATA | EVENT_CHARACTER | ERROR_CHARACTER | SET_LATENCY,
        ) => Asked::Setting,
        (FROM_DEVICE, MODEM_STATUS) => Asked::Data(STATUS.to_vec()),
        (FROM_DEVICE, READ_LATENCY) => Asked::Data(vec![LATENCY]),
        // Blank, as it is on most pools.
        (FROM_DEVICE, READ_EEPROM) => Asked::Data(vec![0xff, 0xff]),
        _ => Asked::Unknown,
    }
}

/// A transfer of at most `length` octets, taken from what waits; none if nothing does, or nothing fits.
pub(super) fn frame(waiting: &mut VecDeque<u8>, length: usize) -> Option<Vec<u8>> {
    let packet = usize::from(BULK_PACKET);
    let mut transfer = Vec::new();
    while !waiting.is_empty() {
        let room = (length - transfer.len()).min(packet);
        if room <= STATUS.len() {
            break;
        }
        let count = waiting.len().min(room - STATUS.len());
        transfer.extend(STATUS);
        transfer.extend(waiting.drain(..count));
        if count + STATUS.len() < packet {
            break;
        }
    }
    (!transfer.is_empty()).then_some(transfer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux's driver reads it.
    fn unframe(transfer: &[u8]) -> Vec<u8> {
        transfer.chunks(64).flat_map(|packet| packet.get(2..).unwrap_or_default()).copied().collect()
    }

    #[test]
    fn each_packet_of_a_transfer_carries_the_status() {
        // What waits, room in the transfer, octets of the transfer, what waits then.
        let table = [
            (0, 512, 0, 0),
            (1, 512, 3, 0),
            (61, 512, 63, 0),
            (62, 512, 64, 0),
            (63, 512, 67, 0),
            (1000, 512, 512, 1000 - 8 * 62),
            (10, 5, 5, 7),
            (10, 2, 0, 10),
            (10, 0, 0, 10),
            (100, 66, 64, 38),
            (100, 67, 67, 37),
        ];
        for (waits, room, sent, left) in table {
            let text: Vec<u8> = (0..waits).map(|at| at as u8).collect();
            let mut waiting = VecDeque::from(text.clone());
            let transfer = frame(&mut waiting, room).unwrap_or_default();
            assert_eq!((transfer.len(), waiting.len()), (sent, left), "{waits} in {room}");
            assert!(transfer.chunks(64).all(|packet| packet.starts_with(&STATUS)), "{waits} in {room}");
            assert_eq!(unframe(&transfer), text[..waits - left], "{waits} in {room}");
        }
    }

    #[test]
    fn vendor_requests_are_told_apart() {
        let setup = |kind, request, value, index| Setup { kind, request, value, index, length: 0 };
        let table = [
            (setup(0x40, 0x01, 0x0101, 3), Asked::Terminal { channel: 2, ready: true }),
            (setup(0x40, 0x01, 0x0100, 1), Asked::Terminal { channel: 0, ready: false }),
            (setup(0x40, 0x01, 0x0303, 4), Asked::Terminal { channel: 3, ready: true }),
            (setup(0x40, 0x01, 0x0202, 1), Asked::Setting),
            (setup(0x40, 0x00, 0, 2), Asked::Discard { channel: 1 }),
            (setup(0x40, 0x00, 1, 2), Asked::Discard { channel: 1 }),
            (setup(0x40, 0x00, 2, 2), Asked::Setting),
            (setup(0x40, 0x03, 0x001a, 0x0200), Asked::Setting),
            (setup(0xc0, 0x05, 0, 1), Asked::Data(vec![0x31, 0x60])),
            (setup(0xc0, 0x0a, 0, 1), Asked::Data(vec![16])),
            (setup(0xc0, 0x0b, 0, 1), Asked::Unknown),
            (setup(0x21, 0x22, 1, 0), Asked::Unknown),
        ];
        for (setup, asked_for) in table {
            assert_eq!(asked(setup), asked_for, "{setup:?}");
        }
    }
}

//! A card reader without a card, as sticks have one: bulk-only transport (USB mass storage class, bulk-only, 1.0) with
//! just enough SCSI that a system finds it, sees that it is empty, and leaves it alone.
//!
//! It has to answer: a system resets a device whose storage is mute, and its modem with it.

use std::collections::VecDeque;

use super::fields::{Fields, Octets};

const COMMAND_SIGNATURE: u32 = 0x4342_5355;
const STATUS_SIGNATURE: u32 = 0x5342_5355;
/// Transfers that may wait; a system sends the next command when it has the status of the last.
const MOST_TRANSFERS: usize = 16;
/// Octets of a command block wrapper.
const WRAPPER: usize = 31;

const REQUEST_SENSE: u8 = 0x03;
const INQUIRY: u8 = 0x12;

/// Removable direct-access device that follows SPC-2; no vendor, no product.
const INQUIRY_DATA: [u8; 36] = *b"\x00\x80\x04\x02\x1f\x00\x00\x00        Card reader     1.00";
/// Fixed format; key: not ready; additional sense code 3A: medium not present.
const SENSE_DATA: [u8; 18] = [0x70, 0, 0x02, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3a, 0, 0, 0, 0, 0];

/// The reader: commands in, transfers out.
#[derive(Debug, Default)]
pub(super) struct Storage {
    /// Transfers that the system has to fetch, in order.
    transfers: VecDeque<Vec<u8>>,
    /// Octets that the system still sends for a command, and the status after them.
    awaited: Option<(usize, Vec<u8>)>,
}

impl Storage {
    /// A transfer of the system.
    pub(super) fn take(&mut self, transfer: &[u8]) {
        if let Some((left, status)) = self.awaited.take() {
            match left.checked_sub(transfer.len()) {
                Some(left) if left > 0 => self.awaited = Some((left, status)),
                _ => self.transfers.push_back(status),
            }
        } else if self.transfers.len() < MOST_TRANSFERS
            && let Some(command) = Command::read(transfer)
        {
            self.execute(&command);
        }
    }

    /// The next transfer to the system, cut to what it has room for.
    pub(super) fn give(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut transfer = self.transfers.pop_front()?;
        transfer.truncate(length);
        Some(transfer)
    }

    /// Forgets what is under way.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    fn execute(&mut self, command: &Command) {
        let data: Option<&[u8]> = match command.operation {
            INQUIRY => Some(&INQUIRY_DATA),
            REQUEST_SENSE => Some(&SENSE_DATA),
            // Most of all TEST UNIT READY.
            _ => None,
        };
        let sent = data.map_or(0, |data| data.len().min(command.length));
        let residue = command.length - if command.reads { sent } else { 0 };
        let status = Octets::default()
            .u32(STATUS_SIGNATURE)
            .u32(command.tag)
            .u32(u32::try_from(residue).unwrap_or(u32::MAX))
            .u8(u8::from(data.is_none()))
            .0;
        if command.length > 0 && !command.reads {
            self.awaited = Some((command.length, status));
            return;
        }
        if command.length > 0 {
            // Less than what is wanted ends the data stage.
            self.transfers.push_back(data.and_then(|data| data.get(..sent)).unwrap_or_default().to_vec());
        }
        self.transfers.push_back(status);
    }
}

/// A command block wrapper.
#[derive(Debug)]
struct Command {
    tag: u32,
    length: usize,
    reads: bool,
    operation: u8,
}

impl Command {
    fn read(transfer: &[u8]) -> Option<Self> {
        let mut fields = Fields(transfer);
        if transfer.len() != WRAPPER || fields.u32()? != COMMAND_SIGNATURE {
            return None;
        }
        let (tag, length) = (fields.u32()?, usize::try_from(fields.u32()?).ok()?);
        let (flags, _unit, _octets) = (fields.u8()?, fields.u8()?, fields.u8()?);
        Some(Self { tag, length, reads: flags & 0x80 != 0, operation: fields.u8()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST_UNIT_READY: u8 = 0x00;

    fn command(operation: u8, length: u32, flags: u8) -> Vec<u8> {
        let head = Octets::default().u32(COMMAND_SIGNATURE).u32(7).u32(length).u8(flags).u8(0).u8(6).u8(operation);
        head.bytes(&[0; 15]).0
    }

    /// Operation, octets wanted; data, residue and result that come.
    type Case = (u8, u32, Option<&'static [u8]>, (u32, u8));

    fn status(residue: u32, failed: u8) -> Vec<u8> {
        Octets::default().u32(STATUS_SIGNATURE).u32(7).u32(residue).u8(failed).0
    }

    #[test]
    fn a_system_sees_an_empty_reader() {
        let table: [Case; 6] = [
            (INQUIRY, 36, Some(&INQUIRY_DATA), (0, 0)),
            (INQUIRY, 5, Some(&INQUIRY_DATA[..5]), (0, 0)),
            (INQUIRY, 255, Some(&INQUIRY_DATA), (219, 0)),
            (REQUEST_SENSE, 18, Some(&SENSE_DATA), (0, 0)),
            (TEST_UNIT_READY, 0, None, (0, 1)),
            (0x25, 8, Some(&[]), (8, 1)),
        ];
        for (operation, length, data, (residue, failed)) in table {
            let mut storage = Storage::default();
            storage.take(&command(operation, length, 0x80));
            if let Some(data) = data {
                assert_eq!(storage.give(512).as_deref(), Some(data), "{operation:02x}");
            }
            assert_eq!(storage.give(13), Some(status(residue, failed)), "{operation:02x}");
            assert_eq!(storage.give(13), None, "{operation:02x}");
        }
    }

    #[test]
    fn what_is_written_is_taken_and_refused() {
        let mut storage = Storage::default();
        storage.take(&command(0x2a, 1000, 0));
        storage.take(&[0; 600]);
        assert_eq!(storage.give(13), None);
        storage.take(&[0; 400]);
        assert_eq!(storage.give(13), Some(status(1000, 1)));
    }

    #[test]
    fn nonsense_is_left_alone() {
        let mut storage = Storage::default();
        for length in 0..40 {
            storage.take(&vec![0x55; length]);
            storage.take(&command(INQUIRY, 36, 0x80)[..length.min(30)]);
        }
        assert_eq!(storage.give(13), None);
    }
}

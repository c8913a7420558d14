//! A disk with a cache that loses its content when the power goes.
//!
//! What a killed QEMU had written is in this machine's page cache, and all of it survives: more than a real disk promises,
//! which is only what was there before the last flush that it confirmed. So QEMU notes every write and every flush in a
//! log, in the format of Linux's dm-log-writes, and what survives is put together from that: everything up to the last
//! flush, and of what came later every write or not, as the dice say, in whatever order.
//!
//! What this does not show: writes that are torn within a sector, a disk that lies about its flushes, and the wear of flash.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

use smsgate::emulator::Dice;

use crate::disk::Disk;

/// First octets of a log.
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// A disk under power.
pub struct Volatile {
    /// What a box sees of it, and an operator meanwhile.
    pub live: Disk,
}

/// What the power's going did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Loss {
    pub flushes: usize,
    pub writes: usize,
    /// Writes that were not flushed, and are gone.
    pub lost: usize,
}

impl Volatile {
    pub fn over(durable: &Disk) -> Self {
        let live = durable.copy();
        File::create(log_of(&live)).unwrap();
        Self { live }
    }

    /// For [`Options::writes`](crate::machine::Options::writes).
    pub fn log(&self) -> PathBuf {
        log_of(&self.live)
    }

    /// Puts onto the disk what survives the power's going now. Nothing may write any more.
    pub fn lose_power(self, durable: &Disk, dice: &mut Dice) -> Loss {
        let log = fs::read(self.log()).unwrap();
        if log.is_empty() {
            return Loss::default();
        }
        let entries = entries(&log);
        let flushed = entries.iter().rposition(|entry| entry.flags & FLUSH != 0).unwrap_or_default();
        let mut loss = Loss::default();
        let mut disk = File::options().write(true).open(durable.path()).unwrap();
        for (at, entry) in entries.iter().enumerate() {
            loss.flushes += usize::from(entry.flags & FLUSH != 0);
            if entry.data.is_empty() {
                continue;
            }
            loss.writes += 1;
            if at > flushed && dice.below(2) == 0 {
                loss.lost += 1;
                continue;
            }
            disk.seek(SeekFrom::Start(entry.offset)).unwrap();
            disk.write_all(entry.data).unwrap();
        }
        loss
    }
}

fn log_of(disk: &Disk) -> PathBuf {
    disk.path().with_extension("writes")
}

struct Entry<'a> {
    /// On the disk.
    offset: u64,
    flags: u64,
    data: &'a [u8],
}

/// Entries of a log, up to the first that was not written to its end.
fn entries(log: &[u8]) -> Vec<Entry<'_>> {
    let number = |at: usize| -> Option<u64> { Some(u64::from_le_bytes(log.get(at..at + 8)?.try_into().unwrap())) };
    assert_eq!(number(0), Some(MAGIC), "this is no log of writes");
    let sector = u64::from_le_bytes([log[24], log[25], log[26], log[27], 0, 0, 0, 0]);
    let step = usize::try_from(sector).unwrap();
    let mut found = Vec::new();
    let mut at = step;
    let read = |at: usize| -> Option<Entry<'_>> {
        let (start, count, flags) = (number(at)?, number(at + 8)?, number(at + 16)?);
        let written = if flags & DISCARD == 0 { usize::try_from(count * sector).unwrap() } else { 0 };
        (count > 0 || flags != 0).then_some(())?;
        Some(Entry { offset: start * sector, flags, data: log.get(at + step..at + step + written)? })
    };
    while let Some(entry) = read(at) {
        at += step + entry.data.len();
        found.push(entry);
    }
    found
}

#[test]
fn what_was_flushed_survives_and_of_the_rest_only_some() {
    let mut log = vec![0; 512];
    log[..8].copy_from_slice(&MAGIC.to_le_bytes());
    log[24..28].copy_from_slice(&512_u32.to_le_bytes());
    let mut note = |sector: u64, flags: u64, data: &[u8]| {
        let mut head = vec![0; 512];
        let count = u64::try_from(data.len() / 512).unwrap();
        for (at, value) in [sector, count, flags, u64::try_from(data.len()).unwrap()].into_iter().enumerate() {
            head[at * 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
        log.extend(head);
        log.extend(data);
    };
    note(0, 0, &[1; 1024]);
    note(0, FLUSH, &[]);
    (2..66).for_each(|sector| note(sector, 0, &[2; 512]));
    // This one was being noted when the end came.
    log.extend([9, 0, 0, 0, 0, 0, 0, 0, 8]);
    let disk = Disk::fresh();
    let volatile = Volatile::over(&disk);
    fs::write(volatile.log(), log).unwrap();
    let loss = volatile.lose_power(&disk, &mut Dice::new(7));
    assert_eq!((loss.flushes, loss.writes), (1, 65));
    assert!((16..48).contains(&loss.lost), "{loss:?}");
    let mut octets = vec![0; 66 * 512];
    File::open(disk.path()).unwrap().read_exact(&mut octets).unwrap();
    assert!(octets[..1024].iter().all(|octet| *octet == 1));
    let survived = octets[1024..].chunks(512).filter(|sector| sector.iter().all(|octet| *octet == 2)).count();
    assert_eq!(survived, 64 - loss.lost);
}

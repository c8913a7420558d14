//! Lines as a modem might print them, broken by chance; the same seed makes the same ones.

use smsgate::emulator::Dice;

use super::rig::traffic::within;

/// What is broken.
const LINES: &[&str] = &[
    "OK",
    "ERROR",
    "> ",
    "RING",
    "NO CARRIER",
    "+CREG: 1,\"01A2\",\"0F3B\",7",
    "+CGREG: 5",
    "+CSQ: 21,99",
    "+COPS: 0,0,\"Net\",2",
    "+CMTI: \"SM\",7",
    "+CMTI: \"ME\",65535",
    "+CDSI: \"SR\",3",
    "+CMGL: 1,1,,29",
    "+CMGR: 0,,29",
    "+CMGS: 255",
    "+CMT: ,29\r\n0004039121436500086211202212008002D83D",
    "+CDS: 25\r\n0006010A9121436587096211202212008062112022120080",
    "+CPMS: \"SM\",3,50,\"SM\",3,50,\"SM\",3,50",
    "+CUSD: 0,\"00480065006C006C006F\",72",
    "+CME ERROR: 515",
    "+CMS ERROR: 38",
    "+CPIN: SIM PIN",
    "+CLIP: \"+491701234567\",145,,,,0",
    "^RSSI: 31",
    "^SIMST: 0",
    "+CIEV: \"SMSFULL\",1",
    "RDY",
    "Call Ready",
    "+CPBR: 1,\"\\\"\",129,\"\"",
];

/// The next one, ended as modems end lines, mostly.
pub fn broken_line(dice: &mut Dice) -> Vec<u8> {
    let mut line = LINES[within(dice, LINES.len())].as_bytes().to_vec();
    for _ in 0..dice.below(4) {
        let at = within(dice, line.len() + 1);
        match dice.below(6) {
            0 => line.truncate(at),
            1 => line.insert(at, octet(dice)),
            2 if at < line.len() => line[at] = octet(dice),
            3 => line.extend_from_within(at..),
            4 => line.splice(at..at, LINES[within(dice, LINES.len())].bytes()).for_each(drop),
            _ => line.splice(at..at, dice.below(u64::MAX).to_string().bytes()).for_each(drop),
        }
    }
    match dice.below(16) {
        0 => line.push(b'\n'),
        1 => line.push(b'\r'),
        _ => line.extend(b"\r\n"),
    }
    line
}

fn octet(dice: &mut Dice) -> u8 {
    u8::try_from(dice.below(256)).unwrap()
}

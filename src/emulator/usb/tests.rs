//! Conversations of a machine with devices, octet for octet, without sockets.
//!
//! The machine's side is written here anew and shares no code with the device's.

use proptest::prelude::*;

use super::{
    device::Event,
    kinds::{KINDS, Kind},
    packet::{Codec, Malformed},
    redir::Redirection,
};

/// Capabilities as QEMU names them: all but the acknowledgement of a disconnection.
const QEMU: u32 = 0b1111_0111;
/// Version and device only.
const OLD: u32 = 0b10;

/// The machine's end: writes requests, takes answers apart.
struct Machine {
    side: Redirection,
    long: bool,
    long_bulk: bool,
}

/// Type, id and body.
type Packet = (u32, u64, Vec<u8>);

impl Machine {
    fn new(capabilities: u32) -> Self {
        let mut machine = Self { side: Redirection::new(), long: false, long_bulk: false };
        let greeting = machine.answers();
        assert_eq!(greeting.len(), 1);
        let (kind, id, body) = &greeting[0];
        assert_eq!((*kind, *id, body.len()), (0, 0, 68));
        assert!(body.starts_with(b"smsgate ") && body[63] == 0);
        assert_eq!(body[64..], [0b0111_1110, 0, 0, 0]);
        machine.send(0, 0, &hello(capabilities));
        machine.long = capabilities & 1 << 5 != 0;
        machine.long_bulk = capabilities & 1 << 6 != 0;
        machine
    }

    /// With a device, configured.
    fn with(kind: &'static Kind) -> Self {
        let mut machine = Self::new(QEMU);
        machine.side.plug(kind);
        machine.send(6, 1, &[1]);
        let last = machine.answers().pop().unwrap();
        assert_eq!(last, (8, 1, vec![0, 1]));
        machine
    }

    fn packet(&self, kind: u32, id: u64, body: &[u8]) -> Vec<u8> {
        let head = [kind.to_le_bytes(), (body.len() as u32).to_le_bytes()].concat();
        let id = if self.long { id.to_le_bytes().to_vec() } else { (id as u32).to_le_bytes().to_vec() };
        [head, id, body.to_vec()].concat()
    }

    fn send(&mut self, kind: u32, id: u64, body: &[u8]) {
        let packet = self.packet(kind, id, body);
        self.side.handle_input(&packet).unwrap();
    }

    /// What has come since the last call.
    fn answers(&mut self) -> Vec<Packet> {
        let octets = self.side.output().to_vec();
        self.side.sent(octets.len());
        self.split(&octets)
    }

    fn split(&self, mut octets: &[u8]) -> Vec<Packet> {
        let mut packets = Vec::new();
        while !octets.is_empty() {
            let kind = u32::from_le_bytes(octets[..4].try_into().unwrap());
            let length = u32::from_le_bytes(octets[4..8].try_into().unwrap()) as usize;
            let head = if self.long { 16 } else { 12 };
            let id = octets[8..head].iter().rev().fold(0, |id, octet| id << 8 | u64::from(*octet));
            packets.push((kind, id, octets[head..head + length].to_vec()));
            octets = &octets[head + length..];
        }
        packets
    }

    fn control(&mut self, id: u64, setup: [u8; 8], data: &[u8]) {
        let [kind, request, value @ ..] = setup;
        let body = [&[kind & 0x80, request, kind, 0], &value[..], data].concat();
        self.send(100, id, &body);
    }

    fn bulk(&mut self, id: u64, endpoint: u8, length: u16, data: &[u8]) {
        let [low, high] = length.to_le_bytes();
        let mut body = vec![endpoint, 0, low, high, 0, 0, 0, 0];
        if self.long_bulk {
            body.extend([0, 0]);
        }
        body.extend(data);
        self.send(101, id, &body);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.side.poll_event()).collect()
    }
}

fn hello(capabilities: u32) -> Vec<u8> {
    [&[0; 64], &capabilities.to_le_bytes()[..]].concat()
}

fn kind(name: &str) -> &'static Kind {
    Kind::named(name).unwrap()
}

#[test]
fn a_device_is_announced_once_the_machine_has_greeted() {
    let mut side = Redirection::new();
    let greeting = side.output().len();
    side.plug(kind("sim7600e"));
    assert_eq!(side.output().len(), greeting, "nobody knows yet how long ids are");
    side.handle_input(&[&[0, 0, 0, 0, 68, 0, 0, 0, 0, 0, 0, 0], &hello(QEMU)[..]].concat()).unwrap();
    side.sent(greeting);
    let mut machine = Machine { side, long: true, long_bulk: true };
    let [endpoints, interfaces, connect] = &machine.answers()[..] else { panic!("three packets") };
    assert_eq!((endpoints.0, endpoints.2.len()), (5, 160));
    assert_eq!((interfaces.0, interfaces.2.len()), (4, 132));
    assert_eq!(*connect, (1, 0, vec![1, 0, 0, 0, 0x0e, 0x1e, 0x01, 0x90, 0x18, 0x03]));
    assert_eq!(interfaces.2[..12], [6, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0]);
    assert_eq!(interfaces.2[36..42], [255; 6]);
    // Endpoint 3 out and in are bulk, 11 in is interrupt; all three belong to the interface 2.
    let [types, rest] = [&endpoints.2[..32], &endpoints.2[32..]];
    assert_eq!([types[0], types[3], types[15], types[16], types[19], types[27]], [0, 2, 255, 0, 2, 3]);
    assert_eq!([rest[32 + 3], rest[32 + 19], rest[32 + 27]], [2, 2, 2]);
    assert_eq!(rest[64 + 2 * 19..64 + 2 * 19 + 2], [64, 0]);
}

#[test]
fn structures_are_as_short_as_an_old_machine_wants_them() {
    let mut machine = Machine::new(0);
    machine.side.plug(kind("mf190"));
    let lengths: Vec<_> = machine.answers().into_iter().map(|(kind, _, body)| (kind, body.len())).collect();
    assert_eq!(lengths, [(5, 96), (4, 132), (1, 8)]);
    let mut machine = Machine::new(OLD);
    machine.side.plug(kind("mf190"));
    assert_eq!(machine.answers().pop().unwrap().2.len(), 10);
    machine.send(6, 1, &[1]);
    machine.answers();
    machine.bulk(2, 0x03, 3, b"AT\r");
    assert_eq!(machine.answers(), [(101, 2, vec![3, 0, 3, 0, 0, 0, 0, 0])]);
}

#[test]
fn a_read_waits_until_there_is_something_to_read() {
    let mut machine = Machine::with(kind("sim7600e"));
    machine.bulk(1 << 40, 0x83, 512, &[]);
    machine.bulk(8, 0x83, 4, &[]);
    assert_eq!(machine.answers(), []);
    machine.side.transmit(0, b"RDY");
    assert_eq!(machine.answers(), [(101, 1 << 40, b"\x83\0\x03\0\0\0\0\0\0\0RDY".to_vec())]);
    machine.side.transmit(0, b"+CREG: 1");
    assert_eq!(machine.answers(), [(101, 8, b"\x83\0\x04\0\0\0\0\0\0\0+CRE".to_vec())]);
    machine.bulk(9, 0x83, 512, &[]);
    assert_eq!(machine.answers(), [(101, 9, b"\x83\0\x04\0\0\0\0\0\0\0G: 1".to_vec())]);
}

#[test]
fn a_read_that_is_not_wanted_any_more_loses_nothing() {
    let mut machine = Machine::with(kind("sim7600e"));
    machine.bulk(7, 0x83, 512, &[]);
    machine.send(21, 7, &[]);
    assert_eq!(machine.answers(), [(101, 7, vec![0x83, 1, 0, 0, 0, 0, 0, 0, 0, 0])]);
    machine.send(21, 7, &[]);
    machine.side.transmit(0, b"x");
    assert_eq!(machine.answers(), []);
    machine.bulk(8, 0x83, 512, &[]);
    assert_eq!(machine.answers().len(), 1);
}

#[test]
fn what_is_written_goes_to_the_modem_of_that_interface() {
    for kind in KINDS {
        let mut machine = Machine::with(kind);
        for (modem, interface) in kind.modem_interfaces().enumerate() {
            let endpoint = kind.interfaces[interface].bulk_out;
            machine.bulk(5, endpoint, 3, b"AT\r");
            assert_eq!(machine.answers(), [(101, 5, vec![endpoint, 0, 3, 0, 0, 0, 0, 0, 0, 0])], "{}", kind.name);
            assert_eq!(machine.events(), [Event::Input { modem, bytes: b"AT\r".to_vec() }], "{}", kind.name);
        }
    }
}

#[test]
fn the_terminal_goes_when_it_says_so_or_the_device_is_reset() {
    // Set-up stages that raise and drop DTR.
    let table: [(&str, usize, [u8; 8], [u8; 8]); 2] = [
        ("sim7600e", 0, [0x21, 0x22, 3, 0, 2, 0, 0, 0], [0x21, 0x22, 0, 0, 2, 0, 0, 0]),
        ("ft4232h", 2, [0x40, 1, 1, 1, 3, 0, 0, 0], [0x40, 1, 0, 1, 3, 0, 0, 0]),
    ];
    for (name, modem, up, down) in table {
        let closed = [Event::Closed { modem }];
        let mut machine = Machine::with(kind(name));
        machine.control(1, down, &[]);
        assert_eq!(machine.events(), [], "{name}: nobody was there");
        machine.control(1, up, &[]);
        machine.control(2, up, &[]);
        assert_eq!(machine.events(), [], "{name}");
        machine.control(3, down, &[]);
        assert_eq!(machine.events(), closed, "{name}");
        machine.control(4, up, &[]);
        machine.send(3, 0, &[]);
        assert_eq!(machine.events(), closed, "{name}: reset");
        machine.send(6, 5, &[1]);
        machine.control(6, up, &[]);
        machine.send(6, 7, &[0]);
        assert_eq!(machine.events(), closed, "{name}: no configuration any more");
    }
}

#[test]
fn nobody_hears_what_was_for_the_one_before() {
    let mut machine = Machine::with(kind("sim7600e"));
    machine.control(1, [0x21, 0x22, 3, 0, 2, 0, 0, 0], &[]);
    machine.side.transmit(0, b"for the first");
    machine.control(2, [0x21, 0x22, 0, 0, 2, 0, 0, 0], &[]);
    machine.answers();
    machine.bulk(3, 0x83, 512, &[]);
    assert_eq!(machine.answers(), []);
}

#[test]
fn requests_are_answered_as_a_device_answers_them() {
    // Set-up stage; status and data.
    let table: [([u8; 8], u8, &[u8]); 10] = [
        ([0x80, 6, 0, 1, 0, 0, 8, 0], 0, &[18, 1, 0, 2, 0, 0, 0, 64]),
        ([0x80, 6, 0, 3, 0, 0, 255, 0], 0, &[4, 3, 9, 4]),
        ([0x80, 6, 0, 6, 0, 0, 10, 0], 4, &[]),
        ([0x80, 0, 0, 0, 0, 0, 2, 0], 0, &[0, 0]),
        ([0x02, 1, 0, 0, 0x83, 0, 0, 0], 0, &[]),
        ([0x21, 0x22, 1, 0, 2, 0, 0, 0], 0, &[]),
        ([0x21, 0x22, 1, 0, 9, 0, 0, 0], 4, &[]),
        ([0xa1, 0xfe, 0, 0, 3, 0, 1, 0], 0, &[0]),
        ([0xa1, 0xfe, 0, 0, 2, 0, 1, 0], 4, &[]),
        ([0xc0, 5, 0, 0, 1, 0, 2, 0], 4, &[]),
    ];
    let mut machine = Machine::with(kind("mf190"));
    for (setup, status, data) in table {
        machine.control(77, setup, &[]);
        let [answer] = &machine.answers()[..] else { panic!("one answer") };
        let length = (data.len() as u16).to_le_bytes();
        let [kind, request, value @ ..] = setup;
        let mut body = [&[kind & 0x80, request, kind, status], &value[..4], &length, data].concat();
        if kind & 0x80 == 0 {
            body.truncate(10);
        }
        assert_eq!(*answer, (100, 77, body), "{setup:02x?}");
    }
}

#[test]
fn what_a_modem_cannot_do_is_refused_and_nothing_hangs() {
    // Type and body of the request; type and body of the answer.
    let table: [(u32, &[u8], u32, &[u8]); 13] = [
        (7, &[], 8, &[0, 1]),
        (6, &[2], 8, &[4, 1]),
        (9, &[2, 0], 11, &[0, 2, 0]),
        (9, &[2, 1], 11, &[4, 2, 1]),
        (9, &[9, 0], 11, &[4, 9, 0]),
        (10, &[2], 11, &[0, 2, 0]),
        (12, &[0x81, 1, 1], 14, &[2, 0x81]),
        (15, &[0x8b], 17, &[0, 0x8b]),
        (15, &[0x81], 17, &[2, 0x81]),
        (16, &[0x8b], 17, &[0, 0x8b]),
        (18, &[1, 0, 0, 0, 2, 0, 0, 0], 20, &[1, 0, 0, 0, 2, 0, 0, 0, 2]),
        (25, &[0, 0, 0, 0, 0, 2, 0, 0, 0x81, 1], 27, &[0, 0, 0, 0, 0x81, 2]),
        (103, &[0x0b, 0, 1, 0, 7], 103, &[0x0b, 2, 1, 0]),
    ];
    let mut machine = Machine::with(kind("sim7600e"));
    for (kind, body, answered, answer) in table {
        machine.send(kind, 99, body);
        let answers: Vec<_> = machine.answers().into_iter().filter(|(kind, ..)| ![4, 5].contains(kind)).collect();
        assert_eq!(answers, [(answered, 99, answer.to_vec())], "{kind} {body:02x?}");
    }
    for (kind, body) in [(23, &b"0x03,-1,-1,-1,0\0"[..]), (24, &[]), (102, &[1, 0, 0, 0]), (999, &[1, 2, 3])] {
        machine.send(kind, 99, body);
        assert_eq!(machine.answers(), [], "{kind}");
    }
    assert!(!machine.side.take_rejected());
    machine.send(22, 0, &[]);
    assert!(machine.side.take_rejected());
}

#[test]
fn unknown_and_unconfigured_endpoints_are_refused() {
    let mut machine = Machine::with(kind("sim7600e"));
    machine.bulk(1, 0x8f, 64, &[]);
    machine.bulk(2, 0x0f, 1, b"x");
    machine.send(6, 3, &[0]);
    machine.bulk(4, 0x83, 64, &[]);
    machine.bulk(5, 0x03, 1, b"x");
    let refused: Vec<_> =
        machine.answers().into_iter().filter(|(kind, ..)| *kind == 101).map(|(_, id, body)| (id, body[1])).collect();
    assert_eq!(refused, [(1, 2), (2, 2), (4, 2), (5, 2)]);
    assert_eq!(machine.events(), []);
}

#[test]
fn reads_and_what_waits_are_bounded() {
    let mut machine = Machine::with(kind("sim7600e"));
    for id in 0..100 {
        machine.bulk(id, 0x83, 64, &[]);
    }
    assert_eq!(machine.answers().len(), 36, "more reads than a driver has are refused");
    let mut machine = Machine::with(kind("sim7600e"));
    machine.side.transmit(0, &[b'x'; 100_000]);
    let mut read = 0;
    for id in 0..1000 {
        machine.bulk(id, 0x83, 64, &[]);
        read += machine.answers().first().map_or(0, |(_, _, body)| body.len() - 10);
    }
    assert_eq!(read, 16 * 1024);
}

#[test]
fn an_unplugged_device_ends_its_reads_first() {
    let mut machine = Machine::with(kind("ft4232h"));
    machine.bulk(7, 0x81, 512, &[]);
    machine.side.unplug();
    let answers: Vec<_> = machine.answers().into_iter().map(|(kind, id, _)| (kind, id)).collect();
    assert_eq!(answers, [(101, 7), (2, 0)]);
    machine.bulk(8, 0x81, 512, &[]);
    machine.side.transmit(0, b"nobody");
    assert_eq!(machine.answers(), []);
    machine.side.plug(kind("huawei"));
    let connect = machine.answers().pop().unwrap();
    assert_eq!((connect.0, &connect.2[4..8]), (1, &[0xd1, 0x12, 0x06, 0x15][..]));
    machine.side.plug(kind("mf190"));
    let kinds: Vec<_> = machine.answers().into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, [2, 5, 4, 1], "another one at the same port: the first goes");
}

#[test]
fn a_bridge_frames_what_its_modules_say() {
    let mut machine = Machine::with(kind("ft4232h"));
    machine.bulk(1, 0x85, 512, &[]);
    machine.side.transmit(2, &[b'x'; 70]);
    let [(101, 1, body)] = &machine.answers()[..] else { panic!("one answer") };
    assert_eq!(body[10..12], [0x31, 0x60]);
    assert_eq!(body[74..76], [0x31, 0x60]);
    assert_eq!(body.len(), 10 + 70 + 4);
}

#[test]
fn octets_that_make_no_packets_end_the_connection() {
    let greeting = [&[0, 0, 0, 0, 68, 0, 0, 0, 0, 0, 0, 0], &hello(0)[..]].concat();
    let table = [
        (vec![3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Malformed::NotGreeted { kind: 3 }),
        (vec![0, 0, 0, 0, 255, 255, 255, 255], Malformed::TooLong { kind: 0, length: 0xffff_ffff }),
        (vec![0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3], Malformed::TooShort { kind: 0, length: 3 }),
        ([&greeting[..], &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat(), Malformed::TooShort { kind: 6, length: 0 }),
        (
            [&greeting[..], &[100, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2]].concat(),
            Malformed::TooShort { kind: 100, length: 2 },
        ),
    ];
    for (octets, error) in table {
        assert_eq!(Redirection::new().handle_input(&octets), Err(error), "{octets:?}");
    }
    let mut codec = Codec::default();
    codec.push(&greeting[..70]);
    assert_eq!(codec.next(), Ok(None), "cut off is not wrong yet");
}

/// A machine's words to a device, as one row of octets.
fn conversation() -> Vec<u8> {
    let mut machine = Machine { side: Redirection::new(), long: false, long_bulk: true };
    let mut octets = machine.packet(0, 0, &hello(QEMU));
    machine.long = true;
    octets.extend(machine.packet(6, 1, &[1]));
    octets.extend(machine.packet(100, 2, &[0x80, 6, 0x80, 0, 0, 2, 0, 0, 0, 2]));
    octets.extend(machine.packet(100, 3, &[0, 0x22, 0x21, 0, 3, 0, 3, 0, 0, 0]));
    octets.extend(machine.packet(101, 4, &[0x84, 0, 0, 2, 0, 0, 0, 0, 0, 0]));
    octets.extend(machine.packet(101, 5, &[b"\x04\0\x03\0\0\0\0\0\0\0", &b"AT\r"[..]].concat()));
    octets.extend(machine.packet(101, 6, &[b"\x03\0\x03\0\0\0\0\0\0\0", &b"AT\r"[..]].concat()));
    octets.extend(machine.packet(21, 4, &[]));
    octets
}

/// What a device answers, and what its modem hears, when octets come in these pieces.
fn answered<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<Event>) {
    let mut side = Redirection::new();
    side.plug(kind("sim7600e"));
    let mut events = Vec::new();
    for piece in pieces {
        if side.handle_input(piece).is_err() {
            break;
        }
        events.extend(std::iter::from_fn(|| side.poll_event()));
    }
    (side.output().to_vec(), events)
}

proptest! {
    #[test]
    fn pieces_make_no_difference(cuts in proptest::collection::vec(0_usize..500, 0..40)) {
        let octets = conversation();
        let whole = answered(std::iter::once(&octets[..]));
        prop_assert_eq!(&whole.1, &[Event::Input { modem: 0, bytes: b"AT\r".to_vec() }]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(octets.len())).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let chopped = answered(cuts.windows(2).map(|cut| &octets[cut[0]..cut[1]]));
        prop_assert_eq!(chopped, whole);
        let bytewise = answered(octets.chunks(1));
        prop_assert_eq!(bytewise, answered(std::iter::once(&octets[..])));
    }

    #[test]
    fn any_octets_are_survived(noise in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..400, which in 0..4_usize) {
        let mut octets = conversation();
        octets.splice(at.min(octets.len())..at.min(octets.len()), noise.iter().copied());
        answered(std::iter::once(&octets[..]));
        answered(noise.chunks(7));
        // Well-formed frames around nonsense, of every type.
        let mut machine = Machine::with(&KINDS[which]);
        for kind in (1..28).chain(100..105) {
            let packet = machine.packet(kind, 1, &noise);
            let _ = machine.side.handle_input(&packet);
        }
        machine.side.transmit(0, &noise);
        machine.side.unplug();
        machine.answers();
    }
}

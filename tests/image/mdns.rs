//! A question for the box's name by multicast DNS (RFC 6762), from a resolver that is none of its own: answered to
//! whoever asked (6.7).

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

/// A free UDP port.
pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks for the address of smsgate.local at the port behind which the box's mDNS is.
pub fn the_box_answers_for_its_name(port: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let question = question("smsgate.local");
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut answer = [0; 1500];
    let length = loop {
        assert!(Instant::now() < deadline, "nobody answers for smsgate.local");
        socket.send_to(&question, ("127.0.0.1", port)).unwrap();
        if let Ok(length) = socket.recv(&mut answer) {
            break length;
        }
    };
    let answer = &answer[..length];
    assert_eq!(answer[..2], question[..2], "the id of the question");
    assert!(answer[2] & 0x80 != 0 && answer[7] > 0, "no answer: {answer:02x?}");
    // The box's address at QEMU's network, at the end of the record.
    assert!(answer.windows(6).any(|octets| octets == [0, 4, 10, 0, 2, 15]), "{answer:02x?}");
}

/// RFC 1035 4.1: a question for the IPv4 address.
fn question(name: &str) -> Vec<u8> {
    let mut octets = vec![0x5a, 0x17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        octets.push(u8::try_from(label.len()).unwrap());
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    octets
}

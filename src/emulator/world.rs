//! Modems and network together: carries what one says to the other until both are quiet. Sans-IO.

use std::{collections::VecDeque, time::Duration};

use super::{
    faults::Fault,
    modem::{Event, Modem, Taken},
    network::{Happening, Network, seconds},
};

/// Modems in a network.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub network: Network,
    modems: Vec<Modem>,
}

impl World {
    /// A world without modems.
    #[must_use]
    pub const fn new(network: Network) -> Self {
        Self { network, modems: Vec::new() }
    }

    /// Adds a modem; its index.
    pub fn add(&mut self, modem: Modem) -> usize {
        self.network.subscribe(&modem.number);
        self.modems.push(modem);
        self.modems.len() - 1
    }

    /// A modem.
    #[must_use]
    pub fn modem(&self, index: usize) -> Option<&Modem> {
        self.modems.get(index)
    }

    /// All modems.
    #[must_use]
    pub fn modems(&self) -> &[Modem] {
        &self.modems
    }

    /// Bytes from a terminal.
    pub fn handle_input(&mut self, now: Duration, index: usize, bytes: &[u8]) {
        if let Some(modem) = self.modems.get_mut(index) {
            modem.handle_input(now, bytes);
        }
        self.settle(now);
    }

    /// All bytes for a terminal that are due, in the pieces to write.
    pub fn poll_output(&mut self, now: Duration, index: usize) -> VecDeque<Vec<u8>> {
        self.modems
            .get_mut(index)
            .map(|modem| std::iter::from_fn(|| modem.poll_output(now)).collect())
            .unwrap_or_default()
    }

    /// Starts a fault; false if there is no such modem.
    pub fn start_fault(&mut self, now: Duration, index: usize, fault: Fault) -> bool {
        let Some(modem) = self.modems.get_mut(index) else { return false };
        modem.start_fault(now, fault);
        self.settle(now);
        true
    }

    /// When [`Self::settle`] has something to do.
    #[must_use]
    pub fn poll_timeout(&self, now: Duration) -> Option<Duration> {
        self.modems.iter().filter_map(Modem::poll_timeout).chain(self.network.poll_timeout(now)).min()
    }

    /// Carries everything that is due.
    pub fn settle(&mut self, now: Duration) {
        for modem in &mut self.modems {
            modem.handle_timeout(now);
        }
        let mut again = true;
        while again {
            again = false;
            for modem in &mut self.modems {
                while let Some(event) = modem.poll_event() {
                    again = true;
                    handle(&mut self.network, modem, now, event);
                }
                while modem.registered() {
                    let number = modem.number.clone();
                    let Some(item) = self.network.take(now, &number) else { break };
                    let twice = modem.faults.duplicate.then(|| item.clone());
                    match modem.deliver(now, item) {
                        Taken::Done(item) => self.network.delivered(now, &number, &item),
                        Taken::Awaited => {}
                        Taken::Full(item) => {
                            self.network.put_back(now, &number, item, false);
                            break;
                        }
                    }
                    again = true;
                    if let Some(item) = twice {
                        modem.faults.duplicate = false;
                        self.network.put_back(now, &number, item, false);
                    }
                }
            }
        }
    }
}

fn handle(network: &mut Network, modem: &mut Modem, now: Duration, event: Event) {
    let number = modem.number.clone();
    match event {
        Event::Submit(pdu) => {
            let result = network.submit(now, &number, &pdu);
            modem.submitted(now + seconds(network.conditions.submit_latency), result);
        }
        Event::Acknowledged(item) => {
            network.note(now, &number, Happening::Acknowledged { id: item.id });
            network.delivered(now, &number, &item);
        }
        Event::Refused(item) => network.put_back(now, &number, item, true),
        Event::Deleted(id) => network.note(now, &number, Happening::Deleted { id }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::{PERSONALITIES, Personality};

    fn world() -> World {
        let mut world = World::new(Network::new(jiff::Timestamp::UNIX_EPOCH, 1));
        for (at, personality) in PERSONALITIES.iter().enumerate() {
            world.add(Modem::new(personality, &format!("+4917000000{at:02}"), at as u64));
        }
        world
    }

    fn say(world: &mut World, index: usize, text: &str) -> String {
        world.handle_input(Duration::ZERO, index, text.as_bytes());
        let bytes: Vec<u8> = world.poll_output(Duration::ZERO, index).into_iter().flatten().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn every_personality_answers_bring_up() {
        let mut world = world();
        for index in 0..PERSONALITIES.len() {
            assert!(say(&mut world, index, "ATE0\r").ends_with("\r\nOK\r\n"));
            for command in ["AT+CMEE=1", "AT+CPIN?", "AT+CIMI", "AT+CSMS=1", "AT+CMGF=0", "AT+CPMS=?", "AT+CSQ"] {
                assert!(say(&mut world, index, &format!("{command}\r")).ends_with("\r\nOK\r\n"), "{command} {index}");
            }
            assert_eq!(say(&mut world, index, "AT+WHAT\r"), "\r\nERROR\r\n");
        }
    }

    #[test]
    fn a_message_reaches_another_modem_and_its_report_comes_back() {
        let mut world = world();
        say(&mut world, 0, "ATE0\rAT+CSMS=1\rAT+CNMI=2,1,0,1,0\r");
        say(&mut world, 1, "ATE0\rAT+CNMI=2,1,0,1,0\r");
        // To +491700000001, "hello", report asked for.
        let pdu = "0021000C91947100000010000005E8329BFD06";
        assert!(say(&mut world, 0, "AT+CMGS=18\r").ends_with("> "));
        let answer = say(&mut world, 0, &format!("{pdu}\x1a"));
        assert!(answer.contains("+CMGS: 0\r\n"), "{answer}");
        assert!(answer.contains("+CDS: "), "{answer}");
        assert!(say(&mut world, 1, "").contains("+CMTI: \"SM\",1"));
        assert!(say(&mut world, 1, "AT+CMGL=4\r").contains("E8329BFD06"));
        assert!(say(&mut world, 1, "AT+CMGD=1\r").contains("OK"));
        assert!(world.network.ledger().iter().any(|entry| matches!(entry.what, Happening::Deleted { .. })));
    }

    #[test]
    fn a_full_memory_leaves_the_rest_in_the_network() {
        let mut world = world();
        world.start_fault(Duration::ZERO, 0, Fault::LimitMemory { slots: Some(1) });
        let pdu = crate::tpdu::EncodedPdu { hex: "00".to_owned(), tpdu_octets: 0 };
        for _ in 0..2 {
            world.network.enqueue(Duration::ZERO, "+491700000000", pdu.clone(), None, false);
        }
        world.settle(Duration::ZERO);
        assert_eq!(world.network.waiting(), 1);
        say(&mut world, 0, "AT+CMGD=1\r");
        assert_eq!(world.network.waiting(), 0);
    }

    #[test]
    fn short_names_of_models_will_do() {
        assert_eq!(Personality::named("m35").map(|one| one.name), Some("quectel-m35"));
        assert!(Personality::named("nokia").is_none());
    }
}

//! One connection of a virtual machine, on which devices come and go: octets in, octets and events out. Sans-IO.
//!
//! Nothing is sent but the greeting before the other side's is there, for only then it is known how long ids are.

use super::{
    device::{Device, Event},
    kinds::Kind,
    packet::{Codec, Malformed, Reply, Request},
};

/// A connection.
#[derive(Debug)]
pub(super) struct Redirection {
    codec: Codec,
    device: Option<Device>,
    /// The device is to be announced.
    announce: bool,
    /// The machine did not want the device.
    rejected: bool,
    output: Vec<u8>,
}

impl Redirection {
    /// A connection from its beginning.
    pub(super) fn new() -> Self {
        let codec = Codec::default();
        let output = codec.write(0, &Reply::Hello);
        Self { codec, device: None, announce: false, rejected: false, output }
    }

    /// A device is plugged in; another one that was there goes.
    pub(super) fn plug(&mut self, kind: &'static Kind) {
        self.unplug();
        self.device = Some(Device::new(kind));
        self.announce = true;
        self.rejected = false;
        self.flush();
    }

    /// The device is pulled out.
    pub(super) fn unplug(&mut self) {
        if let Some(mut device) = self.device.take()
            && !std::mem::take(&mut self.announce)
        {
            device.disconnect();
            self.write(device.take_replies());
        }
    }

    /// Octets from the machine.
    ///
    /// # Errors
    /// What follows cannot be told apart: the connection has to end.
    pub(super) fn handle_input(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.codec.push(bytes);
        while let Some((id, request)) = self.codec.next()? {
            if request == Request::Rejected {
                self.rejected = true;
            }
            if let Some(device) = &mut self.device {
                device.handle(id, request);
            }
            self.flush();
        }
        Ok(())
    }

    /// Bytes that one of the device's modems says.
    pub(super) fn transmit(&mut self, modem: usize, bytes: &[u8]) {
        if let Some(device) = &mut self.device {
            device.transmit(modem, bytes);
        }
        self.flush();
    }

    /// Octets for the machine that were not taken yet.
    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// So many octets were sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.output.drain(..count.min(self.output.len()));
    }

    /// What the device's modems have to know.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.device.as_mut()?.poll_event()
    }

    /// Whether the machine has refused the device since the last call.
    pub(super) fn take_rejected(&mut self) -> bool {
        std::mem::take(&mut self.rejected)
    }

    fn flush(&mut self) {
        if !self.codec.greeted() {
            return;
        }
        let Some(device) = &mut self.device else { return };
        if std::mem::take(&mut self.announce) {
            device.connect();
        }
        let replies = device.take_replies();
        self.write(replies);
    }

    fn write(&mut self, replies: Vec<(u64, Reply)>) {
        for (id, reply) in replies {
            self.output.extend(self.codec.write(id, &reply));
        }
    }
}

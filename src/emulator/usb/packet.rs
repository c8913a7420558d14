//! Packets of the USB redirection protocol, version 0.7 (usbredir): octets to values and back.
//!
//! A device's side: it reads what a virtual machine (the *guest* of the protocol) sends and writes what a device (its
//! *host*) sends. All numbers are little-endian, all structures packed; how long an id and some structures are follows
//! from the capabilities that both sides have named. What a packet means is `redir`'s business.

use super::fields::{Fields, Octets};

/// Longest body that is read: a transfer of a driver has some KiB.
const LONGEST: usize = 1 << 18;
/// Octets of the version text in `hello`.
const VERSION: usize = 64;
/// Endpoints of `ep_info`: 16 that take data, 16 that give it. As many interfaces fit into `interface_info`.
pub(super) const ENDPOINTS: usize = 32;

/// `status` of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Status {
    Success = 0,
    Cancelled = 1,
    Invalid = 2,
    Stall = 4,
}

/// Kind of an endpoint, as in `bmAttributes` (USB 2.0 table 9-13).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Transfer {
    Control = 0,
    Bulk = 2,
    Interrupt = 3,
}

/// Capabilities as a bit set.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Capabilities(pub(super) u32);

impl Capabilities {
    pub(super) const DEVICE_VERSION: Self = Self(1 << 1);
    pub(super) const FILTER: Self = Self(1 << 2);
    pub(super) const DISCONNECT_ACK: Self = Self(1 << 3);
    pub(super) const MAX_PACKET_SIZE: Self = Self(1 << 4);
    pub(super) const LONG_IDS: Self = Self(1 << 5);
    pub(super) const LONG_BULK: Self = Self(1 << 6);

    /// What this side can do. Not among it: bulk streams (no modem has them), and bulk receiving, by which the device
    /// sends without being asked: an idle one has to be silent, and a driver shall see its own transfers.
    pub(super) const OURS: Self = Self(
        Self::DEVICE_VERSION.0
            | Self::FILTER.0
            | Self::DISCONNECT_ACK.0
            | Self::MAX_PACKET_SIZE.0
            | Self::LONG_IDS.0
            | Self::LONG_BULK.0,
    );

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Set-up stage of a control transfer (USB 2.0 9.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Setup {
    /// `bmRequestType`
    pub(super) kind: u8,
    /// `bRequest`
    pub(super) request: u8,
    /// `wValue`
    pub(super) value: u16,
    /// `wIndex`
    pub(super) index: u16,
    /// `wLength`
    pub(super) length: u16,
}

impl Setup {
    /// The device gives the data.
    pub(super) const fn reads(self) -> bool {
        self.kind & 0x80 != 0
    }
}

/// What the machine sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Request {
    Hello(Capabilities),
    Reset,
    SetConfiguration(u8),
    GetConfiguration,
    SetAlternate {
        interface: u8,
        setting: u8,
    },
    GetAlternate {
        interface: u8,
    },
    StartIso {
        endpoint: u8,
    },
    StopIso {
        endpoint: u8,
    },
    StartInterrupt {
        endpoint: u8,
    },
    StopInterrupt {
        endpoint: u8,
    },
    AllocateStreams {
        endpoints: u32,
        count: u32,
    },
    StartBulkReceiving {
        stream: u32,
        endpoint: u8,
    },
    /// The transfer of the same id is not wanted any more.
    Cancel,
    /// The machine does not want the device.
    Rejected,
    Control {
        setup: Setup,
        data: Vec<u8>,
    },
    Bulk {
        endpoint: u8,
        length: u32,
        stream: u32,
        data: Vec<u8>,
    },
    Interrupt {
        endpoint: u8,
        length: u16,
        data: Vec<u8>,
    },
    /// Anything that asks for no answer, by its type: filter rules, acknowledgements, what a later version may bring.
    Unanswered(u32),
}

/// An interface in `interface_info`: its number, class, subclass and protocol.
pub(super) type InterfaceInfo = [u8; 4];

/// An endpoint in `ep_info`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct EndpointInfo {
    /// `bEndpointAddress`
    pub(super) address: u8,
    pub(super) transfer: Transfer,
    pub(super) interval: u8,
    pub(super) interface: u8,
    pub(super) max_packet_size: u16,
}

impl EndpointInfo {
    /// Its place in `ep_info`.
    pub(super) fn place(self) -> usize {
        place(self.address)
    }
}

/// Place of an endpoint in `ep_info`.
fn place(address: u8) -> usize {
    usize::from(address & 0x0f) + if address & 0x80 == 0 { 0 } else { ENDPOINTS / 2 }
}

/// What the device sends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reply {
    Hello,
    /// Speed is always full: the hubs of QEMU know no other.
    Connect {
        class: [u8; 3],
        vendor: u16,
        product: u16,
        version: u16,
    },
    Disconnect,
    Interfaces(Vec<InterfaceInfo>),
    Endpoints(Vec<EndpointInfo>),
    ConfigurationStatus {
        status: Status,
        value: u8,
    },
    AlternateStatus {
        status: Status,
        interface: u8,
        setting: u8,
    },
    IsoStatus {
        status: Status,
        endpoint: u8,
    },
    InterruptStatus {
        status: Status,
        endpoint: u8,
    },
    StreamsStatus {
        status: Status,
        endpoints: u32,
        count: u32,
    },
    BulkReceivingStatus {
        status: Status,
        stream: u32,
        endpoint: u8,
    },
    /// `length` is that of the data, in whichever direction they went.
    Control {
        setup: Setup,
        status: Status,
        length: u16,
        data: Vec<u8>,
    },
    Bulk {
        endpoint: u8,
        status: Status,
        length: u32,
        stream: u32,
        data: Vec<u8>,
    },
    Interrupt {
        endpoint: u8,
        status: Status,
        length: u16,
        data: Vec<u8>,
    },
}

/// Why a connection cannot go on: what follows could not be told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a packet of type {kind} says it has {length} octets, at most {LONGEST} are taken")]
    TooLong { kind: u32, length: usize },
    #[error("a packet of type {kind} is too short: {length} octets")]
    TooShort { kind: u32, length: usize },
    #[error("a packet of type {kind} comes before the greeting")]
    NotGreeted { kind: u32 },
}

/// Reads packets from octets as they come, and knows what both sides can do.
#[derive(Debug, Default)]
pub(super) struct Codec {
    held: Vec<u8>,
    /// What both can do, once the other side has said so.
    agreed: Option<Capabilities>,
}

impl Codec {
    /// The other side has said what it can do.
    pub(super) const fn greeted(&self) -> bool {
        self.agreed.is_some()
    }

    /// Octets from the machine.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole packet, with its id.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Request)>, Malformed> {
        let mut fields = Fields(&self.held);
        let (Some(kind), Some(length)) = (fields.u32(), fields.u32()) else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(Malformed::TooLong { kind, length });
        }
        let agreed = match self.agreed {
            Some(agreed) => agreed,
            None if kind == kinds::HELLO => Capabilities::default(),
            None => return Err(Malformed::NotGreeted { kind }),
        };
        let long = agreed.has(Capabilities::LONG_IDS);
        let Some(id) = (if long { fields.u64() } else { fields.u32().map(u64::from) }) else { return Ok(None) };
        let Some(body) = fields.0.get(..length) else { return Ok(None) };
        let request = read(kind, Fields(body), agreed).ok_or(Malformed::TooShort { kind, length })?;
        let taken = self.held.len() - fields.0.len() + length;
        self.held.drain(..taken);
        if let Request::Hello(theirs) = request {
            self.agreed = Some(theirs.and(Capabilities::OURS));
        }
        Ok(Some((id, request)))
    }

    /// Octets of a packet.
    pub(super) fn write(&self, id: u64, reply: &Reply) -> Vec<u8> {
        let agreed = self.agreed.unwrap_or_default();
        let (kind, body) = body(reply, agreed);
        let mut packet = Octets::default().u32(kind).u32(u32::try_from(body.0.len()).unwrap_or(u32::MAX));
        packet = if agreed.has(Capabilities::LONG_IDS) && *reply != Reply::Hello {
            packet.u64(id)
        } else {
            packet.u32(u32::try_from(id & u64::from(u32::MAX)).unwrap_or_default())
        };
        packet.bytes(&body.0).0
    }
}

/// Types of packets.
mod kinds {
    pub(super) const HELLO: u32 = 0;
    pub(super) const DEVICE_CONNECT: u32 = 1;
    pub(super) const DEVICE_DISCONNECT: u32 = 2;
    pub(super) const RESET: u32 = 3;
    pub(super) const INTERFACE_INFO: u32 = 4;
    pub(super) const EP_INFO: u32 = 5;
    pub(super) const SET_CONFIGURATION: u32 = 6;
    pub(super) const GET_CONFIGURATION: u32 = 7;
    pub(super) const CONFIGURATION_STATUS: u32 = 8;
    pub(super) const SET_ALT_SETTING: u32 = 9;
    pub(super) const GET_ALT_SETTING: u32 = 10;
    pub(super) const ALT_SETTING_STATUS: u32 = 11;
    pub(super) const START_ISO_STREAM: u32 = 12;
    pub(super) const STOP_ISO_STREAM: u32 = 13;
    pub(super) const ISO_STREAM_STATUS: u32 = 14;
    pub(super) const START_INTERRUPT_RECEIVING: u32 = 15;
    pub(super) const STOP_INTERRUPT_RECEIVING: u32 = 16;
    pub(super) const INTERRUPT_RECEIVING_STATUS: u32 = 17;
    pub(super) const ALLOC_BULK_STREAMS: u32 = 18;
    pub(super) const BULK_STREAMS_STATUS: u32 = 20;
    pub(super) const CANCEL_DATA_PACKET: u32 = 21;
    pub(super) const FILTER_REJECT: u32 = 22;
    pub(super) const START_BULK_RECEIVING: u32 = 25;
    pub(super) const BULK_RECEIVING_STATUS: u32 = 27;
    pub(super) const CONTROL_PACKET: u32 = 100;
    pub(super) const BULK_PACKET: u32 = 101;
    pub(super) const INTERRUPT_PACKET: u32 = 103;
}

/// None if the body is too short for its type.
fn read(kind: u32, mut body: Fields<'_>, agreed: Capabilities) -> Option<Request> {
    Some(match kind {
        kinds::HELLO => {
            body.skip(VERSION)?;
            // A version that knows no capabilities ends here.
            Request::Hello(Capabilities(body.u32().unwrap_or_default()))
        }
        kinds::RESET => Request::Reset,
        kinds::SET_CONFIGURATION => Request::SetConfiguration(body.u8()?),
        kinds::GET_CONFIGURATION => Request::GetConfiguration,
        kinds::SET_ALT_SETTING => Request::SetAlternate { interface: body.u8()?, setting: body.u8()? },
        kinds::GET_ALT_SETTING => Request::GetAlternate { interface: body.u8()? },
        kinds::START_ISO_STREAM => Request::StartIso { endpoint: body.u8()? },
        kinds::STOP_ISO_STREAM => Request::StopIso { endpoint: body.u8()? },
        kinds::START_INTERRUPT_RECEIVING => Request::StartInterrupt { endpoint: body.u8()? },
        kinds::STOP_INTERRUPT_RECEIVING => Request::StopInterrupt { endpoint: body.u8()? },
        kinds::ALLOC_BULK_STREAMS => Request::AllocateStreams { endpoints: body.u32()?, count: body.u32()? },
        kinds::START_BULK_RECEIVING => {
            let (stream, _per_transfer) = (body.u32()?, body.u32()?);
            Request::StartBulkReceiving { stream, endpoint: body.u8()? }
        }
        kinds::CANCEL_DATA_PACKET => Request::Cancel,
        kinds::FILTER_REJECT => Request::Rejected,
        kinds::CONTROL_PACKET => {
            let (_endpoint, request, kind, _status) = (body.u8()?, body.u8()?, body.u8()?, body.u8()?);
            let (value, index, length) = (body.u16()?, body.u16()?, body.u16()?);
            Request::Control { setup: Setup { kind, request, value, index, length }, data: body.0.to_vec() }
        }
        kinds::BULK_PACKET => {
            let (endpoint, _status, low, stream) = (body.u8()?, body.u8()?, body.u16()?, body.u32()?);
            let high = if agreed.has(Capabilities::LONG_BULK) { body.u16()? } else { 0 };
            let length = u32::from(high) << 16 | u32::from(low);
            Request::Bulk { endpoint, length, stream, data: body.0.to_vec() }
        }
        kinds::INTERRUPT_PACKET => {
            let (endpoint, _status, length) = (body.u8()?, body.u8()?, body.u16()?);
            Request::Interrupt { endpoint, length, data: body.0.to_vec() }
        }
        other => Request::Unanswered(other),
    })
}

fn body(reply: &Reply, agreed: Capabilities) -> (u32, Octets) {
    let start = Octets::default();
    match reply {
        Reply::Hello => {
            let mut version = [0; VERSION];
            for (octet, letter) in version.iter_mut().zip(concat!("smsgate ", env!("CARGO_PKG_VERSION")).bytes()) {
                *octet = letter;
            }
            (kinds::HELLO, start.bytes(&version).u32(Capabilities::OURS.0))
        }
        Reply::Connect { class, vendor, product, version } => {
            const FULL_SPEED: u8 = 1;
            let body = start.u8(FULL_SPEED).bytes(class).u16(*vendor).u16(*product);
            let whole = agreed.has(Capabilities::DEVICE_VERSION);
            (kinds::DEVICE_CONNECT, if whole { body.u16(*version) } else { body })
        }
        Reply::Disconnect => (kinds::DEVICE_DISCONNECT, start),
        Reply::Interfaces(interfaces) => (kinds::INTERFACE_INFO, interface_info(interfaces)),
        Reply::Endpoints(endpoints) => (kinds::EP_INFO, endpoint_info(endpoints, agreed)),
        Reply::ConfigurationStatus { status, value } => {
            (kinds::CONFIGURATION_STATUS, start.u8(*status as u8).u8(*value))
        }
        Reply::AlternateStatus { status, interface, setting } => {
            (kinds::ALT_SETTING_STATUS, start.u8(*status as u8).u8(*interface).u8(*setting))
        }
        Reply::IsoStatus { status, endpoint } => (kinds::ISO_STREAM_STATUS, start.u8(*status as u8).u8(*endpoint)),
        Reply::InterruptStatus { status, endpoint } => {
            (kinds::INTERRUPT_RECEIVING_STATUS, start.u8(*status as u8).u8(*endpoint))
        }
        Reply::StreamsStatus { status, endpoints, count } => {
            (kinds::BULK_STREAMS_STATUS, start.u32(*endpoints).u32(*count).u8(*status as u8))
        }
        Reply::BulkReceivingStatus { status, stream, endpoint } => {
            (kinds::BULK_RECEIVING_STATUS, start.u32(*stream).u8(*endpoint).u8(*status as u8))
        }
        Reply::Control { setup, status, length, data } => {
            let head = start.u8(setup.kind & 0x80).u8(setup.request).u8(setup.kind).u8(*status as u8);
            (kinds::CONTROL_PACKET, head.u16(setup.value).u16(setup.index).u16(*length).bytes(data))
        }
        Reply::Bulk { endpoint, status, length, stream, data } => {
            let [a, b, c, d] = length.to_le_bytes();
            let mut head = start.u8(*endpoint).u8(*status as u8).bytes(&[a, b]).u32(*stream);
            if agreed.has(Capabilities::LONG_BULK) {
                head = head.bytes(&[c, d]);
            }
            (kinds::BULK_PACKET, head.bytes(data))
        }
        Reply::Interrupt { endpoint, status, length, data } => {
            (kinds::INTERRUPT_PACKET, start.u8(*endpoint).u8(*status as u8).u16(*length).bytes(data))
        }
    }
}

fn interface_info(interfaces: &[InterfaceInfo]) -> Octets {
    let mut columns = [[0; ENDPOINTS]; 4];
    for (at, interface) in interfaces.iter().enumerate() {
        for (column, value) in columns.iter_mut().zip(interface) {
            if let Some(cell) = column.get_mut(at) {
                *cell = *value;
            }
        }
    }
    let count = interfaces.len().min(ENDPOINTS);
    let body = Octets::default().u32(u32::try_from(count).unwrap_or_default());
    columns.iter().fold(body, |body, column| body.bytes(column))
}

fn endpoint_info(endpoints: &[EndpointInfo], agreed: Capabilities) -> Octets {
    const UNUSED: u8 = 255;
    let mut columns = [[UNUSED; ENDPOINTS], [0; ENDPOINTS], [0; ENDPOINTS]];
    let mut sizes = [0; ENDPOINTS];
    for endpoint in endpoints {
        let values = [endpoint.transfer as u8, endpoint.interval, endpoint.interface];
        for (column, value) in columns.iter_mut().zip(values) {
            if let Some(cell) = column.get_mut(endpoint.place()) {
                *cell = value;
            }
        }
        if let Some(size) = sizes.get_mut(endpoint.place()) {
            *size = endpoint.max_packet_size;
        }
    }
    let mut body = columns.iter().fold(Octets::default(), |body, column| body.bytes(column));
    if agreed.has(Capabilities::MAX_PACKET_SIZE) {
        body = sizes.iter().fold(body, |body, size| body.u16(*size));
    }
    body
}

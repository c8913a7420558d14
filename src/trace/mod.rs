//! Recorded AT sessions: the transcript format, and what must not be in it.
//!
//! A trace is for reporting a modem that behaves in a way nobody has seen, and for playing it back. It keeps what the
//! modem did: commands, results, notices, timing, the structure of PDUs. What belongs to people is replaced: PINs, texts,
//! USSD, numbers, identities. Who records, and where the lines go, is not this room's business.

mod line;
mod number;
mod pdu;
mod recorder;
mod redact;
mod text;
mod transcript;

pub use recorder::Recorder;
pub use redact::Redactor;
pub use transcript::{Line, TranscriptError, parse, write};

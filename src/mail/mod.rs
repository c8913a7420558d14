//! Forwarding received SMS as mail (RFC 5321, RFC 5322): composing, the SMTP session, and the task that works the spool.
//!
//! A mail is spooled in the transaction that stores its SMS; this room only takes rows off that spool.

pub mod compose;
pub mod digest;
mod mailer;
mod session;

pub use mailer::{Mailer, Pace, Settings, Spool};
pub use session::TimeLimits;

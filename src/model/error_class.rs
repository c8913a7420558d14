//! The one question an error answers across rooms: is another try worth it?

/// What a failure means for whoever asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorClass {
    /// May work later, or on another SIM: congestion, no service, a silent modem.
    Transient,
    /// Will never work as asked: unassigned number, barred, bad address.
    Permanent,
    /// A person has to change something first: a wrong PIN, a missing service centre.
    Misconfigured,
}

/// An error that can say its class. Retry policy and health are derived from it in one place.
pub trait Classified {
    /// The class of this error.
    fn class(&self) -> ErrorClass;
}

//! Faults: the one place where a failure gets its code and the text a client sees. Internal detail never gets here.

use std::time::Duration;

use super::wire::{Fault, ParseError};
use crate::model::SendLimit;

/// 400: an argument is not what it has to be.
pub(crate) fn bad_argument(message: impl Into<String>) -> Fault {
    Fault { code: 400, message: message.into() }
}

/// 401: the same for every reason.
pub(crate) fn invalid_token() -> Fault {
    Fault { code: 401, message: "Invalid API token.".to_owned() }
}

/// 405: switched off in the configuration.
pub(crate) fn not_enabled() -> Fault {
    Fault { code: 405, message: "This API function is not enabled.".to_owned() }
}

/// 429: too many wrong tokens from this address.
pub(crate) fn too_many_attempts(seconds: u64) -> Fault {
    Fault { code: 429, message: format!("Too many wrong tokens from this address. Try again in {seconds} s.") }
}

/// 429: this token has sent what it may.
pub(crate) fn limit_reached(limit: SendLimit, wait: Duration) -> Fault {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    Fault { code: 429, message: format!("This token has reached its limit of {limit}. Try again in {seconds} s.") }
}

/// 503: cannot be taken now.
pub(crate) fn unavailable(message: impl Into<String>) -> Fault {
    Fault { code: 503, message: message.into() }
}

/// 8001: no such method.
pub(crate) fn no_such_method(name: &str) -> Fault {
    Fault { code: 8001, message: format!("procedure {name} not found") }
}

/// 8002: wrong number or type of arguments, or something of ours went wrong.
pub(crate) fn signature() -> Fault {
    Fault { code: 8002, message: "error".to_owned() }
}

/// 8002: the body is no call.
pub(crate) fn unreadable(error: &ParseError) -> Fault {
    Fault { code: 8002, message: format!("Can't deserialize input: {error}") }
}

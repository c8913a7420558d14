//! How output may look: what standard output is, and what `NO_COLOR` and `TERM` say.

use std::{
    env,
    io::{IsTerminal as _, stdout},
};

use super::terminal::size;

/// How a table may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Columns of the terminal; `None` = cut nothing.
    pub(crate) width: Option<usize>,
    /// Colour the health.
    pub(crate) colour: bool,
}

impl Look {
    /// What standard output allows; `NO_COLOR` is honoured.
    #[must_use]
    pub(crate) fn of_stdout() -> Self {
        Self { width: stdout().is_terminal().then(|| size().columns), colour: has_cursor() && wants_colour() }
    }
}

/// Whether standard output is a terminal that knows control sequences.
#[must_use]
pub(crate) fn has_cursor() -> bool {
    let named = env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb");
    named && stdout().is_terminal()
}

/// Whether the person has nothing against colour (no-color.org).
#[must_use]
pub(crate) fn wants_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

//! `py`, `venv`, `pip`: Python, where it stands, and where its modules come from.

mod cache;
mod fetch;
mod pip;
mod py;
mod venv;

use alloc::string::String;
use core::fmt;

pub(super) use pip::run as pip;
pub(super) use py::run as py;
pub(super) use venv::run as venv;

use crate::platform::Platform;
use crate::shell::{CommandError, Session, lang::expand::Variables as _};
use crate::text::Text;

fn failed(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

/// What `name` is, if it is set and not empty.
fn variable<P: Platform>(session: &Session<'_, P>, name: &str) -> Option<String> {
    let mut value = None;
    session
        .environment
        .get(name, &mut |text| value = Some(String::from(text)).filter(|text| !text.is_empty()));
    value
}

/// Bytes that have to be text here.
fn text_of(bytes: &[u8]) -> Result<&str, CommandError> {
    core::str::from_utf8(bytes).map_err(|_| failed(format_args!("a name that is no UTF-8")))
}

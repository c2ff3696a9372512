//! The commands on users: who one is, who there is, who may what, what was done.

pub(super) mod audit;
pub(super) mod change;
pub(super) mod roles;
pub(super) mod switch;
pub(super) mod who;

use core::fmt;

use crate::shell::CommandError;
use crate::text::Text;

fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

fn failed(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Failed(Text::new(what))
}

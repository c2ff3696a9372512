//! `caps`, `ipcs`, `audit`, `srv`: capabilities, what they are to, what was done to that; a server that may die.

mod lists;
mod srv;

pub(super) use lists::{audit, caps, ipcs};
pub(super) use srv::srv;

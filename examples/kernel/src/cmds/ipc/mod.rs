//! `caps`, `ipcs`, `shm`, `audit`, `srv`: capabilities, what they are to, what was done to that; a server that may die.

mod lists;
mod shm;
mod srv;

pub(super) use lists::{audit, caps, ipcs};
pub(super) use shm::shm;
pub(super) use srv::srv;

//! `caps`, `ipcs`, `shm`, `audit`, `policy`, `srv`: capabilities, what they are to, what was done to that; a server that may die.

mod lists;
mod policy;
mod shm;
mod srv;

pub(super) use lists::{audit, caps, ipcs};
pub(super) use policy::run as policy;
pub(super) use shm::shm;
pub(super) use srv::srv;

//! The scheduler: one file per question.

pub(crate) mod core_turn;
pub(crate) mod linux;
pub(crate) mod policy;
pub(crate) mod switch;
pub(crate) mod timer;
pub(crate) mod wait;

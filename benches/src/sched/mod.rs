//! The scheduler: one file per question.

pub(crate) mod policy;
pub(crate) mod switch;

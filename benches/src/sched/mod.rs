//! The scheduler: one file per question.

pub(crate) mod switch;

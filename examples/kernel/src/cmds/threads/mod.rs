//! Threads at the shell: who there is, what they get, how to change that, and a demonstration.

pub(super) mod control;
pub(super) mod demo;
pub(super) mod processes;
pub(super) mod ps;
pub(super) mod spin;
pub(super) mod timers;
pub(super) mod top;
mod words;

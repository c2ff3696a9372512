//! Tests of more than one module.

mod files;
pub(super) mod recorder;
mod room;

//! What a task is to the scheduler: a number, attributes, a node in an arena, a state.

mod attr;
mod id;

pub use attr::{DlParams, Nice, Policy, RtPriority};
pub use id::{TaskId, TaskIndex};

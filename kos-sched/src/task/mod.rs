//! What a task is to the scheduler: a number, attributes, a node in an arena, a state.

#[expect(unsafe_code, reason = "lends each node to its one owner; the proof is in the module")]
mod arena;
mod attr;
mod free;
mod id;
pub(crate) mod node;
pub(crate) mod state;

pub use arena::{Arena, Detached, Nodes, Ownership, QueueId, Slot};
pub use attr::{DlParams, Nice, Policy, RtPriority};
pub use free::FreeSlots;
pub use id::{TaskId, TaskIndex};
pub use node::Node;

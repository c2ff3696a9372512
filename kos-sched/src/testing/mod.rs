//! Fakes for each port, models, the simulator, contract checks and fuzz bodies, for the tests of this crate and of its users.
//! Uses `std`.

mod cases;
pub mod sim;
mod stack;

pub use cases::cases;
pub use stack::HeapStack;

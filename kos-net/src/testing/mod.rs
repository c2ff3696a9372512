//! Simulated links, ports that tests drive, fuzz bodies and the length of property tests, for the tests of this crate and of its users. Uses `std`.

mod cases;
mod dice;
pub mod fakes;
pub mod fuzz;
pub mod link;
pub mod script;
pub mod world;

pub use cases::cases;
#[cfg(test)]
pub(crate) use cases::config;
pub use dice::Dice;

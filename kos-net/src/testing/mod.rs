//! Fuzz bodies and the length of property tests, for the tests of this crate and of its users. Uses `std`.

mod cases;
pub mod fuzz;

pub use cases::cases;
#[cfg(test)]
pub(crate) use cases::config;

//! Fakes for each port, models, the simulator, contract checks and fuzz bodies, for the tests of this crate and of its users.
//! Uses `std`.

mod cases;

pub use cases::cases;

//! What concerns all families at once.
//!
//! | file | what |
//! |---|---|
//! | [`ports`] | a kernel whose k-th answer is no |
//! | [`refusals`] | each operation while that happens, for every k |
//! | [`soak`] | messages without end, between threads of the host |

#[cfg(feature = "shm")]
mod ports;
#[cfg(feature = "shm")]
mod refusals;
mod soak;

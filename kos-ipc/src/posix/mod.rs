//! What Unix programs expect, with the answers of Linux.
//!
//! | item | what it is |
//! |---|---|
//! | [`futex`] | waiting at words of programs' memory |
//! | [`pipe`] | a byte stream between processes |
//! | [`signal`] | what a process is told, and what it does about it |

pub mod futex;
pub mod pipe;
pub mod signal;

//! What Unix programs expect, with the answers of Linux.
//!
//! | item | what it is |
//! |---|---|
//! | [`pipe`] | a byte stream between processes |

pub mod pipe;

//! Typed calls (feature `rpc`): [`ipc_protocol!`](crate::ipc_protocol).
//!
//! A protocol says of each operation its number, what it takes and answers as plain structs, how many ranges of memory are lent and
//! for what, and of which kind capabilities are and what their holder may do. The macro makes a trait for the server and a stub for
//! clients of it. A client can send whatever he likes: what is not as the protocol says never reaches the server's code, and is
//! answered with the evidence, [`BadRequest`].
//!
//! Structs travel in the eight words of a [`Msg`](crate::endpoint::Msg): at most 64 bytes. What has padding cannot be sent, so that nobody reads
//! what was there before; what is longer goes into lent memory.
//!
//! ```compile_fail
//! use kos_ipc::rpc::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//!
//! #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[zerocopy(crate = "kos_ipc::rpc::zerocopy")]
//! #[repr(C)]
//! struct Padded { a: u8, b: u32 } // three bytes of whatever was there
//! ```
//!
//! The same without it:
//!
//! ```
//! use kos_ipc::rpc::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//!
//! #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[zerocopy(crate = "kos_ipc::rpc::zerocopy")]
//! #[repr(C)]
//! struct Tight { a: u32, b: u32 }
//! ```
//!
//! Sources: Hubris's Idol, for what is checked before a server sees it; FIDL, for versions and ordinals.

mod check;
mod client;
mod error;
mod protocol;
mod serve;
#[cfg(test)]
mod tests;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[cfg(any(test, feature = "testing"))]
pub(crate) use check::Came;
pub use check::{Head, OpSpec};
pub use client::{Answered, Ask, Caps, call};
pub use error::{BadRequest, Failure, RpcError};
pub use serve::{Request, serve};
pub use zerocopy;

/// Bytes of a struct at most.
pub const MAX_BYTES: usize = 64;

/// What can be sent: plain data without padding, any bytes of which are a value.
pub trait Plain: FromBytes + IntoBytes + Immutable + KnownLayout + Sized {
    /// Its length, which is at most [`MAX_BYTES`]: else it does not compile.
    const LEN: usize = {
        assert!(size_of::<Self>() <= MAX_BYTES, "what is longer than 64 bytes goes into lent memory");
        size_of::<Self>()
    };
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> Plain for T {}

/// A struct in the words of a message.
fn to_words<T: Plain>(value: &T) -> [u64; 8] {
    let mut words = [0_u64; 8];
    words.as_mut_bytes().iter_mut().zip(value.as_bytes()).for_each(|(to, from)| *to = *from);
    words
}

/// The struct in the words of a message.
fn from_words<T: Plain>(words: &[u64; 8]) -> Option<T> {
    T::read_from_bytes(words.as_bytes().get(..T::LEN)?).ok()
}

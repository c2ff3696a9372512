//! The Transmission Control Protocol. So far: what is in flight, what is lost, how much may be sent.
//!
//! Places in a stream are `u64` offsets, 0 being the SYN; 32 bits are on the wire only.

pub mod congestion;
pub(crate) mod loss;

pub use loss::LossConfig;

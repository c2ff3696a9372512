//! The bodies of the fuzz targets: bytes in, a panic if a model is not met.

use super::{Choices, cap_model};

/// Any operations on capabilities of three spaces, compared with the list of who made what of what.
///
/// # Panics
/// If they differ.
pub fn cap_ops(data: &[u8]) {
    cap_model::run(&mut Choices::bytes(data));
}

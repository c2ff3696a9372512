//! [`Inflater`]: deflated bytes into as many as were announced, no more and no fewer.
//!
//! Source: RFC 1951. The longest match, 258 bytes, takes two bits at least: so one byte never makes more than 1032.

use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// Most bytes that deflate makes of one.
const OF_ONE: usize = 1032;

/// Why bytes were not inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    /// They are damaged, cut, followed by others, or not as many as were announced.
    Damaged,
    /// The heap has no room.
    NoMemory,
}

/// Inflates one after the other. Its tables, 11 KiB, are on the heap: a kernel's stack is small.
pub(super) struct Inflater(Vec<DecompressorOxide>);

impl Inflater {
    /// # Errors
    /// The heap has no room.
    pub(super) fn new() -> Result<Self, InflateError> {
        let mut tables = Vec::new();
        tables.try_reserve_exact(1).map_err(|_| InflateError::NoMemory)?;
        tables.push(DecompressorOxide::new());
        Ok(Self(tables))
    }

    /// What all of `packed` inflates to, `size` bytes. Memory is taken only for as much as `packed` can make.
    ///
    /// # Errors
    /// [`InflateError`].
    pub(super) fn inflate(&mut self, packed: &[u8], size: usize) -> Result<Vec<u8>, InflateError> {
        if size > packed.len().saturating_mul(OF_ONE) {
            return Err(InflateError::Damaged);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| InflateError::NoMemory)?;
        bytes.resize(size, 0);
        let tables = self.0.first_mut().ok_or(InflateError::NoMemory)?;
        tables.init();
        let done = decompress(tables, packed, &mut bytes, 0, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        if done != (TINFLStatus::Done, packed.len(), size) {
            return Err(InflateError::Damaged);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{InflateError, Inflater, OF_ONE};
    use alloc::vec;
    use alloc::vec::Vec;
    use miniz_oxide::deflate::compress_to_vec;

    fn inflate(packed: &[u8], size: usize) -> Result<Vec<u8>, InflateError> {
        Inflater::new().unwrap().inflate(packed, size)
    }

    #[test]
    fn bytes_come_back_whole_or_not_at_all() {
        let text: Vec<u8> = (0..5000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for level in [0, 1, 6, 9] {
            let packed = compress_to_vec(&text, level);
            assert_eq!(inflate(&packed, text.len()).as_ref(), Ok(&text));
            for size in [0, text.len() - 1, text.len() + 1] {
                assert_eq!(inflate(&packed, size), Err(InflateError::Damaged), "{size}");
            }
            for end in (0..packed.len()).step_by(13).chain([packed.len() - 1]) {
                assert_eq!(inflate(&packed[..end], text.len()), Err(InflateError::Damaged), "cut at {end}");
            }
            let trailing = [packed.as_slice(), b"\0"].concat();
            assert_eq!(inflate(&trailing, text.len()), Err(InflateError::Damaged));
        }
        assert_eq!(inflate(&compress_to_vec(b"", 6), 0), Ok(Vec::new()));
    }

    #[test]
    fn one_inflater_serves_after_what_was_damaged() {
        let mut inflater = Inflater::new().unwrap();
        let packed = compress_to_vec(b"abcabcabc", 6);
        assert_eq!(inflater.inflate(&packed[..2], 9), Err(InflateError::Damaged));
        assert_eq!(inflater.inflate(&packed, 9), Ok(b"abcabcabc".to_vec()));
    }

    /// Zeros are what deflate packs best: more than that is a lie that costs no memory.
    #[test]
    fn no_memory_is_taken_for_more_than_can_come() {
        let zeros = vec![0; 1 << 20];
        let packed = compress_to_vec(&zeros, 9);
        assert!(zeros.len() / packed.len() <= OF_ONE);
        assert_eq!(inflate(&packed, zeros.len()), Ok(zeros));
        assert_eq!(inflate(&packed, usize::MAX), Err(InflateError::Damaged));
        assert_eq!(inflate(b"", 1), Err(InflateError::Damaged));
    }
}

//! [`Content`]: what a file says, in memory that is bounded and may be refused.

use alloc::vec::Vec;
use core::fmt;

use crate::errno::Errno;

/// Where a [`SyntheticFile`](super::SyntheticFile) writes what it says.
#[derive(Debug)]
pub struct Content {
    bytes: Vec<u8>,
    limit: usize,
    fault: Option<Errno>,
}

impl Content {
    pub(super) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, fault: None }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Beyond the limit of the file, or no memory. The reader is told.
    pub fn push(&mut self, bytes: &[u8]) -> fmt::Result {
        if self.limit - self.bytes.len() < bytes.len() {
            return Err(self.fail(Errno::EFBIG));
        }
        if self.bytes.try_reserve(bytes.len()).is_err() {
            return Err(self.fail(Errno::ENOMEM));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What the reader is told; the first counts. Return the result.
    pub fn fail(&mut self, errno: Errno) -> fmt::Error {
        self.fault.get_or_insert(errno);
        fmt::Error
    }

    /// What was written, if that went well.
    pub(super) fn finish(self, written: fmt::Result) -> Result<Vec<u8>, Errno> {
        match (self.fault, written) {
            (None, Ok(())) => Ok(self.bytes),
            (fault, _) => Err(fault.unwrap_or(Errno::EIO)),
        }
    }
}

impl fmt::Write for Content {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes())
    }
}

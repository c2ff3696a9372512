//! What every `/dev` has: [`Null`], [`Zero`], [`Full`], [`Random`].
//!
//! As on Linux, a seek in them leads to 0, and nothing in them is ever durable (`fsync` answers EINVAL).

use core::fmt;

use crate::errno::Errno;
use crate::file::{OpenFlags, SeekFrom};
use crate::ports::SpecialFile;

/// Random bytes.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `out`.
    ///
    /// # Errors
    /// EAGAIN, if there are none yet, and the flags say [`NONBLOCK`](OpenFlags::NONBLOCK): else waits for them.
    fn fill(&self, out: &mut [u8], flags: OpenFlags) -> Result<(), Errno>;

    /// Mixes what somebody wrote into the state. Nobody must be able to spoil the randomness by it.
    fn mix(&self, bytes: &[u8]) {
        let _ = bytes;
    }
}

/// `/dev/null`, character device 1:3: takes everything, and has nothing.
#[derive(Clone, Copy, Debug)]
pub struct Null;

/// `/dev/zero`, character device 1:5: takes everything, and is nothing but zeroes.
#[derive(Clone, Copy, Debug)]
pub struct Zero;

/// `/dev/full`, character device 1:7: nothing but zeroes, and no room.
#[derive(Clone, Copy, Debug)]
pub struct Full;

/// `/dev/random` and `/dev/urandom`, character devices 1:8 and 1:9.
#[derive(Clone, Copy, Debug)]
pub struct Random<R>(pub R);

macro_rules! stands_at_zero {
    () => {
        fn has_position(&self) -> bool {
            true
        }

        fn seek(&self, _: u64, _: SeekFrom) -> Result<u64, Errno> {
            Ok(0)
        }
    };
}

impl SpecialFile for Null {
    stands_at_zero!();

    fn read(&self, _: u64, _: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        Ok(0)
    }

    fn write(&self, _: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        Ok(bytes.len())
    }
}

impl SpecialFile for Zero {
    stands_at_zero!();

    fn read(&self, _: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        out.fill(0);
        Ok(out.len())
    }

    fn write(&self, _: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        Ok(bytes.len())
    }
}

impl SpecialFile for Full {
    stands_at_zero!();

    fn read(&self, _: u64, out: &mut [u8], _: OpenFlags) -> Result<usize, Errno> {
        out.fill(0);
        Ok(out.len())
    }

    fn write(&self, _: u64, _: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        Err(Errno::ENOSPC)
    }
}

impl<R: Entropy> SpecialFile for Random<R> {
    stands_at_zero!();

    fn read(&self, _: u64, out: &mut [u8], flags: OpenFlags) -> Result<usize, Errno> {
        self.0.fill(out, flags)?;
        Ok(out.len())
    }

    fn write(&self, _: u64, bytes: &[u8], _: OpenFlags) -> Result<usize, Errno> {
        self.0.mix(bytes);
        Ok(bytes.len())
    }
}

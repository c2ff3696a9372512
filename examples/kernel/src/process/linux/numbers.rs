//! Numbers of Linux's interface that calls share, and their decoding. Sources: `include/uapi` of Linux, the headers named below.

use kos_paging::Flags;
use kos_vfs::{Errno, Timestamp};

/// What is relative to the working directory (`fcntl.h`).
pub(in crate::process) const AT_FDCWD: i32 = -100;
/// A symlink there is meant itself.
pub(super) const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
/// A directory is to be removed.
pub(super) const AT_REMOVEDIR: u64 = 0x200;
/// An empty path means what the descriptor is of.
pub(super) const AT_EMPTY_PATH: u64 = 0x1000;

/// A descriptor, or another number that is an `int`: what of a register counts.
#[expect(clippy::cast_possible_truncation, reason = "the upper half of the register is nobody's")]
pub(in crate::process) const fn int(word: u64) -> i32 {
    word as i32
}

/// A descriptor.
pub(super) fn fd(word: u64) -> Result<u32, Errno> {
    u32::try_from(int(word)).map_err(|_| Errno::EBADF)
}

/// The lower half of a register.
#[expect(clippy::cast_possible_truncation, reason = "the upper half of the register is nobody's")]
pub(super) const fn low(word: u64) -> u32 {
    word as u32
}

/// `PROT_…` (`mman-common.h`).
pub(super) fn rights(word: u64) -> Result<Flags, Errno> {
    let mut rights = Flags::empty();
    for (bit, right) in [(1, Flags::READ), (2, Flags::WRITE), (4, Flags::EXECUTE)] {
        rights.set(right, word & bit != 0);
    }
    // What can be written or run can be read, as on x86.
    rights.set(Flags::READ, !rights.is_empty());
    if word & !7 == 0 { Ok(rights) } else { Err(Errno::EINVAL) }
}

/// A `timespec` as nanoseconds.
///
/// # Errors
/// EINVAL: it is none.
pub(super) fn nanoseconds([seconds, nanos]: [u64; 2]) -> Result<u64, Errno> {
    let sound = seconds.cast_signed() >= 0 && nanos < 1_000_000_000;
    if !sound {
        return Err(Errno::EINVAL);
    }
    // What no clock reaches is as good as never.
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// A time as a `timespec`.
pub(super) fn timespec(time: Timestamp) -> [u64; 2] {
    [time.seconds.cast_unsigned(), time.nanos().into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_register_the_lower_half_is_an_int() {
        assert_eq!(int(0xffff_ff9c), AT_FDCWD);
        assert_eq!(int(0x1_0000_0003), 3);
        assert_eq!(fd(0xffff_ffff), Err(Errno::EBADF));
        assert_eq!(fd(7), Ok(7));
    }

    #[test]
    fn rights_are_those_of_the_machine() {
        assert_eq!(rights(0), Ok(Flags::empty()));
        assert_eq!(rights(2), Ok(Flags::READ | Flags::WRITE));
        assert_eq!(rights(5), Ok(Flags::READ | Flags::EXECUTE));
        assert_eq!(rights(8), Err(Errno::EINVAL));
    }

    #[test]
    fn times_are_sound_or_refused() {
        assert_eq!(nanoseconds([1, 5]), Ok(1_000_000_005));
        assert_eq!(nanoseconds([0, 1_000_000_000]), Err(Errno::EINVAL));
        assert_eq!(nanoseconds([u64::MAX, 0]), Err(Errno::EINVAL), "before now");
        assert_eq!(nanoseconds([i64::MAX.cast_unsigned(), 0]), Ok(u64::MAX));
    }
}

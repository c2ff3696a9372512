//! What files of a fixed size have in common: how much there is from a place on, and where one may go.

use kos_vfs::{Errno, SeekFrom};

/// How many of `length` bytes there are from `offset` on, of `end`.
pub(super) fn within(end: u64, offset: u64, length: usize) -> usize {
    let left = end.saturating_sub(offset);
    usize::try_from(left).map_or(length, |left| left.min(length))
}

/// Up to the end, as of block devices of Linux.
///
/// # Errors
/// `EINVAL`: before the start or behind the end; `ENXIO`: there is no data behind the end.
pub(super) fn seek(end: u64, position: u64, to: SeekFrom) -> Result<u64, Errno> {
    let at = match to {
        SeekFrom::Start(at) => Some(at),
        SeekFrom::Current(delta) => position.checked_add_signed(delta),
        SeekFrom::End(delta) => end.checked_add_signed(delta),
        SeekFrom::Data(at) if at < end => Some(at),
        SeekFrom::Hole(at) if at < end => Some(end),
        SeekFrom::Data(_) | SeekFrom::Hole(_) => return Err(Errno::ENXIO),
    };
    at.filter(|at| *at <= end).ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_may_go_up_to_the_end() {
        let seek = |position, to| seek(100, position, to);
        assert_eq!(seek(0, SeekFrom::Start(100)), Ok(100));
        assert_eq!(seek(0, SeekFrom::Start(101)), Err(Errno::EINVAL));
        assert_eq!(seek(60, SeekFrom::Current(-61)), Err(Errno::EINVAL));
        assert_eq!((seek(60, SeekFrom::Current(-60)), seek(0, SeekFrom::End(-1))), (Ok(0), Ok(99)));
        assert_eq!((seek(0, SeekFrom::Data(7)), seek(0, SeekFrom::Hole(7))), (Ok(7), Ok(100)));
        assert_eq!(seek(0, SeekFrom::Hole(100)), Err(Errno::ENXIO));
        assert_eq!(seek(u64::MAX, SeekFrom::Current(1)), Err(Errno::EINVAL));
    }

    #[test]
    fn nothing_is_beyond_the_end() {
        assert_eq!([within(100, 0, 99), within(100, 99, 7), within(100, 100, 7)], [99, 1, 0]);
        assert_eq!([within(100, u64::MAX, 7), within(u64::MAX, 1, usize::MAX)], [0, usize::MAX - 1]);
    }
}

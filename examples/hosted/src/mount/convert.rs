//! Between the words of FUSE and those of kos: attributes, times, kinds, errors, flags.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, INodeNo, TimeOrNow};
use kos_vfs::attr::DeviceNumber;
use kos_vfs::fs::Allocate;
use kos_vfs::{Attr, Errno, FileType, Mode, OpenFlags, SetTime, Timestamp};

pub(super) fn errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.number().into())
}

pub(super) const fn kind(kind: FileType) -> fuser::FileType {
    match kind {
        FileType::Regular => fuser::FileType::RegularFile,
        FileType::Directory => fuser::FileType::Directory,
        FileType::Symlink => fuser::FileType::Symlink,
        FileType::Fifo => fuser::FileType::NamedPipe,
        FileType::Socket => fuser::FileType::Socket,
        FileType::CharDevice => fuser::FileType::CharDevice,
        FileType::BlockDevice => fuser::FileType::BlockDevice,
    }
}

/// Kind and permission bits of a mode word; `None` for a kind that there is not.
pub(super) fn mode(word: u32) -> Option<(FileType, Mode)> {
    let word = u16::try_from(word).ok()?;
    // A mode without a kind means a regular file to mknod.
    let kind = if word & 0o170_000 == 0 { Some(FileType::Regular) } else { FileType::from_bits(word) };
    Some((kind?, Mode::of(word)))
}

/// Permission bits alone.
pub(super) const fn permissions(word: u32) -> Mode {
    Mode::of((word & 0o7777) as u16)
}

pub(super) fn attr(node: INodeNo, attr: &Attr, block_size: u32) -> FileAttr {
    FileAttr {
        ino: node,
        size: attr.size,
        blocks: attr.blocks,
        atime: time(attr.accessed),
        mtime: time(attr.modified),
        ctime: time(attr.changed),
        crtime: time(attr.born),
        kind: kind(attr.kind),
        perm: attr.mode.bits(),
        nlink: attr.links,
        uid: attr.uid,
        gid: attr.gid,
        rdev: device_word(attr.device),
        blksize: block_size,
        flags: 0,
    }
}

/// A device number as one word, as Linux packs it.
const fn device_word(device: DeviceNumber) -> u32 {
    let (major, minor) = (device.major, device.minor);
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

pub(super) const fn device(word: u32) -> DeviceNumber {
    DeviceNumber { major: word >> 8 & 0xfff, minor: word & 0xff | word >> 12 & 0xf_ff00 }
}

fn time(time: Timestamp) -> SystemTime {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let second = if time.seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let part = Duration::from_nanos(time.nanos().into());
    second.and_then(|second| second.checked_add(part)).unwrap_or(UNIX_EPOCH)
}

/// What time to set. Of a time before 1970 the library takes its nanoseconds away where they are to be added, so they are given
/// back as they came.
pub(super) fn set_time(wanted: Option<TimeOrNow>) -> SetTime {
    let (seconds, nanos) = match wanted {
        None => return SetTime::Omit,
        Some(TimeOrNow::Now) => return SetTime::Now,
        Some(TimeOrNow::SpecificTime(time)) => match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (after.as_secs().cast_signed(), after.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                (before.as_secs().cast_signed().saturating_neg(), before.subsec_nanos())
            }
        },
    };
    Timestamp::new(seconds, nanos).map_or(SetTime::Omit, SetTime::To)
}

/// Of the flags of an open file, those that are ours to keep. Linux itself appends, and asks for `fsync` after a write that must
/// be durable; and as it writes mapped pages through any open file, an append here would put them in the wrong place.
pub(super) const fn open_flags(flags: i32) -> OpenFlags {
    let kept = OpenFlags::WRITE_ONLY
        .union(OpenFlags::READ_WRITE)
        .union(OpenFlags::EXCLUSIVE)
        .union(OpenFlags::TRUNCATE)
        .union(OpenFlags::DIRECTORY)
        .union(OpenFlags::NO_ACCESS_TIME);
    OpenFlags::from_bits_truncate(flags.cast_unsigned()).intersection(kept)
}

/// What `fallocate` shall do.
pub(super) const fn allocate(mode: i32) -> Option<Allocate> {
    Some(match mode {
        0 => Allocate::Grow,
        libc::FALLOC_FL_KEEP_SIZE => Allocate::KeepSize,
        mode if mode == libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE => Allocate::PunchHole,
        libc::FALLOC_FL_ZERO_RANGE => Allocate::Zero,
        mode if mode == libc::FALLOC_FL_ZERO_RANGE | libc::FALLOC_FL_KEEP_SIZE => Allocate::ZeroKeepSize,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_as_they_were_set() {
        for (seconds, nanos) in [(0, 0), (7, 999_999_999), (-1, 0), (-2, 1)] {
            let stamp = Timestamp::new(seconds, nanos).unwrap();
            let shown = time(stamp);
            let since = shown.duration_since(UNIX_EPOCH).map_or_else(
                |before| -i128::try_from(before.duration().as_nanos()).unwrap(),
                |after| i128::try_from(after.as_nanos()).unwrap(),
            );
            assert_eq!(since, i128::from(seconds) * 1_000_000_000 + i128::from(nanos));
        }
        // What the library makes of one and a quarter seconds before 1970, which Linux sends as -2 s and 0.75 s.
        let sent = UNIX_EPOCH - Duration::new(2, 750_000_000);
        let wanted = SetTime::To(Timestamp::new(-2, 750_000_000).unwrap());
        assert_eq!(set_time(Some(TimeOrNow::SpecificTime(sent))), wanted);
    }

    #[test]
    fn device_numbers_fit_in_a_word() {
        for (major, minor) in [(0, 0), (8, 17), (0xfff, 0xf_ffff), (259, 300)] {
            let number = DeviceNumber { major, minor };
            assert_eq!(device(device_word(number)), number);
        }
    }

    #[test]
    fn a_mode_without_a_kind_is_a_regular_file() {
        assert_eq!(mode(0o644), Some((FileType::Regular, Mode::of(0o644))));
        assert_eq!(mode(0o010_600), Some((FileType::Fifo, Mode::of(0o600))));
        assert_eq!(mode(0o070_000), None);
    }
}

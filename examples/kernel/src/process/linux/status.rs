//! What is known of files: `stat`, `lstat`, `fstat`, `newfstatat`, `statx`.
//!
//! Sources: `arch/x86/include/uapi/asm/stat.h` and `include/uapi/linux/stat.h` of Linux.

use kos_paging::VirtAddr;
use kos_vfs::{AtFlags, Attr, Errno, Ino, Mode, Stat, Timestamp};

use super::files::{Opened, STREAM, opened};
use super::numbers::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, int};
use super::{Answer, Running, names};
use crate::platform::Platform;

/// Bytes of a `struct stat`, and of a `struct statx`.
const STAT: usize = 144;
const STATX: usize = 256;
/// `STATX_BASIC_STATS` and `STATX_BTIME`: what is always said.
const KNOWN: u32 = 0xfff;
/// Without synchronising, or with: here it is all the same.
const AT_STATX_SYNC: u64 = 0x6000;
const HERE: u64 = AT_FDCWD.cast_unsigned() as u64;

pub(super) fn stat<P: Platform>(running: &mut Running<P>, [path, to, ..]: [u64; 6]) -> Answer {
    newfstatat(running, [HERE, path, to, 0, 0, 0])
}

pub(super) fn lstat<P: Platform>(running: &mut Running<P>, [path, to, ..]: [u64; 6]) -> Answer {
    newfstatat(running, [HERE, path, to, AT_SYMLINK_NOFOLLOW, 0, 0])
}

pub(super) fn fstat<P: Platform>(running: &mut Running<P>, [word, to, ..]: [u64; 6]) -> Answer {
    let stat = of_open(running, word)?;
    put(running, to, &as_stat(&stat))
}

pub(super) fn newfstatat<P: Platform>(
    running: &mut Running<P>,
    [dir, path, to, flags, ..]: [u64; 6],
) -> Answer {
    let stat = find(running, dir, path, flags)?;
    put(running, to, &as_stat(&stat))
}

pub(super) fn statx<P: Platform>(running: &mut Running<P>, [dir, path, flags, _, to, _]: [u64; 6]) -> Answer {
    let stat = find(running, dir, path, flags & !AT_STATX_SYNC)?;
    put(running, to, &as_statx(&stat))
}

fn put<P: Platform>(running: &Running<P>, to: u64, bytes: &[u8]) -> Answer {
    running.thread.space.copy_out(VirtAddr::new(to), bytes).map(|()| 0).map_err(|_| Errno::EFAULT)
}

/// What is known of what a path names, or of what is open.
fn find<P: Platform>(running: &Running<P>, dir: u64, path: u64, flags: u64) -> Result<Stat, Errno> {
    // Nothing is mounted by being looked at: `AT_NO_AUTOMOUNT` says nothing.
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | 0x800) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & AT_EMPTY_PATH != 0 && names::path(running, path)?.is_empty() && int(dir) != AT_FDCWD {
        return of_open(running, dir);
    }
    let mut how = AtFlags::empty();
    how.set(AtFlags::NO_FOLLOW, flags & AT_SYMLINK_NOFOLLOW != 0);
    how.set(AtFlags::EMPTY_PATH, flags & AT_EMPTY_PATH != 0);
    names::with_path(running, dir, path, |call, at, path| {
        call.stat_at(at, path, how).map_err(|error| error.errno())
    })
}

fn of_open<P: Platform>(running: &Running<P>, word: u64) -> Result<Stat, Errno> {
    match opened(running, word)? {
        Opened::File(file) => {
            let view = running.program.view.lock().clone();
            let call = view.call(&running.program.ctx);
            call.stat(file.place()).map_err(|error| error.errno())
        }
        Opened::Nothing | Opened::Said => Ok(of_stream(running)),
    }
}

/// What is known of what the program says: somebody reads it at the other end.
fn of_stream<P: Platform>(running: &Running<P>) -> Stat {
    let cred = &running.program.ctx.cred;
    let now = Timestamp::EPOCH;
    let attr = Attr {
        ino: Ino { number: running.thread.process.id.into(), generation: 0 },
        kind: STREAM,
        mode: Mode::of(0o600),
        links: 1,
        uid: cred.uid,
        gid: cred.gid,
        device: kos_vfs::DeviceNumber::default(),
        size: 0,
        blocks: 0,
        accessed: now,
        modified: now,
        changed: now,
        born: now,
    };
    Stat { device: 0, attr, block_size: 4096 }
}

/// Bytes in the order of the fields.
struct Fields<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Fields<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    fn put(&mut self, field: &[u8]) {
        let room = self.bytes.get_mut(self.at..).unwrap_or_default();
        room.iter_mut().zip(field).for_each(|(to, from)| *to = *from);
        self.at += field.len();
    }

    fn half(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn word(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }
}

/// A device number as `st_rdev` has it: `new_encode_dev` of Linux, and what goes beyond.
const fn encoded(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

fn as_stat(stat: &Stat) -> [u8; STAT] {
    let attr = &stat.attr;
    let mut fields = Fields::new();
    fields.word(stat.device);
    fields.word(attr.ino.number);
    fields.word(attr.links.into());
    fields.half(attr.mode_word().into());
    fields.half(attr.uid);
    fields.half(attr.gid);
    fields.half(0);
    fields.word(encoded(attr.device.major, attr.device.minor));
    fields.word(attr.size);
    fields.word(stat.block_size.into());
    fields.word(attr.blocks);
    for time in [attr.accessed, attr.modified, attr.changed] {
        fields.word(time.seconds.cast_unsigned());
        fields.word(time.nanos().into());
    }
    fields.bytes
}

fn as_statx(stat: &Stat) -> [u8; STATX] {
    let attr = &stat.attr;
    let mut fields = Fields::new();
    fields.half(KNOWN);
    fields.half(stat.block_size);
    fields.word(0);
    fields.half(attr.links);
    fields.half(attr.uid);
    fields.half(attr.gid);
    fields.half(attr.mode_word().into());
    fields.word(attr.ino.number);
    fields.word(attr.size);
    fields.word(attr.blocks);
    fields.word(0);
    for time in [attr.accessed, attr.born, attr.changed, attr.modified] {
        fields.word(time.seconds.cast_unsigned());
        fields.half(time.nanos());
        fields.half(0);
    }
    fields.half(attr.device.major);
    fields.half(attr.device.minor);
    fields.half(0);
    fields.half(u32::try_from(stat.device).unwrap_or(u32::MAX));
    fields.bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use kos_vfs::DeviceNumber;
    use kos_vfs::FileType;

    fn stat() -> Stat {
        let time = |seconds| Timestamp::new(seconds, 5).unwrap();
        let attr = Attr {
            ino: Ino { number: 77, generation: 1 },
            kind: FileType::Regular,
            mode: Mode::of(0o640),
            links: 2,
            uid: 1000,
            gid: 100,
            device: DeviceNumber { major: 1, minor: 3 },
            size: 4097,
            blocks: 16,
            accessed: time(1),
            modified: time(2),
            changed: time(3),
            born: time(4),
        };
        Stat { device: 9, attr, block_size: 4096 }
    }

    fn word(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(*bytes[at..].first_chunk().unwrap())
    }

    fn half(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())
    }

    #[test]
    fn a_stat_has_its_fields_where_programs_look() {
        let bytes = as_stat(&stat());
        let words = [(0, 9), (8, 77), (16, 2), (40, 0x103), (48, 4097), (56, 4096), (64, 16)];
        assert!(words.iter().all(|&(at, value)| word(&bytes, at) == value), "{bytes:?}");
        assert_eq!([24, 28, 32].map(|at| half(&bytes, at)), [0o100_640, 1000, 100]);
        assert_eq!([72, 80, 88, 96, 104, 112].map(|at| word(&bytes, at)), [1, 5, 2, 5, 3, 5]);
    }

    #[test]
    fn a_statx_has_its_fields_where_programs_look() {
        let bytes = as_statx(&stat());
        assert_eq!([0, 4, 16, 20, 24].map(|at| half(&bytes, at)), [KNOWN, 4096, 2, 1000, 100]);
        assert_eq!(half(&bytes, 28) & 0xffff, 0o100_640);
        assert_eq!([32, 40, 48].map(|at| word(&bytes, at)), [77, 4097, 16]);
        assert_eq!([64, 80, 96, 112].map(|at| word(&bytes, at)), [1, 4, 3, 2]);
        assert_eq!([128, 132, 136, 140].map(|at| half(&bytes, at)), [1, 3, 0, 9]);
    }

    #[test]
    fn device_numbers_are_split_as_programs_put_them_together() {
        // What `makedev` of glibc says.
        assert_eq!(encoded(0x1_2345, 0x00ab_cdef), 0x1_200a_bcd3_45ef);
    }
}

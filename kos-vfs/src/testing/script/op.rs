//! [`Op`]: one call with its arguments, and how it is read from words.

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use super::parse::ParseError;
use crate::attr::{DeviceNumber, FileType, Mode};
use crate::file::OpenFlags;
use crate::fs::RenameFlags;
use crate::perm::Access;
use crate::tree::mount::MountFlags;
use crate::walk::ResolveFlags;

/// Where a path starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirFd {
    /// `AT_FDCWD`.
    Cwd,
    /// A descriptor.
    Fd(u32),
}

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A path.
    Path {
        /// Where it starts.
        dir: DirFd,
        /// The path.
        path: Vec<u8>,
        /// Whether a symlink at its end is followed.
        follow: bool,
        /// Whether an empty path means where it starts.
        empty: bool,
    },
    /// An open file.
    Fd(u32),
}

/// `lseek`'s third argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// `SEEK_SET`
    Set,
    /// `SEEK_CUR`
    Current,
    /// `SEEK_END`
    End,
    /// `SEEK_DATA`
    Data,
    /// `SEEK_HOLE`
    Hole,
}

/// A time: seconds and nanoseconds, or `None` with one of `UTIME_NOW` and `UTIME_OMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seconds {
    /// `UTIME_NOW`
    Now,
    /// `UTIME_OMIT`
    Omit,
    /// Seconds and nanoseconds; the latter may be out of range.
    At(i64, u32),
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a system call with the arguments of its manual page")]
pub enum Op {
    As { uid: u32, groups: Vec<u32> },
    Umask(Mode),
    Proc(Vec<u8>),
    Chdir(Target),
    Chroot(Vec<u8>),
    Time(u64),
    Open { dir: DirFd, path: Vec<u8>, flags: OpenFlags, mode: Mode, resolve: ResolveFlags },
    Close(u32),
    Dup(u32),
    Dup2(u32, u32),
    Read(u32, usize),
    Write(u32, Vec<u8>),
    Pread(u32, usize, i64),
    Pwrite(u32, Vec<u8>, i64),
    Lseek(u32, i64, Whence),
    Truncate(Target, i64),
    Fallocate(u32, u32, i64, i64),
    Fsync(u32),
    Readdir(u32),
    Mkdir { dir: DirFd, path: Vec<u8>, mode: Mode },
    Remove { dir: DirFd, path: Vec<u8>, directory: bool },
    Link { from: Target, dir: DirFd, path: Vec<u8> },
    Symlink { target: Vec<u8>, dir: DirFd, path: Vec<u8> },
    Readlink { dir: DirFd, path: Vec<u8> },
    Rename { old_dir: DirFd, old: Vec<u8>, dir: DirFd, path: Vec<u8>, flags: RenameFlags },
    Mknod { dir: DirFd, path: Vec<u8>, kind: FileType, mode: Mode, device: DeviceNumber },
    Stat(Target, Vec<String>),
    Chmod(Target, Mode),
    Chown(Target, Option<u32>, Option<u32>),
    Utimens(Target, Seconds, Seconds),
    Access(Target, Access),
    Statfs(Vec<u8>),
    Mount { path: Vec<u8>, flags: MountFlags },
    Bind { old: Vec<u8>, path: Vec<u8>, flags: MountFlags },
    Remount { path: Vec<u8>, flags: MountFlags },
    Unmount { path: Vec<u8>, lazy: bool },
}

/// The words of a call, taken one by one.
struct Words<'a> {
    call: &'a [u8],
    rest: &'a [Vec<u8>],
    index: usize,
}

impl Words<'_> {
    fn error(&self) -> ParseError {
        let call = String::from_utf8_lossy(self.call).into_owned();
        ParseError::Argument { call, index: self.index }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, ParseError> {
        self.index += 1;
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.error())?;
        self.rest = rest;
        Ok(first.clone())
    }

    fn text(&mut self) -> Result<String, ParseError> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes).map_err(|_| self.error())
    }

    fn number<T: FromStr>(&mut self) -> Result<T, ParseError> {
        let text = self.text()?;
        text.parse().map_err(|_| self.error())
    }

    fn mode(&mut self) -> Result<Mode, ParseError> {
        let text = self.text()?;
        let bits = u16::from_str_radix(&text, 8).map_err(|_| self.error())?;
        Ok(Mode::of(bits))
    }

    fn optional_mode(&mut self) -> Result<Mode, ParseError> {
        if self.rest.is_empty() { Ok(Mode::empty()) } else { self.mode() }
    }

    /// Symbols between `,` or `|`, or an octal number.
    fn flags(&mut self, table: &[(&str, u32)]) -> Result<u32, ParseError> {
        let text = self.text()?;
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return u32::from_str_radix(&text, 8).map_err(|_| self.error());
        }
        text.split([',', '|']).filter(|word| !word.is_empty()).try_fold(0, |bits, word| {
            let found = table.iter().find(|(name, _)| *name == word);
            found.map(|(_, bit)| bits | bit).ok_or_else(|| self.error())
        })
    }

    fn dir(&mut self) -> Result<DirFd, ParseError> {
        let text = self.text()?;
        if text == "AT_FDCWD" {
            return Ok(DirFd::Cwd);
        }
        text.parse().map(DirFd::Fd).map_err(|_| self.error())
    }

    /// Of a call without and with a directory: `mkdir`, `mkdirat`.
    fn dir_if(&mut self, at: bool) -> Result<DirFd, ParseError> {
        if at { self.dir() } else { Ok(DirFd::Cwd) }
    }

    fn open_flags(&mut self) -> Result<OpenFlags, ParseError> {
        Ok(OpenFlags::from_bits_retain(self.flags(OPEN)?))
    }

    fn mount_flags(&mut self) -> Result<MountFlags, ParseError> {
        if self.rest.is_empty() {
            Ok(MountFlags::empty())
        } else {
            Ok(MountFlags::from_bits_truncate(self.flags(MOUNT)?))
        }
    }

    fn seconds(&mut self) -> Result<Seconds, ParseError> {
        let seconds = self.number()?;
        Ok(match self.text()?.as_str() {
            "UTIME_NOW" => Seconds::Now,
            "UTIME_OMIT" => Seconds::Omit,
            nanos => Seconds::At(seconds, nanos.parse().map_err(|_| self.error())?),
        })
    }

    /// `FLAGS`, if there are any more words.
    fn at_flags(&mut self) -> Result<u32, ParseError> {
        if self.rest.is_empty() { Ok(0) } else { self.flags(AT) }
    }

    fn id(&mut self) -> Result<Option<u32>, ParseError> {
        let id: i64 = self.number()?;
        if id == -1 { Ok(None) } else { u32::try_from(id).map(Some).map_err(|_| self.error()) }
    }
}

const OPEN: &[(&str, u32)] = &[
    ("O_RDONLY", 0),
    ("O_WRONLY", 0o1),
    ("O_RDWR", 0o2),
    ("O_CREAT", 0o100),
    ("O_EXCL", 0o200),
    ("O_NOCTTY", 0o400),
    ("O_TRUNC", 0o1000),
    ("O_APPEND", 0o2000),
    ("O_NONBLOCK", 0o4000),
    ("O_DSYNC", 0o10_000),
    ("O_DIRECT", 0o40_000),
    ("O_DIRECTORY", 0o200_000),
    ("O_NOFOLLOW", 0o400_000),
    ("O_NOATIME", 0o1_000_000),
    ("O_CLOEXEC", 0o2_000_000),
    ("O_SYNC", 0o4_010_000),
    ("O_PATH", 0o10_000_000),
    ("O_TMPFILE", 0o20_200_000),
];
const MOUNT: &[(&str, u32)] =
    &[("rw", 0), ("ro", 1), ("nosuid", 2), ("nodev", 4), ("noexec", 8), ("noatime", 1 << 10)];
const NO_FOLLOW: u32 = 0x100;
const FOLLOW: u32 = 0x400;
const EMPTY: u32 = 0x1000;
const REMOVE_DIR: u32 = 0x200;
const AT: &[(&str, u32)] = &[
    ("0", 0),
    ("AT_SYMLINK_NOFOLLOW", NO_FOLLOW),
    ("AT_SYMLINK_FOLLOW", FOLLOW),
    ("AT_EMPTY_PATH", EMPTY),
    ("AT_REMOVEDIR", REMOVE_DIR),
];
const RESOLVE: &[(&str, u32)] = &[
    ("0", 0),
    ("RESOLVE_NO_XDEV", 1),
    ("RESOLVE_NO_MAGICLINKS", 2),
    ("RESOLVE_NO_SYMLINKS", 4),
    ("RESOLVE_BENEATH", 8),
    ("RESOLVE_IN_ROOT", 16),
    ("RESOLVE_CACHED", 32),
];
const RENAME: &[(&str, u32)] = &[("0", 0), ("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2)];
const ACCESS: &[(&str, u32)] = &[("F_OK", 0), ("R_OK", 4), ("W_OK", 2), ("X_OK", 1)];
const FALLOCATE: &[(&str, u32)] =
    &[("0", 0), ("FALLOC_FL_KEEP_SIZE", 1), ("FALLOC_FL_PUNCH_HOLE", 2), ("FALLOC_FL_ZERO_RANGE", 16)];

/// How a call names its file: by path, by path without following, by directory and path, by descriptor.
fn target(words: &mut Words<'_>, form: Form) -> Result<Target, ParseError> {
    match form {
        Form::Fd => Ok(Target::Fd(words.number()?)),
        Form::Path | Form::Link => Ok(Target::Path {
            dir: DirFd::Cwd,
            path: words.bytes()?,
            follow: form == Form::Path,
            empty: false,
        }),
        Form::At => {
            let dir = words.dir()?;
            Ok(Target::Path { dir, path: words.bytes()?, follow: true, empty: false })
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Path,
    Link,
    At,
    Fd,
}

/// The form of a call of a family: `chmod`, `lchmod`, `fchmod`, `fchmodat`.
fn form(call: &[u8], family: &[u8]) -> Option<Form> {
    match call {
        _ if call == family => Some(Form::Path),
        [b'l', rest @ ..] if rest == family => Some(Form::Link),
        [b'f', rest @ ..] if rest == family => Some(Form::Fd),
        [b'f', rest @ .., b'a', b't'] if rest == family => Some(Form::At),
        [rest @ .., b'a', b't'] if rest == family => Some(Form::At),
        _ => None,
    }
}

/// Flags at the end of an `-at` call.
fn with_flags(words: &mut Words<'_>, target: Target) -> Result<Target, ParseError> {
    let bits = words.at_flags()?;
    Ok(match target {
        Target::Path { dir, path, follow, empty } => Target::Path {
            dir,
            path,
            follow: follow && bits & NO_FOLLOW == 0,
            empty: empty || bits & EMPTY != 0,
        },
        fd @ Target::Fd(_) => fd,
    })
}

pub(super) fn parse(words: &[Vec<u8>]) -> Result<Op, ParseError> {
    let Some((call, rest)) = words.split_first() else { return Err(ParseError::Unclosed) };
    let mut words = Words { call, rest, index: 0 };
    for parser in [state_call, file_call, name_call, attr_call, mount_call] {
        if let Some(op) = parser(&mut words)? {
            words.index += 1;
            return if words.rest.is_empty() { Ok(op) } else { Err(words.error()) };
        }
    }
    Err(ParseError::Unknown(String::from_utf8_lossy(call).into_owned()))
}

fn state_call(words: &mut Words<'_>) -> Result<Option<Op>, ParseError> {
    Ok(Some(match words.call {
        b"as" => {
            let uid = words.number()?;
            let text = words.text()?;
            let groups: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
            Op::As { uid, groups: groups.map_err(|_| words.error())? }
        }
        b"umask" => Op::Umask(words.mode()?),
        b"proc" => Op::Proc(words.bytes()?),
        b"chdir" => Op::Chdir(target(words, Form::Path)?),
        b"fchdir" => Op::Chdir(target(words, Form::Fd)?),
        b"chroot" => Op::Chroot(words.bytes()?),
        b"time" => Op::Time(words.number()?),
        _ => return Ok(None),
    }))
}

fn file_call(words: &mut Words<'_>) -> Result<Option<Op>, ParseError> {
    Ok(Some(match words.call {
        b"open" | b"openat" => {
            let dir = words.dir_if(words.call == b"openat")?;
            let (path, flags) = (words.bytes()?, words.open_flags()?);
            Op::Open { dir, path, flags, mode: words.optional_mode()?, resolve: ResolveFlags::empty() }
        }
        b"openat2" => {
            let (dir, path, flags, mode) = (words.dir()?, words.bytes()?, words.open_flags()?, words.mode()?);
            let resolve = ResolveFlags::from_bits_truncate(words.flags(RESOLVE)?.into());
            Op::Open { dir, path, flags, mode, resolve }
        }
        b"close" => Op::Close(words.number()?),
        b"dup" => Op::Dup(words.number()?),
        b"dup2" => Op::Dup2(words.number()?, words.number()?),
        b"read" => Op::Read(words.number()?, words.number()?),
        b"write" => Op::Write(words.number()?, words.bytes()?),
        b"pread" => Op::Pread(words.number()?, words.number()?, words.number()?),
        b"pwrite" => Op::Pwrite(words.number()?, words.bytes()?, words.number()?),
        b"lseek" => {
            let (fd, offset) = (words.number()?, words.number()?);
            let whence = match words.text()?.as_str() {
                "SEEK_SET" => Whence::Set,
                "SEEK_CUR" => Whence::Current,
                "SEEK_END" => Whence::End,
                "SEEK_DATA" => Whence::Data,
                "SEEK_HOLE" => Whence::Hole,
                _ => return Err(words.error()),
            };
            Op::Lseek(fd, offset, whence)
        }
        b"fallocate" => {
            Op::Fallocate(words.number()?, words.flags(FALLOCATE)?, words.number()?, words.number()?)
        }
        b"fsync" | b"fdatasync" => Op::Fsync(words.number()?),
        b"readdir" => Op::Readdir(words.number()?),
        _ => return Ok(None),
    }))
}

fn name_call(words: &mut Words<'_>) -> Result<Option<Op>, ParseError> {
    let at = words.call.ends_with(b"at");
    Ok(Some(match words.call {
        b"mkdir" | b"mkdirat" => {
            Op::Mkdir { dir: words.dir_if(at)?, path: words.bytes()?, mode: words.mode()? }
        }
        b"rmdir" => Op::Remove { dir: DirFd::Cwd, path: words.bytes()?, directory: true },
        b"unlink" => Op::Remove { dir: DirFd::Cwd, path: words.bytes()?, directory: false },
        b"unlinkat" => {
            let (dir, path) = (words.dir()?, words.bytes()?);
            Op::Remove { dir, path, directory: words.at_flags()? & REMOVE_DIR != 0 }
        }
        b"link" => Op::Link { from: target(words, Form::Link)?, dir: DirFd::Cwd, path: words.bytes()? },
        b"linkat" => {
            let (old_dir, old, dir, path) = (words.dir()?, words.bytes()?, words.dir()?, words.bytes()?);
            let bits = words.at_flags()?;
            let (follow, empty) = (bits & FOLLOW != 0, bits & EMPTY != 0);
            Op::Link { from: Target::Path { dir: old_dir, path: old, follow, empty }, dir, path }
        }
        b"symlink" | b"symlinkat" => {
            Op::Symlink { target: words.bytes()?, dir: words.dir_if(at)?, path: words.bytes()? }
        }
        b"readlink" | b"readlinkat" => Op::Readlink { dir: words.dir_if(at)?, path: words.bytes()? },
        b"rename" | b"renameat" | b"renameat2" => {
            let at = words.call != b"rename";
            let (old_dir, old) = (words.dir_if(at)?, words.bytes()?);
            let (dir, path) = (words.dir_if(at)?, words.bytes()?);
            let bits = if words.rest.is_empty() { 0 } else { words.flags(RENAME)? };
            Op::Rename { old_dir, old, dir, path, flags: RenameFlags::from_bits_truncate(bits) }
        }
        b"mkfifo" | b"mkfifoat" => Op::Mknod {
            dir: words.dir_if(at)?,
            path: words.bytes()?,
            kind: FileType::Fifo,
            mode: words.mode()?,
            device: DeviceNumber::default(),
        },
        b"bind" | b"bindat" => Op::Mknod {
            dir: words.dir_if(at)?,
            path: words.bytes()?,
            kind: FileType::Socket,
            mode: Mode::ALL_ACCESS,
            device: DeviceNumber::default(),
        },
        b"mknod" | b"mknodat" => {
            let (dir, path) = (words.dir_if(at)?, words.bytes()?);
            let kind = match words.text()?.as_str() {
                "f" => FileType::Regular,
                "d" => FileType::Directory,
                "c" => FileType::CharDevice,
                "b" => FileType::BlockDevice,
                "p" => FileType::Fifo,
                "s" => FileType::Socket,
                _ => return Err(words.error()),
            };
            let mode = words.mode()?;
            let device = DeviceNumber { major: words.number()?, minor: words.number()? };
            Op::Mknod { dir, path, kind, mode, device }
        }
        _ => return Ok(None),
    }))
}

fn attr_call(words: &mut Words<'_>) -> Result<Option<Op>, ParseError> {
    let call = words.call;
    if let Some(form) = form(call, b"stat") {
        let target = target(words, form)?;
        let fields = words.text()?.split(',').map(String::from).collect();
        return Ok(Some(Op::Stat(with_flags(words, target)?, fields)));
    }
    if let Some(form) = form(call, b"chmod") {
        let (target, mode) = (target(words, form)?, words.mode()?);
        return Ok(Some(Op::Chmod(with_flags(words, target)?, mode)));
    }
    if let Some(form) = form(call, b"chown") {
        let (target, uid, gid) = (target(words, form)?, words.id()?, words.id()?);
        return Ok(Some(Op::Chown(with_flags(words, target)?, uid, gid)));
    }
    if let Some(form) = form(call, b"access") {
        let target = target(words, form)?;
        let bits = words.flags(ACCESS)?.to_le_bytes()[0];
        return Ok(Some(Op::Access(with_flags(words, target)?, Access::from_bits_truncate(bits))));
    }
    Ok(Some(match call {
        b"utimensat" => {
            let target = target(words, Form::At)?;
            let (accessed, modified) = (words.seconds()?, words.seconds()?);
            Op::Utimens(with_flags(words, target)?, accessed, modified)
        }
        b"futimens" => Op::Utimens(target(words, Form::Fd)?, words.seconds()?, words.seconds()?),
        b"truncate" => Op::Truncate(target(words, Form::Path)?, words.number()?),
        b"ftruncate" => Op::Truncate(target(words, Form::Fd)?, words.number()?),
        b"statfs" => Op::Statfs(words.bytes()?),
        _ => return Ok(None),
    }))
}

fn mount_call(words: &mut Words<'_>) -> Result<Option<Op>, ParseError> {
    Ok(Some(match words.call {
        b"mount" => {
            let path = words.bytes()?;
            if path == b"--bind" {
                Op::Bind { old: words.bytes()?, path: words.bytes()?, flags: words.mount_flags()? }
            } else {
                Op::Mount { path, flags: words.mount_flags()? }
            }
        }
        b"remount" => Op::Remount { path: words.bytes()?, flags: words.mount_flags()? },
        b"umount" => {
            let path = words.bytes()?;
            let lazy = !words.rest.is_empty() && words.text()? == "lazy";
            Op::Unmount { path, lazy }
        }
        _ => return Ok(None),
    }))
}

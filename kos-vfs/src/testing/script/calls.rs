//! From words to an [`Op`].

use alloc::string::String;
use alloc::vec::Vec;

use super::args::{ACCESS, EMPTY, FALLOCATE, FOLLOW, NO_FOLLOW, REMOVE_DIR, RENAME, RESOLVE, Words, XATTR};
use super::op::{DirFd, LockCall, Op, Target, Whence};
use super::parse::ParseError;
use crate::attr::{DeviceNumber, FileType, Mode};
use crate::file::{LockKind, LockScope};
use crate::fs::{RenameFlags, XattrFlags};
use crate::perm::Access;
use crate::walk::ResolveFlags;

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
    for parser in [state_call, file_call, name_call, attr_call, xattr_call, mount_call] {
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
        b"lock" => {
            let fd = words.number()?;
            let call = match words.text()?.as_str() {
                "F_SETLK" => LockCall { scope: LockScope::Process, look: false },
                "F_GETLK" => LockCall { scope: LockScope::Process, look: true },
                "F_OFD_SETLK" => LockCall { scope: LockScope::OpenFile, look: false },
                "F_OFD_GETLK" => LockCall { scope: LockScope::OpenFile, look: true },
                _ => return Err(words.error()),
            };
            let kind = lock_kind(words, ["F_RDLCK", "F_WRLCK", "F_UNLCK"])?;
            Op::Lock(fd, call, kind, words.number()?, words.number()?)
        }
        b"flock" => Op::Flock(words.number()?, lock_kind(words, ["LOCK_SH", "LOCK_EX", "LOCK_UN"])?),
        b"fsync" | b"fdatasync" => Op::Fsync(words.number()?),
        b"readdir" => Op::Readdir(words.number()?),
        _ => return Ok(None),
    }))
}

/// `None` releases.
fn lock_kind(words: &mut Words<'_>, symbols: [&str; 3]) -> Result<Option<LockKind>, ParseError> {
    let text = words.text()?;
    let kinds = [Some(LockKind::Shared), Some(LockKind::Exclusive), None];
    let found = symbols.iter().zip(kinds).find(|(symbol, _)| **symbol == text);
    found.map(|(_, kind)| kind).ok_or_else(|| words.error())
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

fn xattr_call(words: &mut Words<'_>) -> Result<Option<Op>, ParseError> {
    let families: [&[u8]; 4] = [b"getxattr", b"setxattr", b"listxattr", b"removexattr"];
    let call = words.call;
    let found = families.into_iter().find_map(|family| Some((family, form(call, family)?)));
    let Some((family, form)) = found.filter(|&(_, form)| form != Form::At) else { return Ok(None) };
    let target = target(words, form)?;
    Ok(Some(match family {
        b"getxattr" => Op::GetXattr(target, words.bytes()?, words.number()?),
        b"setxattr" => {
            let (name, value) = (words.bytes()?, words.bytes()?);
            Op::SetXattr(target, name, value, XattrFlags::from_bits_truncate(words.flags(XATTR)?))
        }
        b"listxattr" => Op::ListXattr(target, words.number()?),
        _ => Op::RemoveXattr(target, words.bytes()?),
    }))
}

fn mount_call(words: &mut Words<'_>) -> Result<Option<Op>, ParseError> {
    Ok(Some(match words.call {
        b"mount" => {
            let path = words.bytes()?;
            if path == b"--bind" {
                Op::Bind { old: words.bytes()?, path: words.bytes()?, flags: words.mount_flags()? }
            } else if path == b"--move" {
                Op::MoveMount { old: words.bytes()?, path: words.bytes()? }
            } else {
                Op::Mount { path, flags: words.mount_flags()? }
            }
        }
        b"pivot_root" => Op::PivotRoot { new: words.bytes()?, put_old: words.bytes()? },
        b"unshare" => Op::CopyNamespace,
        b"remount" => Op::Remount { path: words.bytes()?, flags: words.mount_flags()? },
        b"umount" => {
            let path = words.bytes()?;
            let lazy = !words.rest.is_empty() && words.text()? == "lazy";
            Op::Unmount { path, lazy }
        }
        _ => return Ok(None),
    }))
}

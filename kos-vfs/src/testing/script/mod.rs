//! The path client: file-system calls as text, one a line, each with one answer.
//!
//! A line is a call and its arguments, separated by blanks; quotes as in a shell, `\xNN` for any byte; `#` begins a comment. The
//! answer is `0`, a value, or the symbol of an error (`ENOENT`). [`Engine`] runs lines on a [`Backend`]: a [`Vfs`](crate::Vfs)
//! ([`VfsBackend`]), or the system calls of a host.
//!
//! | | |
//! |---|---|
//! | state | `as UID GID[,GID…]`, `umask MODE`, `proc NAME` (own directories and descriptors; a new one begins as a copy), `chdir P`, `fchdir FD`, `chroot P`, `time NS` |
//! | files | `open P FLAGS [MODE]`, `openat DIR P FLAGS [MODE]`, `openat2 DIR P FLAGS MODE RESOLVE`, `close`, `dup FD`, `dup2 FD TO`, `read FD N`, `write FD BYTES`, `pread FD N AT`, `pwrite FD BYTES AT`, `lseek FD N SEEK_…`, `ftruncate FD SIZE`, `fallocate FD MODE AT SIZE`, `fsync`, `fdatasync`, `lock FD F_[OFD_][SG]ETLK F_…LCK START LENGTH`, `flock FD LOCK_…` (neither waits), `readdir FD` (all names, sorted) |
//! | names | `mkdir P MODE`, `rmdir P`, `unlink P`, `link OLD NEW`, `symlink TARGET P`, `readlink P`, `rename OLD NEW`, `renameat2 DIR OLD DIR NEW FLAGS`, `mknod P TYPE MODE MAJOR MINOR`, `mkfifo P MODE`, `bind P`, each with its `-at` form |
//! | attributes | `stat P FIELDS`, `chmod`, `chown P UID GID`, `utimensat DIR P S NS S NS FLAGS`, `access P MODE`, `truncate P SIZE`, with their `f-`, `l-` and `-at` forms; `statfs P` |
//! | extended attributes | `getxattr P NAME SIZE`, `setxattr P NAME VALUE FLAGS`, `listxattr P SIZE`, `removexattr P NAME`, each with its `f-` and `l-` form |
//! | mounts | `mount P FLAGS` (a new tmpfs), `mount --bind OLD NEW FLAGS`, `mount --move OLD NEW`, `remount P FLAGS`, `umount P [lazy]`, `pivot_root NEW PUT_OLD`, `unshare` (a namespace of its own) |
//! | control | `expect ANSWER CALL…` |

mod args;
mod calls;
mod generate;
mod op;
mod parse;
mod vfs;

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

pub use generate::Generator;
pub use op::{DirFd, LockCall, Op, Seconds, Target, Whence};
pub use parse::ParseError;
pub use vfs::VfsBackend;

use crate::errno::Errno;

/// What a call answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It worked, and there is nothing to say.
    Done,
    /// It worked: a number, attributes, bytes, names.
    Value(String),
    /// It failed.
    Failed(Errno),
    /// It failed with an error that [`Errno`] does not know.
    Unknown(i32),
    /// The backend cannot do it here (no right to, not built): nothing was tried.
    Skipped,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("0"),
            Self::Value(value) => f.write_str(value),
            Self::Failed(errno) => f.write_str(errno.name()),
            Self::Unknown(number) => write!(f, "E{number}"),
            Self::Skipped => f.write_str("skipped"),
        }
    }
}

impl<X: Into<Errno>> From<Result<(), X>> for Answer {
    fn from(result: Result<(), X>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => Self::Failed(error.into()),
        }
    }
}

/// Bytes of a file or a path, as answers show them: between quotes, what is not printable ASCII as `\xNN`.
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&alloc::format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Names of extended attributes, each with a NUL behind it, as answers show them: sorted, quoted.
pub fn listed(names: &[u8]) -> String {
    let mut names: Vec<&[u8]> = names.split(|&byte| byte == 0).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    names.join(" ")
}

/// Where calls are carried out.
pub trait Backend {
    /// Carries out one call.
    fn run(&mut self, op: &Op) -> Answer;
}

impl<B: Backend + ?Sized> Backend for &mut B {
    fn run(&mut self, op: &Op) -> Answer {
        (**self).run(op)
    }
}

/// What a line came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An empty line or a comment.
    Nothing,
    /// The answer.
    Answer(Answer),
    /// The answer, which is not what was expected.
    Mismatch {
        /// What was expected.
        expected: String,
        /// What was answered.
        answer: Answer,
    },
}

/// Runs lines.
#[derive(Debug)]
pub struct Engine<B> {
    backend: B,
}

impl<B: Backend> Engine<B> {
    /// Runs lines on `backend`.
    pub const fn new(backend: B) -> Self {
        Self { backend }
    }

    /// Runs one line, without its line end.
    ///
    /// # Errors
    /// Why it is no call.
    pub fn line(&mut self, line: &[u8]) -> Result<Outcome, ParseError> {
        let words = parse::words(line)?;
        let mut words: &[Vec<u8>] = &words;
        let mut expected = None;
        if let [first, wanted, rest @ ..] = words
            && first == b"expect"
        {
            expected = Some(String::from_utf8_lossy(wanted).into_owned());
            words = rest;
        }
        if words.is_empty() {
            return Ok(Outcome::Nothing);
        }
        let answer = self.backend.run(&calls::parse(words)?);
        Ok(match expected {
            Some(expected) if expected != answer.to_string() => Outcome::Mismatch { expected, answer },
            _ => Outcome::Answer(answer),
        })
    }
}

#[cfg(test)]
mod tests;

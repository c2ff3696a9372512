//! The files of users on their way to and from the disk: read whole, written beside the old one and then renamed over it.
//!
//! So who crashes in the middle has the old file or the new one, never a part of either: the new one is durable before the rename,
//! and the rename before the caller goes on.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Write};

use kos_vfs::fs::{RenameFlags, SyncMode};
use kos_vfs::{At, Call, Ctx, DirError, Errno, FileError, How, Mode, OpenFlags};

use super::lines::{self, FILE_MAX};
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// The directory of all of them.
const FOLDER: &[u8] = b"/etc";
/// Who reads and writes them, whoever asks.
const ONLY_ROOT: Mode = Mode::of(0o600);

/// Why a file was not read or written. It is as it was, or the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// There are no files here.
    NoFiles,
    /// The file system refused.
    Refused(&'static str, Errno),
    /// There is no memory for it.
    NoMemory,
    /// The new one would have more than [`FILE_MAX`] bytes.
    TooLong(&'static str),
    /// It is not as it should be.
    Wrong(&'static str, lines::FileError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFiles => f.write_str("there are no files here"),
            Self::Refused(path, errno) => write!(f, "{path}: {}", errno.meaning()),
            Self::NoMemory => f.write_str("no memory for the files of users"),
            Self::TooLong(path) => write!(f, "{path}: it would have more than {FILE_MAX} bytes"),
            Self::Wrong(path, what) => write!(f, "{path}: {what}"),
        }
    }
}

impl Error for StoreError {}

fn refused(path: &'static str) -> impl Fn(Errno) -> StoreError {
    move |errno| if errno == Errno::ENOMEM { StoreError::NoMemory } else { StoreError::Refused(path, errno) }
}

/// File operations as user 0.
pub(super) fn as_root<P: Platform, R>(
    kernel: &Kernel<P>,
    work: impl FnOnce(&Call<'_, '_, FilesEnv<P>>) -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    let view = kernel.files().and_then(|files| files.view()).ok_or(StoreError::NoFiles)?;
    let ctx = Ctx::root();
    work(&view.call(&ctx))
}

/// Text that is gathered; memory for it may be refused.
#[derive(Default)]
struct Gathered(Vec<u8>);

impl Write for Gathered {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The bytes of a file, and a few more than there may be at most; [`None`]: there is none.
pub(super) fn read<P: Platform>(
    kernel: &Kernel<P>,
    path: &'static str,
) -> Result<Option<Vec<u8>>, StoreError> {
    as_root(kernel, |call| {
        let file = match call.open(At::Cwd, path.as_bytes(), &How::flags(OpenFlags::empty())) {
            Err(error) if error.errno() == Errno::ENOENT => return Ok(None),
            opened => opened.map_err(|error| refused(path)(error.errno()))?,
        };
        let (mut bytes, mut piece) = (Vec::new(), [0; 512]);
        while bytes.len() <= FILE_MAX {
            let count = file.read(&mut piece).map_err(|error| refused(path)(error.errno()))?;
            let piece = piece.get(..count).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            bytes.try_reserve(piece.len()).map_err(|_| StoreError::NoMemory)?;
            bytes.extend_from_slice(piece);
        }
        Ok(Some(bytes))
    })
}

/// Puts a file in the place of the one at `path`; `beside` is where it comes into being.
pub(super) fn replace<P: Platform>(
    kernel: &Kernel<P>,
    (path, beside): (&'static str, &'static str),
    contents: &dyn fmt::Display,
) -> Result<(), StoreError> {
    let mut gathered = Gathered::default();
    write!(gathered, "{contents}").map_err(|_| StoreError::NoMemory)?;
    if gathered.0.len() > FILE_MAX {
        return Err(StoreError::TooLong(path));
    }
    as_root(kernel, |call| {
        let made = put(call, beside.as_bytes(), &gathered.0).map_err(|error| refused(path)(error.errno()));
        let renamed = made.and_then(|()| {
            let renamed =
                call.rename(At::Cwd, beside.as_bytes(), At::Cwd, path.as_bytes(), RenameFlags::empty());
            renamed.map_err(|error| refused(path)(error.errno()))
        });
        if renamed.is_err() {
            // The next one cuts what is left of it.
            let _ = call.unlink(At::Cwd, beside.as_bytes());
        }
        renamed?;
        let folder = call.open(At::Cwd, FOLDER, &How::flags(OpenFlags::DIRECTORY));
        let synced = folder.and_then(|folder| folder.sync(SyncMode::All));
        synced.map_err(|error| refused(path)(error.errno()))
    })
}

/// A durable file with these bytes.
fn put<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, path: &[u8], bytes: &[u8]) -> Result<(), FileError> {
    let how = How::create(OpenFlags::WRITE_ONLY | OpenFlags::TRUNCATE, ONLY_ROOT);
    let file = call.open(At::Cwd, path, &how)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = call.write(&file, rest)?;
        rest = rest.get(written..).filter(|_| written > 0).ok_or(kos_vfs::FsError::NoSpace)?;
    }
    file.sync(SyncMode::All)
}

/// A directory of his own for somebody; whether it was made. One that is there stays as it is.
pub(super) fn make_home<P: Platform>(
    kernel: &Kernel<P>,
    path: &str,
    (uid, gid): (u32, u32),
) -> Result<bool, StoreError> {
    as_root(kernel, |call| {
        let failed = |errno| refused("the home")(errno);
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !parent.is_empty() {
            match call.mkdir(At::Cwd, parent.as_bytes(), Mode::of(0o755)) {
                Ok(()) | Err(DirError::Exists) => {}
                Err(error) => return Err(failed(error.errno())),
            }
        }
        match call.mkdir(At::Cwd, path.as_bytes(), Mode::of(0o700)) {
            Ok(()) => {}
            Err(DirError::Exists) => return Ok(false),
            Err(error) => return Err(failed(error.errno())),
        }
        let given = call.resolve(At::Cwd, path.as_bytes(), kos_vfs::AtFlags::NO_FOLLOW);
        let given = given.map_err(|error| error.errno());
        let given =
            given.and_then(|place| call.chown(&place, Some(uid), Some(gid)).map_err(|error| error.errno()));
        given.map(|()| true).map_err(|errno| {
            // It is empty, and nobody's yet.
            let _ = call.rmdir(At::Cwd, path.as_bytes());
            failed(errno)
        })
    })
}

/// Takes an empty directory away.
pub(super) fn remove_home<P: Platform>(kernel: &Kernel<P>, path: &str) {
    // Somebody may have put something into it: then it stays.
    let _ = as_root(kernel, |call| {
        call.rmdir(At::Cwd, path.as_bytes()).map_err(|error| refused("the home")(error.errno()))
    });
}

//! Rules of a file: [`read`], and those that the root has ([`of_root`]).

use core::error::Error;
use core::fmt;

use kos_vfs::{Call, Ctx, Errno};

use super::{FILE_MAX, FileError, Firewall, PATH};
use crate::files::{Files, read_short};
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// The rules of a file.
///
/// # Errors
/// [`LoadError`]
pub(crate) fn read<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, path: &str) -> Result<Firewall, LoadError> {
    let bytes = read_short(call, path, FILE_MAX).map_err(LoadError::Unread)?;
    Firewall::read(&bytes).map_err(LoadError::Wrong)
}

/// The rules of [`PATH`], of which there are none if it is not there.
///
/// # Errors
/// [`LoadError`]: the file is there, and nobody knows what it was to say.
pub(crate) fn of_root<P: Platform>(files: &Files<P>) -> Result<Firewall, LoadError> {
    let Some(view) = files.view() else { return Ok(Firewall::new()) };
    match read(&view.call(&Ctx::root()), PATH) {
        Err(LoadError::Unread(Errno::ENOENT)) => Ok(Firewall::new()),
        read => read,
    }
}

/// Why a file gives no rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadError {
    /// It was not read.
    Unread(Errno),
    /// It says no rules.
    Wrong(FileError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(errno) => f.write_str(errno.meaning()),
            Self::Wrong(error) => error.fmt(f),
        }
    }
}

impl Error for LoadError {}

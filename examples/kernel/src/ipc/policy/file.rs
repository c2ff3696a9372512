//! The file of the policy: [`read`], and what holds from the boot on ([`at_boot`]).

use alloc::vec::Vec;
use core::fmt;

use kos_vfs::{At, Call, Ctx, Errno, How, OpenFlags};

use super::{FILE_MAX, PATH, Plan, PolicyError};
use crate::Kernel;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// The bytes of a file, and a few more than there may be at most.
///
/// # Errors
/// What the system call answers. [`Errno::ENOMEM`]
pub(crate) fn read<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, path: &str) -> Result<Vec<u8>, Errno> {
    let opened = call.open(At::Cwd, path.as_bytes(), &How::flags(OpenFlags::empty()));
    let file = opened.map_err(|error| error.errno())?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 256]);
    while bytes.len() <= FILE_MAX {
        let count = file.read(&mut piece).map_err(|error| error.errno())?;
        let piece = piece.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        bytes.try_reserve(piece.len()).map_err(|_| Errno::ENOMEM)?;
        bytes.extend_from_slice(piece);
    }
    Ok(bytes)
}

/// Reads [`PATH`], if it is there, and has it hold.
///
/// # Errors
/// Why it does not: what is built in holds then.
pub(crate) fn at_boot<P: Platform>(kernel: &Kernel<P>) -> Result<(), BootPolicyError> {
    let Some(view) = kernel.files().and_then(|files| files.view()) else { return Ok(()) };
    let ctx = Ctx::root();
    let bytes = match read(&view.call(&ctx), PATH) {
        Err(Errno::ENOENT) => return Ok(()),
        read => read.map_err(BootPolicyError::Unread)?,
    };
    let plan = Plan::parse(&bytes).map_err(BootPolicyError::Wrong)?;
    let ipc = kernel.ipc().map_err(BootPolicyError::Unread)?;
    ipc.set_plan(&plan).map_err(|_| BootPolicyError::Unread(Errno::EINVAL))
}

/// Why the file does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BootPolicyError {
    /// It was not read, or there is no memory for the rules.
    Unread(Errno),
    /// It is no policy.
    Wrong(PolicyError),
}

impl fmt::Display for BootPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(errno) => f.write_str(errno.meaning()),
            Self::Wrong(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for BootPolicyError {}

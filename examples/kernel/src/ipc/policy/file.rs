//! The file of the policy: [`read`], and what holds from the boot on ([`at_boot`]).

use alloc::vec::Vec;
use core::fmt;

use kos_vfs::{Call, Ctx, Errno};

use super::{FILE_MAX, PATH, Plan, PolicyError};
use crate::Kernel;
use crate::files::read_short;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// The bytes of a file.
///
/// # Errors
/// What the system call answers. [`Errno::ENOMEM`]
pub(crate) fn read<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, path: &str) -> Result<Vec<u8>, Errno> {
    read_short(call, path, FILE_MAX)
}

/// Reads [`PATH`], if it is there, and has it hold.
///
/// # Errors
/// Why it does not: what is built in holds then.
pub(crate) fn at_boot<P: Platform>(kernel: &Kernel<P>) -> Result<bool, BootPolicyError> {
    let Some(view) = kernel.files().and_then(|files| files.view()) else { return Ok(false) };
    let ctx = Ctx::root();
    let bytes = match read(&view.call(&ctx), PATH) {
        Err(Errno::ENOENT) => return Ok(false),
        read => read.map_err(BootPolicyError::Unread)?,
    };
    let plan = Plan::parse(&bytes).map_err(BootPolicyError::Wrong)?;
    let ipc = kernel.ipc().map_err(BootPolicyError::Unread)?;
    ipc.set_plan(&plan).map_err(|_| BootPolicyError::Unread(Errno::EINVAL))?;
    Ok(true)
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

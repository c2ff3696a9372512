//! Who may do what: pure functions of a [`Cred`] and an [`Attr`]. There is no other place where it is decided.
//!
//! Classes exclude each other: an owner whose own bits refuse him is refused, whatever the group's say.
//!
//! Source: POSIX.1-2024, 4.7 "File access permissions", `chmod`, `chown`, `utimensat`, `unlink`; where POSIX leaves a choice,
//! what Linux does (`fs/namei.c`, `fs/attr.c`).

use core::error::Error;
use core::fmt;

use bitflags::bitflags;

use crate::attr::{Attr, FileType, Mode};
use crate::cred::{CapSet, Cred};
use crate::errno::Errno;

bitflags! {
    /// What is wanted of a file. Of a directory: to list, to change its names, to search.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Access: u8 {
        /// To read, or to list.
        const READ = 4;
        /// To write, or to add and remove names.
        const WRITE = 2;
        /// To run, or to search.
        const EXEC = 1;
    }
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denied {
    /// The mode bits refuse this.
    Mode {
        /// What they refuse.
        want: Access,
    },
    /// Only the owner may, or who has [`CapSet::FOWNER`].
    NotOwner,
    /// The directory is sticky and neither it nor the file is his.
    Sticky,
    /// Needs a capability.
    Needs(CapSet),
}

impl Denied {
    /// What a system call answers.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Mode { .. } => Errno::EACCES,
            Self::NotOwner | Self::Sticky | Self::Needs(_) => Errno::EPERM,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mode { want } => write!(f, "the mode refuses {want:?}"),
            Self::NotOwner => f.write_str("only the owner may do that"),
            Self::Sticky => f.write_str("a sticky directory, and the file is another's"),
            Self::Needs(caps) => write!(f, "needs the capability {caps:?}"),
        }
    }
}

impl Error for Denied {}

/// Whether `cred` may do all of `want`.
///
/// # Errors
/// [`Denied::Mode`] with what the mode bits of his class lack.
#[inline]
pub fn may(cred: &Cred<'_>, attr: &Attr, want: Access) -> Result<(), Denied> {
    let shift = if cred.uid == attr.uid {
        6
    } else if cred.in_group(attr.gid) {
        3
    } else {
        0
    };
    let granted = Access::from_bits_truncate((attr.mode.bits() >> shift & 7).to_le_bytes()[0]);
    let lacks = want.difference(granted);
    if lacks.is_empty() || overrides(cred, attr, want) { Ok(()) } else { Err(Denied::Mode { want: lacks }) }
}

/// Whether a capability grants what the mode refuses.
fn overrides(cred: &Cred<'_>, attr: &Attr, want: Access) -> bool {
    let directory = attr.kind == FileType::Directory;
    let harmless = if directory { Access::READ.union(Access::EXEC) } else { Access::READ };
    if cred.has(CapSet::DAC_READ_SEARCH) && harmless.contains(want) {
        return true;
    }
    let runnable = directory || !want.contains(Access::EXEC) || attr.mode.intersects(Mode::ANY_EXEC);
    runnable && cred.has(CapSet::DAC_OVERRIDE)
}

/// Whether `cred` may take the name of `victim` out of `dir`.
///
/// # Errors
/// The directory may not be written and searched, or is sticky.
pub fn may_remove(cred: &Cred<'_>, dir: &Attr, victim: &Attr) -> Result<(), Denied> {
    may(cred, dir, Access::WRITE | Access::EXEC)?;
    let foreign = cred.uid != victim.uid && cred.uid != dir.uid;
    if dir.mode.contains(Mode::STICKY) && foreign && !cred.has(CapSet::FOWNER) {
        return Err(Denied::Sticky);
    }
    Ok(())
}

/// What mode a file gets when `cred` asks for `mode`: without set-group-ID for who is not of its group.
///
/// # Errors
/// [`Denied::NotOwner`].
pub fn change_mode(cred: &Cred<'_>, attr: &Attr, mode: Mode) -> Result<Mode, Denied> {
    if !cred.owns(attr) {
        return Err(Denied::NotOwner);
    }
    let keeps = cred.in_group(attr.gid) || cred.has(CapSet::FSETID);
    Ok(if keeps { mode } else { mode.difference(Mode::SET_GID) })
}

/// What mode a file has after `cred` gave it to `uid` and `gid` (`None`: as before).
///
/// # Errors
/// [`Denied::Needs`]: an owner may give his file to his own groups alone.
pub fn change_owner(
    cred: &Cred<'_>,
    attr: &Attr,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<Mode, Denied> {
    let owner = cred.uid == attr.uid;
    let keeps_user = uid.is_none_or(|uid| owner && uid == attr.uid);
    let own_group = gid.is_none_or(|gid| owner && (gid == attr.gid || cred.in_group(gid)));
    if !(keeps_user && own_group || cred.has(CapSet::CHOWN)) {
        return Err(Denied::Needs(CapSet::CHOWN));
    }
    Ok(if attr.kind == FileType::Directory { attr.mode } else { without_set_id(cred, attr) })
}

/// What mode a regular file has after `cred` wrote to it or cut it.
pub fn after_write(cred: &Cred<'_>, attr: &Attr) -> Mode {
    if attr.kind != FileType::Regular || cred.has(CapSet::FSETID) {
        return attr.mode;
    }
    without_set_id(cred, attr)
}

/// Set-group-ID on a file that its group cannot run once marked mandatory locks, and stays for its own group.
fn without_set_id(cred: &Cred<'_>, attr: &Attr) -> Mode {
    let mode = attr.mode.difference(Mode::SET_UID);
    let member = cred.in_group(attr.gid) || cred.has(CapSet::FSETID);
    if mode.contains(Mode::GROUP_EXEC) || !member { mode.difference(Mode::SET_GID) } else { mode }
}

/// Whether `cred` may set times: chosen ones, or both to now.
///
/// # Errors
/// Chosen times are the owner's ([`Denied::NotOwner`]); now may be set by all who may write.
pub fn may_set_times(cred: &Cred<'_>, attr: &Attr, chosen: bool) -> Result<(), Denied> {
    if cred.owns(attr) {
        return Ok(());
    }
    if chosen { Err(Denied::NotOwner) } else { may(cred, attr, Access::WRITE) }
}

/// Group and mode of what `cred` makes in `dir` with `mode` under `umask`.
pub fn for_new(cred: &Cred<'_>, dir: &Attr, kind: FileType, mode: Mode, umask: Mode) -> (u32, Mode) {
    let mode = mode.difference(umask.intersection(Mode::ALL_ACCESS));
    if !dir.mode.contains(Mode::SET_GID) {
        return (cred.gid, mode);
    }
    if kind == FileType::Directory {
        return (dir.gid, mode | Mode::SET_GID);
    }
    let runs_as_group = mode.contains(Mode::SET_GID | Mode::GROUP_EXEC);
    let member = cred.in_group(dir.gid) || cred.has(CapSet::FSETID);
    (dir.gid, if runs_as_group && !member { mode.difference(Mode::SET_GID) } else { mode })
}

#[cfg(test)]
mod tests;

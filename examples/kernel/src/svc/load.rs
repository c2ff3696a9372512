//! From `/etc/svc` to units.

use alloc::vec::Vec;

use kos_vfs::{At, Call, Ctx, Errno, How, OpenFlags};

use super::order::MOST;
use super::unit::{FILE_MAX, Name, Unit, is_name};
use super::{PLACE, SvcError};
use crate::Kernel;
use crate::files::read_short;
use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// What ends the names of unit files.
const ENDING: &str = ".svc";

/// Units by their names.
pub(super) type Units = Vec<(Name, Unit)>;

/// A name, if it is one.
pub(super) fn name(word: &str) -> Option<Name> {
    Some(word).filter(|word| is_name(word)).and_then(|word| Name::try_from(word).ok())
}

/// The unit of `goal` and of all that it comes after, near or far. One of those that is missing is left out.
pub(super) fn with_needs<P: Platform>(kernel: &Kernel<P>, goal: &str) -> Result<Units, SvcError> {
    let goal = name(goal).ok_or(SvcError::BadName)?;
    let mut units = Units::new();
    let found = read_into(kernel, &mut units, &goal)?;
    if !found {
        return Err(SvcError::Unknown(goal));
    }
    let mut looked = 0;
    while let Some((_, unit)) = units.get(looked) {
        let after = unit.after.clone();
        for name in after {
            if units.iter().all(|(known, _)| *known != name) {
                read_into(kernel, &mut units, &name)?;
            }
        }
        looked += 1;
    }
    Ok(units)
}

/// All units, by name.
pub(super) fn all<P: Platform>(kernel: &Kernel<P>) -> Result<Units, SvcError> {
    let mut units = Units::new();
    for name in names(kernel)? {
        read_into(kernel, &mut units, &name)?;
    }
    Ok(units)
}

/// The names of all units, in order; none if there is no directory of them.
pub(crate) fn names<P: Platform>(kernel: &Kernel<P>) -> Result<Vec<Name>, SvcError> {
    let mut names = Vec::new();
    let Some(view) = kernel.files().and_then(|files| files.view()) else { return Ok(names) };
    let ctx = Ctx::root();
    let opened = view.call(&ctx).open(At::Cwd, PLACE.as_bytes(), &How::flags(OpenFlags::DIRECTORY));
    let dir = match opened {
        Err(error) if error.errno() == Errno::ENOENT => return Ok(names),
        opened => opened.map_err(|error| error.errno())?,
    };
    names.try_reserve_exact(MOST).map_err(|_| SvcError::NoMemory)?;
    let mut rest = true;
    let listed = dir.list(|entry| {
        let word = core::str::from_utf8(entry.name).ok().and_then(|word| word.strip_suffix(ENDING));
        if let Some(name) = word.and_then(name) {
            rest = names.len() < MOST;
            if rest {
                names.push(name);
            }
        }
        rest
    });
    listed.map_err(|error| error.errno())?;
    if !rest {
        return Err(SvcError::Order(super::order::OrderError::TooMany));
    }
    names.sort_unstable();
    Ok(names)
}

/// Adds the unit of this name; false if it has no file.
fn read_into<P: Platform>(kernel: &Kernel<P>, units: &mut Units, name: &Name) -> Result<bool, SvcError> {
    if units.len() >= MOST {
        return Err(SvcError::Order(super::order::OrderError::TooMany));
    }
    let view = kernel.files().and_then(|files| files.view()).ok_or(Errno::ENOENT)?;
    let ctx = Ctx::root();
    let Some(bytes) = read(&view.call(&ctx), name)? else { return Ok(false) };
    let unit = Unit::parse(&bytes).map_err(|error| SvcError::Unit(name.clone(), error))?;
    units.try_reserve(1).map_err(|_| SvcError::NoMemory)?;
    units.push((name.clone(), unit));
    Ok(true)
}

/// The bytes of a unit file, and one more than there may be at most; [`None`] if there is none.
fn read<P: Platform>(call: &Call<'_, '_, FilesEnv<P>>, name: &Name) -> Result<Option<Vec<u8>>, SvcError> {
    let mut path = heapless::String::<64>::new();
    let pushed = [PLACE, "/", name, ENDING].iter().try_for_each(|part| path.push_str(part));
    pushed.map_err(|_| SvcError::BadName)?;
    match read_short(call, &path, FILE_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Errno::ENOENT) => Ok(None),
        Err(Errno::ENOMEM) => Err(SvcError::NoMemory),
        Err(other) => Err(other.into()),
    }
}

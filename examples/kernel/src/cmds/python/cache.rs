//! Wheels that were fetched, kept for the next time: `/var/cache/pip/SHA256-FILE.whl`.
//!
//! One name says what a file is and what it has to hold, so there is nothing that a cut could leave half said; what does not hold that
//! is not used. `rm -r /var/cache/pip` empties it.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use kos_vfs::fs::RenameFlags;
use kos_vfs::{At, DirError, Mode};

use super::pip::is_there;
use super::venv::write;
use super::{failed, text_of};
use crate::cmds::files::names::Names;
use crate::platform::Platform;
use crate::python::program::{ReadError, read};
use crate::shell::{CommandError, Session, Streams};
use crate::wheel::{FileName, MOST, Sum};

const DIR: &str = "/var/cache/pip";
/// What DIR is in, from above.
const ABOVE: [&str; 2] = ["/var", "/var/cache"];
/// How a file is called that is not whole.
const NEW: &str = "/var/cache/pip/new";

type Path = heapless::String<256>;

/// A wheel, and what it is called.
pub(super) struct Kept {
    pub(super) file: Path,
    pub(super) bytes: Vec<u8>,
}

/// A kept wheel for which `is` holds. What is damaged is named, and not used.
pub(super) fn find<'k, P: Platform>(
    session: &mut Session<'k, P>,
    is: &dyn Fn(&str, &FileName<'_>, &Sum) -> bool,
    streams: &mut Streams<'_, 'k, P>,
) -> Result<Option<Kept>, CommandError> {
    if !is_there(session, DIR)? {
        return Ok(None);
    }
    let names = Names::of(&session.call()?, DIR.as_bytes())?;
    for name in names.iter() {
        let Some((sum, file)) = text_of(name).ok().and_then(parts) else { continue };
        if !FileName::parse(file).is_ok_and(|parsed| is(file, &parsed, &sum)) {
            continue;
        }
        match read(session, path(format_args!("{DIR}/{sum}-{file}"))?.as_bytes(), MOST) {
            Ok(bytes) if Sum::of(&bytes) == sum => {
                writeln!(streams, "{file} is from the cache")?;
                return Ok(Some(Kept { file: path(format_args!("{file}"))?, bytes }));
            }
            Ok(_) => writeln!(streams, "{file} of the cache is damaged, and not used")?,
            Err(why @ (ReadError::NoMemory | ReadError::Other(_))) => return Err(why.of(file)),
            Err(why) => writeln!(streams, "{} of the cache is not used: {}", file, why.of("it"))?,
        }
    }
    Ok(None)
}

/// What the name of a kept file says.
fn parts(name: &str) -> Option<(Sum, &str)> {
    let (sum, file) = name.split_at_checked(Sum::DIGITS)?;
    Some((Sum::parse(sum)?, file.strip_prefix('-')?))
}

fn path(what: fmt::Arguments<'_>) -> Result<Path, CommandError> {
    let mut path = Path::new();
    path.write_fmt(what).map_err(|_| failed(format_args!("the name is too long")))?;
    Ok(path)
}

/// Keeps a wheel. Who may not, or has no room, does without it: it is said.
pub(super) fn keep<'k, P: Platform>(
    session: &mut Session<'k, P>,
    file: &str,
    sum: &Sum,
    bytes: &[u8],
    streams: &mut Streams<'_, 'k, P>,
) -> Result<(), CommandError> {
    if let Err(why) = try_keep(session, file, sum, bytes) {
        // What is half there is of no use; the first error is told.
        let _ = session.call().map(|call| call.unlink(At::Cwd, NEW.as_bytes()));
        writeln!(streams, "{file} is not kept in {DIR}: {why}")?;
    }
    Ok(())
}

fn try_keep<P: Platform>(
    session: &mut Session<'_, P>,
    file: &str,
    sum: &Sum,
    bytes: &[u8],
) -> Result<(), CommandError> {
    for dir in ABOVE.into_iter().chain([DIR]) {
        match session.call()?.mkdir(At::Cwd, dir.as_bytes(), Mode::of(0o755)) {
            Ok(()) | Err(DirError::Exists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    write(session, NEW.as_bytes(), bytes, 0o644)?;
    let whole = path(format_args!("{DIR}/{sum}-{file}"))?;
    let call = session.call()?;
    Ok(call.rename(At::Cwd, NEW.as_bytes(), At::Cwd, whole.as_bytes(), RenameFlags::empty())?)
}

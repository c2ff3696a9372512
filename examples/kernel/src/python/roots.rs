//! [`Roots`]: the directories that a program was given, and nothing else of the file system.
//!
//! A path leads into one of them and stays below it: that is the walk's own rule (`RESOLVE_BENEATH`), not one of text. The first
//! directory is where the program stands, and may be written; the others are those that modules come from.

use alloc::vec::Vec;

use kos_vfs::{At, AtFlags, Call, Errno, Place, ResolveError};

use crate::glue::files::FilesEnv;
use crate::platform::Platform;

/// One of them.
struct Root<'k, P: Platform> {
    place: Place<'k, FilesEnv<P>>,
    /// Its path, without a slash at its end.
    name: Vec<u8>,
}

/// All of them.
pub(super) struct Roots<'k, P: Platform> {
    list: Vec<Root<'k, P>>,
    /// Where the program stands, below the first.
    stands: Vec<u8>,
}

/// Where a path leads.
pub(super) struct Way<'r, 'k, P: Platform> {
    pub(super) at: At<'r, 'k, FilesEnv<P>>,
    /// From there, never empty.
    pub(super) rest: Vec<u8>,
    /// Whether modules come from there, and nothing is changed.
    pub(super) of_modules: bool,
}

/// A copy of `parts`, one behind the other.
pub(super) fn joined(parts: &[&[u8]]) -> Result<Vec<u8>, Errno> {
    let mut whole = Vec::new();
    for part in parts {
        whole.try_reserve(part.len()).map_err(|_| Errno::ENOMEM)?;
        whole.extend_from_slice(part);
    }
    Ok(whole)
}

impl<'k, P: Platform> Roots<'k, P> {
    /// None.
    pub(super) const fn new() -> Self {
        Self { list: Vec::new(), stands: Vec::new() }
    }

    /// Gives the directory at `path`, an absolute one.
    pub(super) fn add(&mut self, call: &Call<'_, 'k, FilesEnv<P>>, path: &[u8]) -> Result<(), ResolveError> {
        let place = call.resolve(At::Cwd, path, AtFlags::empty())?;
        let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
        let name = joined(&[path.get(..end).unwrap_or_default()]).unwrap_or_default();
        if self.list.try_reserve(1).is_ok() {
            self.list.push(Root { place, name });
        }
        Ok(())
    }

    /// Where `path` leads.
    pub(super) fn way(&self, path: &[u8]) -> Result<Way<'_, 'k, P>, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let (index, rest) = match path.first() {
            Some(b'/') => {
                let (index, rest) = self.nearest(path).ok_or(Errno::EACCES)?;
                (index, joined(&[rest])?)
            }
            _ if self.stands.is_empty() => (0, joined(&[path])?),
            _ => (0, joined(&[&self.stands, b"/", path])?),
        };
        let root = self.list.get(index).ok_or(Errno::EACCES)?;
        let rest = if rest.is_empty() { joined(&[b"."])? } else { rest };
        Ok(Way { at: At::Place(&root.place), rest, of_modules: index > 0 })
    }

    /// The innermost directory in which an absolute path lies, and the rest of the path.
    fn nearest<'p>(&self, path: &'p [u8]) -> Option<(usize, &'p [u8])> {
        let ways =
            self.list.iter().enumerate().filter_map(|(index, root)| Some((index, below(&root.name, path)?)));
        ways.min_by_key(|(_, rest)| rest.len())
    }

    /// Stands at `path` from now on, a directory, as somebody has looked.
    pub(super) fn stand(&mut self, path: &[u8]) -> Result<(), Errno> {
        let way = self.way(path)?;
        if way.of_modules {
            return Err(Errno::EACCES);
        }
        self.stands = way.rest;
        Ok(())
    }

    /// The path of where it stands.
    pub(super) fn standing(&self) -> Result<Vec<u8>, Errno> {
        let root = self.list.first().map_or(&b""[..], |root| &root.name);
        match self.stands.as_slice() {
            b"" | b"." if root.is_empty() => joined(&[b"/"]),
            b"" | b"." => joined(&[root]),
            stands => joined(&[root, b"/", stands]),
        }
    }
}

/// What is left of `path` behind the directory `name`, if it lies there.
fn below<'p>(name: &[u8], path: &'p [u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(name)?;
    let slashes = rest.iter().take_while(|&&byte| byte == b'/').count();
    if slashes == 0 && !rest.is_empty() { None } else { rest.get(slashes..) }
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn names_end_at_a_slash() {
        assert_eq!(below(b"/a/b", b"/a/b"), Some(&b""[..]));
        assert_eq!(below(b"/a/b", b"/a/b//c/../.."), Some(&b"c/../.."[..]));
        assert_eq!(below(b"/a/b", b"/a/bc"), None);
        assert_eq!(below(b"", b"/etc/x"), Some(&b"etc/x"[..]));
        assert_eq!(below(b"/a", b"/etc"), None);
    }
}

//! Names of a directory, sorted; paths put together; names as people read them.

use alloc::vec::Vec;
use core::fmt;

use kos_vfs::{At, Call, FsError, How, OpenFlags};

use crate::glue::files::FilesEnv;
use crate::platform::Platform;
use crate::shell::CommandError;
use crate::text::Text;

/// Names one after the other in one buffer.
#[derive(Debug, Default)]
pub(in crate::cmds) struct Names {
    bytes: Vec<u8>,
    /// Where each begins and ends.
    bounds: Vec<(usize, usize)>,
}

impl Names {
    /// The names in a directory but `.` and `..`, by name.
    pub(in crate::cmds) fn of<P: Platform>(
        call: &Call<'_, '_, FilesEnv<P>>,
        path: &[u8],
    ) -> Result<Self, CommandError> {
        let dir = call.open(At::Cwd, path, &How::flags(OpenFlags::DIRECTORY))?;
        let (mut names, mut lacks) = (Self::default(), false);
        dir.list(|entry| {
            lacks |= !matches!(entry.name, b"." | b"..") && names.add(entry.name).is_err();
            !lacks
        })?;
        if lacks {
            return Err(FsError::NoMemory.into());
        }
        let Self { bytes, bounds } = &mut names;
        let name = |&(from, to): &(usize, usize)| bytes.get(from..to).unwrap_or_default();
        bounds.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        Ok(names)
    }

    fn add(&mut self, name: &[u8]) -> Result<(), FsError> {
        self.bytes.try_reserve(name.len())?;
        self.bounds.try_reserve(1)?;
        let from = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bounds.push((from, self.bytes.len()));
        Ok(())
    }

    /// One by one.
    pub(in crate::cmds) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.bounds.iter().map(|&(from, to)| self.bytes.get(from..to).unwrap_or_default())
    }
}

/// A path that names are added to and taken from again.
#[derive(Debug, Default)]
pub(super) struct PathBuf(Vec<u8>);

impl PathBuf {
    /// The path of an operand.
    pub(super) fn new(path: &[u8]) -> Result<Self, FsError> {
        let mut new = Self::default();
        new.0.try_reserve(path.len())?;
        new.0.extend_from_slice(path);
        Ok(new)
    }

    /// Goes into `name`; the length to [`truncate`](Self::truncate) to.
    pub(super) fn push(&mut self, name: &[u8]) -> Result<usize, FsError> {
        let before = self.0.len();
        self.0.try_reserve(name.len() + 1)?;
        if before > 0 && self.0.last() != Some(&b'/') {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
        Ok(before)
    }

    /// Goes back.
    pub(super) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// The path.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The last name of a path.
pub(super) fn last(path: &[u8]) -> &[u8] {
    let trimmed = path.len() - path.iter().rev().take_while(|&&byte| byte == b'/').count();
    let path = path.get(..trimmed).unwrap_or_default();
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

/// Any bytes as people read them: what is not printable stands as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character.is_control() {
                    true => write!(f, "\\x{:02x}", u32::from(character))?,
                    false => fmt::Write::write_char(f, character)?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl Shown<'_> {
    /// As a text that pads; cut if it is long.
    pub(super) fn text(self) -> Text {
        Text::new(format_args!("{self}"))
    }

    /// Columns that it takes.
    pub(super) fn width(self) -> usize {
        struct Width(usize);
        impl fmt::Write for Width {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0 += text.chars().count();
                Ok(())
            }
        }
        let mut width = Width(0);
        // Counting takes everything.
        let _ = fmt::write(&mut width, format_args!("{self}"));
        width.0
    }
}

/// Whether `name` is one of those that a pattern with `*` and `?` means.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go on if what follows the last `*` does not fit.
    let (mut at, mut from, mut again) = (0, 0, None);
    loop {
        match (pattern.get(at), name.get(from)) {
            (Some(b'*'), _) => {
                again = Some((at, from));
                at += 1;
            }
            (Some(b'?'), Some(_)) => (at, from) = (at + 1, from + 1),
            (Some(wanted), Some(found)) if wanted == found => (at, from) = (at + 1, from + 1),
            (None, None) => return true,
            _ => match again {
                Some((star, taken)) if taken < name.len() => {
                    again = Some((star, taken + 1));
                    (at, from) = (star + 1, taken + 1);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name) in [("*", ""), ("*.txt", "a.b.txt"), ("a?c", "abc"), ("*a*b", "xxaayb"), ("", "")]
        {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("*.txt", "a.txt~"), ("a?c", "ac"), ("*a*b", "bba"), ("?", "")] {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }

    #[test]
    fn names_show_what_cannot_be_printed() {
        assert_eq!(Shown(b"a\n\xffb").to_string(), "a\\x0a\\xffb");
        assert_eq!(Shown("ä\u{7f}".as_bytes()).width(), 5);
    }

    #[test]
    fn the_last_name_of_a_path() {
        for (path, name) in [("/a/b", "b"), ("a/b//", "b"), ("a", "a"), ("/", ""), ("", "")] {
            assert_eq!(last(path.as_bytes()), name.as_bytes(), "{path}");
        }
    }
}

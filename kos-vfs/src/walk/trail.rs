//! [`Trail`]: what of a path is still to be walked. Symlinks put their target before the rest.
//!
//! The caller's path is borrowed; targets stand one behind the other in one buffer, and a list of at most 40 ranges says what
//! is left of each. A target whose rest is nothing but slashes is dropped before the next one comes, as is the caller's rest:
//! so a chain of symlinks at the end of a path takes one target's room.

use alloc::vec::Vec;

use crate::error::NoMemory;
use crate::name::PATH_MAX;

/// Symlinks that a path may lead through.
pub(crate) const LINKS_MAX: usize = 40;

/// The next component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// Nothing but slashes follows.
    pub(crate) last: bool,
    /// A slash follows.
    pub(crate) slash: bool,
    /// How many bytes of the name buffer it fills; more than 255 for a name that is too long.
    pub(crate) length: usize,
}

/// The rest of a path.
#[derive(Debug)]
pub(crate) struct Trail<'a> {
    path: &'a [u8],
    targets: Vec<u8>,
    /// What is left of each target: start and end in `targets`.
    rests: heapless::Vec<(usize, usize), LINKS_MAX>,
    /// Components taken from the caller's path.
    pub(crate) taken: u32,
}

/// Splits a component off; slashes before it are skipped. What is left starts with the slash behind it.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = path.iter().position(|&byte| byte != b'/')?;
    let path = path.get(start..)?;
    let end = path.iter().position(|&byte| byte == b'/').unwrap_or(path.len());
    path.split_at_checked(end)
}

fn is_empty(path: &[u8]) -> bool {
    path.iter().all(|&byte| byte == b'/')
}

impl<'a> Trail<'a> {
    pub(crate) const fn new(path: &'a [u8]) -> Self {
        Self { path, targets: Vec::new(), rests: heapless::Vec::new(), taken: 0 }
    }

    /// Takes the next component and copies it into `name`. `None`: there is no more.
    pub(crate) fn next(&mut self, name: &mut [u8; 255]) -> Option<Component> {
        while let Some(&(start, end)) = self.rests.last() {
            let whole = self.targets.get(start..end).unwrap_or_default();
            let Some((component, rest)) = split(whole) else {
                self.rests.pop();
                continue;
            };
            let (length, slash) = (component.len(), !rest.is_empty());
            copy(component, name);
            let left = rest.len();
            if let Some(top) = self.rests.last_mut() {
                top.0 = end - left;
            }
            return Some(Component { last: self.is_at_end(), slash, length });
        }
        let (component, rest) = split(self.path)?;
        self.path = rest;
        self.taken += 1;
        copy(component, name);
        Some(Component { last: self.is_at_end(), slash: !rest.is_empty(), length: component.len() })
    }

    fn is_at_end(&self) -> bool {
        let rest = |&(start, end): &(usize, usize)| self.targets.get(start..end).unwrap_or_default();
        is_empty(self.path) && self.rests.iter().all(|range| is_empty(rest(range)))
    }

    /// Puts a target before what is left: `fill` writes it and says how long it is. False if there are 40 already.
    ///
    /// # Errors
    /// No memory, or that of `fill`.
    pub(crate) fn push<X: From<NoMemory>>(
        &mut self,
        fill: impl FnOnce(&mut [u8; PATH_MAX]) -> Result<usize, X>,
    ) -> Result<bool, X> {
        while let Some(&(start, end)) = self.rests.last()
            && is_empty(self.targets.get(start..end).unwrap_or_default())
        {
            self.rests.pop();
        }
        let start = self.rests.last().map_or(0, |&(_, end)| end);
        self.targets.truncate(start);
        self.targets.try_reserve(PATH_MAX).map_err(NoMemory::from)?;
        self.targets.resize(start + PATH_MAX, 0);
        let Some(room) = self.targets.get_mut(start..).and_then(|room| room.first_chunk_mut()) else {
            return Err(NoMemory.into());
        };
        let length = fill(room)?.min(PATH_MAX);
        Ok(self.rests.push((start, start + length)).is_ok())
    }

    /// Whether the target just pushed starts at the root.
    pub(crate) fn is_absolute(&self) -> bool {
        self.rests.last().and_then(|&(start, _)| self.targets.get(start)) == Some(&b'/')
    }
}

fn copy(component: &[u8], name: &mut [u8; 255]) {
    if let Some(room) = name.get_mut(..component.len()) {
        room.copy_from_slice(component);
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn walk(trail: &mut Trail<'_>) -> String {
        let mut name = [0; 255];
        let mut out = String::new();
        while let Some(component) = trail.next(&mut name) {
            out.push_str(core::str::from_utf8(&name[..component.length]).unwrap());
            out.push(if component.last { '!' } else { ' ' });
            if component.slash {
                out.push('/');
            }
        }
        out
    }

    fn push(trail: &mut Trail<'_>, target: &[u8]) -> bool {
        let filled = trail.push::<NoMemory>(|room| {
            room[..target.len()].copy_from_slice(target);
            Ok(target.len())
        });
        filled.unwrap()
    }

    #[test]
    fn components_know_what_follows() {
        assert_eq!(walk(&mut Trail::new(b"//a/../b//")), "a /.. /b!/");
        assert_eq!(walk(&mut Trail::new(b"a")), "a!");
        assert_eq!(walk(&mut Trail::new(b"///")), "");
    }

    #[test]
    fn a_target_comes_before_the_rest() {
        let mut trail = Trail::new(b"l/x");
        let mut name = [0; 255];
        assert!(!trail.next(&mut name).unwrap().last);
        assert!(push(&mut trail, b"/p/q/"));
        assert!(trail.is_absolute());
        assert_eq!(walk(&mut trail), "p /q /x!");
    }

    #[test]
    fn forty_targets_at_the_end_take_the_room_of_one() {
        let mut trail = Trail::new(b"l");
        let mut name = [0; 255];
        for _ in 0..100 {
            assert!(trail.next(&mut name).unwrap().last);
            assert!(push(&mut trail, b"m"));
        }
        assert_eq!(trail.targets.len(), PATH_MAX);
        assert_eq!(trail.rests.len(), 1);
    }
}

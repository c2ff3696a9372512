//! Directories that no way leads to, and a name for what is lost.

use hashbrown::HashSet;
use lock_api::RawRwLock;

use super::super::inode::{Inode, ROOT};
use super::super::name_item;
use super::super::store::IdHash;
use super::{Check, Problem};
use crate::attr::FileType;
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::name::Name;

/// `lost-` and the digits of a number.
struct LostName {
    bytes: [u8; 25],
    length: usize,
}

impl LostName {
    fn new(number: u64) -> Self {
        let mut name = Self { bytes: *b"lost-00000000000000000000", length: 25 };
        let mut rest = number;
        for place in name.bytes.iter_mut().skip(5).rev() {
            *place = b'0' + (rest % 10).to_le_bytes()[0];
            rest /= 10;
        }
        let zeroes = name.bytes.iter().skip(5).take(19).take_while(|&&digit| digit == b'0').count();
        name.bytes.copy_within(5 + zeroes.., 5);
        name.length -= zeroes;
        name
    }

    fn name(&self) -> Result<Name<'_>, FsError> {
        Name::new(self.bytes.get(..self.length).unwrap_or_default()).map_err(|_| FsError::BadName)
    }
}

impl<D: BlockDevice, R: RawRwLock> Check<'_, D, R> {
    /// Follows the parents of every directory to the root.
    pub(super) fn check_loops(&mut self) -> Result<(), FsError> {
        let mut good: HashSet<u64, IdHash> = HashSet::default();
        let mut from = Some(ROOT);
        while let Some(inode) = from.map_or(Ok(None), |from| self.next_file(from))? {
            let directory = inode.attr.ino.number;
            from = directory.checked_add(1);
            if inode.attr.kind != FileType::Directory || inode.attr.links == 0 {
                continue;
            }
            if self.leads_to_root(directory, &mut good)? {
                continue;
            }
            if self.found(Problem::Loop { directory }) {
                if let Some(place) = self.name_of(inode.parent, directory)? {
                    self.drop_item(place)?;
                }
                self.reconnect(directory)?;
            }
        }
        Ok(())
    }

    /// Whether the parents of `directory` lead to the root. Those of `good` do, and so do those that were passed, then.
    fn leads_to_root(&self, directory: u64, good: &mut HashSet<u64, IdHash>) -> Result<bool, FsError> {
        let mut at = directory;
        for _ in 0..=self.report.directories {
            if at == ROOT || good.contains(&at) {
                return self.remember(directory, at, good);
            }
            match self.inode(at)? {
                Some(inode) if inode.attr.kind == FileType::Directory => at = inode.parent,
                // A parent that is none was told already.
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Keeps in mind the way from `directory` up to `end`.
    fn remember(&self, directory: u64, end: u64, good: &mut HashSet<u64, IdHash>) -> Result<bool, FsError> {
        let mut at = directory;
        while at != end && good.len() < self.options.files {
            good.try_reserve(1).map_err(|_| FsError::NoMemory)?;
            good.insert(at);
            let Some(inode) = self.inode(at)? else { break };
            at = inode.parent;
        }
        Ok(true)
    }

    /// Gives a file that nobody can reach a name in the root.
    pub(super) fn reconnect(&mut self, file: u64) -> Result<(), FsError> {
        let name = LostName::new(file);
        let hash_key = self.superblock.hash_key;
        self.volume.change(|view, edits| {
            edits.makes_room = true;
            let mut inode = Inode::find(view.tree, file)?;
            let mut root = Inode::find(view.tree, ROOT)?;
            let name = name.name()?;
            let Err(Some(place)) = name_item::find(view.tree, &hash_key, ROOT, name)? else {
                // Somebody has that name: without one, the file goes at the next mount.
                inode.attr.links = 0;
                return Ok(edits.put(Inode::key(file), inode.encode().as_ref())?);
            };
            let directory = inode.attr.kind == FileType::Directory;
            edits.put(place, name_item::encode(name, file, inode.attr.kind).as_ref())?;
            inode.parent = if directory { ROOT } else { inode.parent };
            inode.attr.links = if directory { inode.attr.links.max(2) } else { 1 };
            root.names = root.names.saturating_add(1);
            root.attr.size = root.names;
            root.attr.links = root.attr.links.saturating_add(directory.into());
            edits.put(Inode::key(file), inode.encode().as_ref())?;
            Ok(edits.put(Inode::key(ROOT), root.encode().as_ref())?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_lost_file_is_its_number() {
        for (number, text) in
            [(0, "lost-0"), (7, "lost-7"), (1200, "lost-1200"), (u64::MAX, "lost-18446744073709551615")]
        {
            assert_eq!(LostName::new(number).name().unwrap().as_bytes(), text.as_bytes());
        }
    }
}

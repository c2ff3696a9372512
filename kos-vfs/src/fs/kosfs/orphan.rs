//! Files that lost their last name: removed when nobody uses them any more, in bounded steps, at the latest by the next mount.
//!
//! The mark that a file is an orphan, a key of its own, comes in the same change in which its last name goes. A file that is
//! cut short has it, too, while blocks behind its end are left: the size changes at once, the blocks go in steps.

use core::sync::atomic::Ordering;

use lock_api::RawRwLock;

use super::KosFs;
use super::extent::Extent;
use super::inode::Inode;
use super::key::{ItemKind, Key};
use super::layout::BLOCK;
use super::xattr;
use crate::attr::FileType;
use crate::block::BlockDevice;
use crate::error::FsError;

/// Extents that one step gives up, and half the pieces of attributes.
const STEP: usize = 16;

/// The mark of an orphan.
pub(super) const fn mark(file: u64) -> Key {
    Key::new(0, ItemKind::Orphan, file)
}

impl<D: BlockDevice, R: RawRwLock> KosFs<D, R> {
    /// Removes all files without a name: nobody uses them.
    pub(super) fn reclaim_all(&self) -> Result<(), FsError> {
        let mut from = mark(0);
        while let Some(found) = self.volume.look(|tree| Ok(tree.at_or_after(from)?.map(|(key, _)| key)))? {
            if (found.file, found.kind) != (from.file, from.kind) {
                break;
            }
            match self.reclaim(found.offset) {
                // What was promised to files is not there for this; the next mount finds it again.
                Ok(()) => {}
                Err(FsError::NoSpace) => self.leave_behind(),
                Err(error) => return Err(error),
            }
            let Some(next) = found.next() else { break };
            from = next;
        }
        Ok(())
    }

    /// Gives up what a marked file has too much that nobody uses: blocks behind its end; without a name, everything.
    pub(super) fn reclaim(&self, file: u64) -> Result<(), FsError> {
        while !self.reclaim_step(file, false)? {}
        Ok(())
    }

    /// Gives up the blocks behind the end of a marked file, which may be in use without a name.
    pub(super) fn trim(&self, file: u64) -> Result<(), FsError> {
        while !self.reclaim_step(file, true)? {}
        Ok(())
    }

    /// Some file has blocks behind its end that could not be given up.
    pub(super) fn leave_behind(&self) {
        self.left_behind.store(true, Ordering::Relaxed);
    }

    /// Before the bytes of a file change: what was left behind its end goes, or it would be seen again when the file grows.
    pub(super) fn finish_cut(&self, file: u64) -> Result<(), FsError> {
        let left = self.left_behind.load(Ordering::Relaxed);
        if left && self.volume.look(|tree| Ok(tree.get(mark(file))?.is_some()))? {
            self.trim(file)?;
        }
        Ok(())
    }

    /// One step. Whether it was the last.
    fn reclaim_step(&self, file: u64, in_use: bool) -> Result<bool, FsError> {
        self.volume.change(|view, edits| {
            edits.makes_room = true;
            let mut inode = Inode::find(view.tree, file)?;
            let nameless = inode.attr.links == 0;
            let gone = nameless && !in_use;
            let end = if gone { 0 } else { inode.attr.size.div_ceil(BLOCK as u64) };
            let (mut until, mut steps) = (u64::MAX, 0);
            while let Some(last) =
                Extent::last_before(view.tree, file, until)?.filter(|last| last.end() > end)
            {
                if steps == STEP {
                    edits.put(Inode::key(file), inode.encode().as_ref())?;
                    return Ok(false);
                }
                let from = last.first.max(end);
                inode.blocks =
                    inode.blocks.saturating_sub(Extent::punch(view.tree, edits, file, from..last.end())?);
                (until, steps) = (last.first, steps + 1);
            }
            if gone && !xattr::take_out(view.tree, file, 2 * STEP, edits)? {
                edits.put(Inode::key(file), inode.encode().as_ref())?;
                return Ok(false);
            }
            if gone || !nameless {
                edits.take_out(mark(file))?;
            }
            if !gone {
                edits.put(Inode::key(file), inode.encode().as_ref())?;
                return Ok(true);
            }
            if inode.inline {
                edits.take_out(Key::new(file, ItemKind::Inline, 0))?;
            }
            edits.take_out(Inode::key(file))?;
            edits.files = -1;
            Ok(true)
        })
    }

    /// The file has no uses left: without a name it goes. What fails now is put right at the next mount.
    pub(super) fn unused(&self, file: u64) {
        let links = self.volume.look(|tree| Ok(Inode::find(tree, file)?.attr.links));
        if links == Ok(0) && !self.read_only {
            let _ = self.reclaim(file);
        }
    }
}

/// A file that lost a name: with the last one it is marked.
pub(super) fn lose_name(
    inode: &mut Inode,
    edits: &mut super::edits::Edits,
    now: crate::attr::Timestamp,
) -> Result<(), FsError> {
    edits.makes_room = true;
    inode.attr.changed = now;
    let left = if inode.attr.kind == FileType::Directory { 0 } else { inode.attr.links.saturating_sub(1) };
    inode.attr.links = left;
    if left == 0 {
        edits.put(mark(inode.attr.ino.number), &[])?;
    }
    edits.put(Inode::key(inode.attr.ino.number), inode.encode().as_ref())
}

//! Mounts that change places: moving one, another root for a namespace, a copy of one.
//!
//! Source: Linux `mount(2)` on `MS_MOVE`, `pivot_root(2)`, `unshare(2)` on `CLONE_NEWNS`.

use core::fmt;

use super::{At, AtFlags, Call, MountError};
use crate::attr::FileType;
use crate::ports::Env;
use crate::tree::place::{Member, Place, View};
use crate::tree::slots::NONE;
use crate::tree::{Loc, Tree};

/// A root that became another: what [`Call::pivot_root`] did, for every [`View`] of that namespace.
pub struct Pivot<'v, E: Env> {
    from: Place<'v, E>,
    to: Place<'v, E>,
}

impl<E: Env> fmt::Debug for Pivot<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pivot").field("from", &self.from).field("to", &self.to).finish()
    }
}

impl<'v, E: Env> View<'v, E> {
    /// Follows its namespace to the new root, as far as this stood in the old one. A kernel calls it for each of its processes.
    pub fn pivoted(&mut self, pivot: &Pivot<'v, E>) {
        for place in [&mut self.root, &mut self.cwd] {
            if *place == pivot.from {
                *place = pivot.to.clone();
            }
        }
    }
}

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Puts the mount at `old`, with all that stands on it, on `path` (`MS_MOVE`). What is open on it stays so.
    ///
    /// # Errors
    /// `old` is not the root of a mount, or that of the namespace; one is a directory and the other is not; `path` lies in it, was
    /// removed, or either is not in the caller's namespace.
    pub fn move_mount(
        &self,
        old: At<'_, 'v, E>,
        old_path: &[u8],
        at: At<'_, 'v, E>,
        path: &[u8],
    ) -> Result<(), MountError> {
        self.may_mount()?;
        // In the order of Linux.
        let to = self.resolve(at, path, AtFlags::empty())?;
        let from = self.resolve(old, old_path, AtFlags::empty())?;
        let is_dir = |place: &Place<'v, E>| {
            self.vfs().attr_of(place).is_some_and(|attr| attr.kind == FileType::Directory)
        };
        let alike = is_dir(&from) == is_dir(&to);
        self.vfs().tree(|tree| {
            let (from, to) = (from.loc(), tree.descend(to.loc()));
            if tree.is_gone(to) {
                return Err(MountError::Removed);
            }
            if !self.is_here(tree, from) || !self.is_here(tree, to) {
                return Err(MountError::Elsewhere);
            }
            if !tree.is_mount(from) || tree.mounts.at(from.mount).parent == NONE || !alike {
                return Err(MountError::NotMount);
            }
            if tree.stands_on(to.mount, from.mount) {
                return Err(MountError::IntoItself);
            }
            tree.move_mount(from.mount, to);
            Ok(())
        })
    }

    /// Whether a place is in the caller's namespace.
    fn is_here(&self, tree: &Tree, loc: Loc) -> bool {
        tree.namespace_of(loc.mount) == Some(self.view.member.namespace())
    }

    /// Makes the mount at `new_root` the root where the caller's is one, and puts that on `put_old`. Nobody is moved yet: each
    /// [`View`] of the namespace follows by [`View::pivoted`], the caller's too.
    ///
    /// # Errors
    /// Not directories; either is on the root's own mount; the caller's root or `new_root` is not the root of a mount; no way leads
    /// from `new_root` to `put_old`, or from the root to `new_root`.
    pub fn pivot_root(&self, new_root: &[u8], put_old: &[u8]) -> Result<Pivot<'v, E>, MountError> {
        self.may_mount()?;
        let directory = |path| {
            let place = self.resolve(At::Cwd, path, AtFlags::empty())?;
            let attr = self.vfs().attr_of(&place);
            attr.filter(|attr| attr.kind == FileType::Directory).ok_or(MountError::NotDirectory)?;
            Ok::<_, MountError>(place)
        };
        let (to, put_old) = (directory(new_root)?, directory(put_old)?);
        let from = self.view.root.clone();
        self.vfs().tree(|tree| tree.pivot(from.loc(), to.loc(), put_old.loc()))?;
        Ok(Pivot { from, to })
    }

    /// A namespace of its own with the same mounts on the same places (`CLONE_NEWNS`): where a process stands that takes it. Mounts
    /// that come and go in one are not seen in the other. It goes with the last view of it.
    ///
    /// # Errors
    /// He may not, or there is no room for as many mounts again.
    pub fn copy_namespace(&self) -> Result<View<'v, E>, MountError> {
        self.may_mount()?;
        let vfs = self.vfs();
        vfs.tree(|tree| {
            let copy = tree.copy_namespace(self.view.member.namespace()).ok_or(MountError::TableFull)?;
            let same = |tree: &mut Tree, place: &Place<'v, E>| {
                let Loc { mount, dentry } = place.loc();
                let inside = self.is_here(tree, place.loc());
                // A mount that was taken away has no copy: who stands there stays.
                let mount = if inside { tree.mounts.at(mount).copy } else { mount };
                Place::pin(vfs, tree, Loc { mount, dentry })
            };
            let (root, cwd) = (same(tree, &self.view.root), same(tree, &self.view.cwd));
            Ok(View { root, cwd, member: Member::join(vfs, tree, copy) })
        })
    }
}

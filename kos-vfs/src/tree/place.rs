//! [`Place`]: a file or directory as a path found it, held. [`View`]: where a process stands.

use core::fmt;

use super::{Loc, Node, Tree};
use crate::ports::Env;
use crate::vfs::Vfs;

/// A name of a file, seen through a mount. As long as this lives, the file keeps its number and the mount its file system,
/// whatever is unlinked, renamed or lazily unmounted meanwhile.
pub struct Place<'v, E: Env> {
    vfs: &'v Vfs<E>,
    loc: Loc,
}

impl<'v, E: Env> Place<'v, E> {
    /// Pins `loc` under the lock that the caller holds.
    pub(crate) fn pin(vfs: &'v Vfs<E>, tree: &mut Tree, loc: Loc) -> Self {
        tree.pin(loc);
        Self { vfs, loc }
    }

    /// Takes over pins that the caller has.
    pub(crate) const fn adopt(vfs: &'v Vfs<E>, loc: Loc) -> Self {
        Self { vfs, loc }
    }

    /// Goes to `loc`, under the lock that the caller holds.
    pub(crate) fn go(&mut self, tree: &mut Tree, loc: Loc) {
        if loc != self.loc {
            tree.pin(loc);
            tree.release(core::mem::replace(&mut self.loc, loc));
        }
    }

    pub(crate) const fn loc(&self) -> Loc {
        self.loc
    }

    pub(crate) const fn vfs(&self) -> &'v Vfs<E> {
        self.vfs
    }

    pub(crate) fn node(&self) -> Node {
        self.vfs.tree(|tree| tree.node(self.loc.dentry))
    }
}

impl<E: Env> Clone for Place<'_, E> {
    fn clone(&self) -> Self {
        self.vfs.tree(|tree| Place::pin(self.vfs, tree, self.loc))
    }
}

impl<E: Env> PartialEq for Place<'_, E> {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.vfs, other.vfs) && self.loc == other.loc
    }
}

impl<E: Env> Eq for Place<'_, E> {}

impl<E: Env> Drop for Place<'_, E> {
    fn drop(&mut self) {
        self.vfs.tree(|tree| tree.release(self.loc));
    }
}

impl<E: Env> fmt::Debug for Place<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({}:{})", self.loc.mount, self.loc.dentry)
    }
}

/// Where a process stands: its root and working directories. A new process gets a clone of its parent's.
pub struct View<'v, E: Env> {
    pub(crate) root: Place<'v, E>,
    pub(crate) cwd: Place<'v, E>,
}

impl<'v, E: Env> View<'v, E> {
    /// Stands in the directory `root`, which is its root too.
    pub(crate) fn at(root: Place<'v, E>) -> Self {
        Self { cwd: root.clone(), root }
    }
}

impl<E: Env> Clone for View<'_, E> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), cwd: self.cwd.clone() }
    }
}

impl<E: Env> fmt::Debug for View<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("root", &self.root).field("cwd", &self.cwd).finish()
    }
}

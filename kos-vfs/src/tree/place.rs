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

/// That somebody stands in a namespace.
pub(crate) struct Member<'v, E: Env> {
    vfs: &'v Vfs<E>,
    namespace: u32,
}

impl<'v, E: Env> Member<'v, E> {
    /// Joins under the lock that the caller holds.
    pub(crate) fn join(vfs: &'v Vfs<E>, tree: &mut Tree, namespace: u32) -> Self {
        tree.join_namespace(namespace);
        Self { vfs, namespace }
    }

    pub(crate) const fn namespace(&self) -> u32 {
        self.namespace
    }
}

impl<E: Env> Clone for Member<'_, E> {
    fn clone(&self) -> Self {
        self.vfs.tree(|tree| Member::join(self.vfs, tree, self.namespace))
    }
}

impl<E: Env> Drop for Member<'_, E> {
    fn drop(&mut self) {
        self.vfs.tree(|tree| tree.leave_namespace(self.namespace));
    }
}

/// Where a process stands: its namespace, root and working directories. A new process gets a clone of its parent's.
pub struct View<'v, E: Env> {
    pub(crate) root: Place<'v, E>,
    pub(crate) cwd: Place<'v, E>,
    pub(crate) member: Member<'v, E>,
}

impl<'v, E: Env> View<'v, E> {
    /// Stands in the directory `root`, which is its root too.
    pub(crate) fn at(root: Place<'v, E>, member: Member<'v, E>) -> Self {
        Self { cwd: root.clone(), root, member }
    }
}

impl<E: Env> Clone for View<'_, E> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), cwd: self.cwd.clone(), member: self.member.clone() }
    }
}

impl<E: Env> fmt::Debug for View<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("root", &self.root).field("cwd", &self.cwd).finish()
    }
}

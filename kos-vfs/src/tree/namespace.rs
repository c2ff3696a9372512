//! Namespaces: trees of mounts, each with a root that stands on nothing; and how mounts change places in them.
//!
//! Key type: [`Namespace`]. Who stands in one is counted. What [`mount_root`](crate::Vfs::mount_root) began stays; a copy goes with
//! the last who stands in it, as if its root were unmounted lazily.
//!
//! Invariant: the root of a namespace, and no other mount, says which one it is the root of.
//!
//! Source: Linux `mount_namespaces(7)`, `pivot_root(2)`, `mount(2)` on `MS_MOVE`.

use super::mount::Mount;
use super::slots::NONE;
use super::{Loc, Tree};
use crate::call::MountError;

/// One namespace.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// The mount at its root.
    pub(crate) root: u32,
    /// Who stands in it.
    views: u32,
    /// Whether it stays without anybody.
    kept: bool,
}

impl Tree {
    /// The namespace that a mount is in. `None` if it was taken away.
    pub(crate) fn namespace_of(&self, mut mount: u32) -> Option<u32> {
        loop {
            let here = self.mounts.at(mount);
            if here.parent == NONE {
                return Some(here.namespace).filter(|&namespace| namespace != NONE);
            }
            mount = here.parent;
        }
    }

    /// Lets a mount that stands nowhere be the root of a namespace. `None`: there are too many.
    pub(crate) fn start_namespace(&mut self, root: u32, kept: bool) -> Option<u32> {
        let namespace = self.namespaces.insert(Namespace { root, views: 0, kept }).ok()?;
        self.mounts.at_mut(root).namespace = namespace;
        Some(namespace)
    }

    /// One more stands in it.
    pub(crate) fn join_namespace(&mut self, namespace: u32) {
        self.namespaces.at_mut(namespace).views += 1;
    }

    /// One stands in it no more.
    pub(crate) fn leave_namespace(&mut self, namespace: u32) {
        let Namespace { root, views, kept } = self.namespaces.at_mut(namespace);
        *views -= 1;
        if *views == 0 && !*kept {
            let root = *root;
            self.namespaces.remove(namespace);
            self.take_away(root);
        }
    }

    /// A namespace with the same mounts on the same places. `None`: there is no room for all of them.
    pub(crate) fn copy_namespace(&mut self, of: u32) -> Option<u32> {
        let slots = u32::try_from(self.mounts.capacity()).unwrap_or(NONE);
        let count = (0..slots).filter(|&index| self.is_in(index, of)).count();
        let free = self.mounts.capacity().saturating_sub(self.mounts.live() as usize);
        if count > free || self.namespaces.is_full() {
            return None;
        }
        // Copies are in no namespace yet, so none is taken for one to be copied.
        for index in 0..slots {
            if self.is_in(index, of) {
                let Mount { fs, root, flags, .. } = *self.mounts.at(index);
                self.dentries.pin(root);
                self.mounts.at_mut(index).copy = self.add_mount(Mount::new(fs, root, flags))?;
            }
        }
        for index in 0..slots {
            if self.is_in(index, of) {
                let Mount { parent, point, copy, .. } = *self.mounts.at(index);
                if let Some(mount) = self.mounts.get(parent).map(|parent| parent.copy) {
                    self.attach(copy, Loc { mount, dentry: point });
                }
            }
        }
        let root = self.namespaces.at(of).root;
        self.start_namespace(self.mounts.at(root).copy, false)
    }

    fn is_in(&self, mount: u32, namespace: u32) -> bool {
        self.mounts.get(mount).is_some() && self.namespace_of(mount) == Some(namespace)
    }

    /// Takes a mount and all that stands on it away, the topmost first.
    pub(crate) fn take_away(&mut self, mount: u32) {
        loop {
            let mut top = mount;
            while let Some((child, _)) = self.mounts.iter().find(|(_, other)| other.parent == top) {
                top = child;
            }
            self.detach(top);
            if top == mount {
                return;
            }
        }
    }

    /// Puts a mount that stands somewhere on another place, with all that stands on it.
    pub(crate) fn move_mount(&mut self, mount: u32, to: Loc) {
        let Mount { parent, point, .. } = *self.mounts.at(mount);
        self.attach(mount, to);
        self.leave_point(parent, point);
    }

    /// Makes `new` the root where `root` is one, and puts that on `put_old`.
    ///
    /// # Errors
    /// Why not, in the order in which Linux asks.
    pub(crate) fn pivot(&mut self, root: Loc, new: Loc, put_old: Loc) -> Result<(), MountError> {
        self.may_pivot(root, new, put_old)?;
        let (old, new) = (root.mount, new.mount);
        let top = self.descend(put_old);
        let Mount { parent, point, namespace, .. } = *self.mounts.at(old);
        let Mount { parent: new_parent, point: new_point, .. } = *self.mounts.at(new);
        self.attach(old, top);
        if parent == NONE {
            self.mounts.at_mut(old).namespace = NONE;
            let mount = self.mounts.at_mut(new);
            (mount.parent, mount.point, mount.namespace) = (NONE, NONE, namespace);
            self.namespaces.at_mut(namespace).root = new;
        } else {
            self.attach(new, Loc { mount: parent, dentry: point });
            self.leave_point(parent, point);
        }
        self.leave_point(new_parent, new_point);
        Ok(())
    }

    fn may_pivot(&self, root: Loc, new: Loc, put_old: Loc) -> Result<(), MountError> {
        let here = self.namespace_of(root.mount);
        let inside = |loc: Loc| here.is_some() && self.namespace_of(loc.mount) == here;
        if !inside(new) || !inside(put_old) {
            return Err(MountError::Elsewhere);
        }
        if self.is_gone(new) || self.is_gone(put_old) {
            return Err(MountError::Removed);
        }
        if new.mount == root.mount || put_old.mount == root.mount {
            return Err(MountError::OnRoot);
        }
        if !self.is_mount(root) || !self.is_mount(new) || self.mounts.at(new.mount).parent == NONE {
            return Err(MountError::NotMount);
        }
        if !self.leads_to(new, put_old) || !self.leads_to(root, new) {
            return Err(MountError::Elsewhere);
        }
        Ok(())
    }

    /// Whether `loc` is the root of its mount.
    pub(crate) fn is_mount(&self, loc: Loc) -> bool {
        self.mounts.at(loc.mount).root == loc.dentry
    }

    /// Whether nothing can be mounted at `loc` any more: it was removed, or its mount taken away.
    pub(crate) fn is_gone(&self, loc: Loc) -> bool {
        !self.is_mount(loc) && !self.dentry(loc.dentry).hashed || self.mounts.at(loc.mount).detached
    }

    /// Whether a way down leads from `above` to `below`, across mounts.
    fn leads_to(&self, above: Loc, mut below: Loc) -> bool {
        while below.mount != above.mount {
            let mount = self.mounts.at(below.mount);
            if mount.parent == NONE {
                return false;
            }
            below = Loc { mount: mount.parent, dentry: mount.point };
        }
        self.is_below(below.dentry, above.dentry)
    }

    /// Whether `mount` is `above` or stands, in the end, on it.
    pub(crate) fn stands_on(&self, mut mount: u32, above: u32) -> bool {
        while mount != above {
            mount = self.mounts.at(mount).parent;
            if mount == NONE {
                return false;
            }
        }
        true
    }
}

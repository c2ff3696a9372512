//! Where things are: paths of places, and what is mounted where.
//!
//! Source: Linux `getcwd(2)`, `/proc/self/mountinfo`.

use alloc::vec::Vec;

use crate::error::FsError;
use crate::ports::Env;
use crate::tree::mount::MountFlags;
use crate::tree::place::{Member, Place, View};
use crate::tree::slots::NONE;
use crate::tree::{Loc, Tree};
use crate::vfs::Vfs;

/// One mount, as somebody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountEntry {
    /// Where it stands.
    pub path: Vec<u8>,
    /// What the file system calls itself.
    pub kind: &'static str,
    /// What it forbids.
    pub flags: MountFlags,
    /// The file system: what [`Stat::device`](crate::Stat::device) shows.
    pub device: u64,
    /// Whether it shows all of the file system, not a directory of it.
    pub whole: bool,
}

impl<E: Env> Vfs<E> {
    /// The root of the oldest namespace, as [`mount_root`](Self::mount_root) gave it. `None` before there is one.
    pub fn root_view(&self) -> Option<View<'_, E>> {
        let (root, member) = self.tree(|tree| {
            let (namespace, mount) =
                tree.namespaces.iter().next().map(|(index, found)| (index, found.root))?;
            let loc = tree.descend(Loc { mount, dentry: tree.mounts.at(mount).root });
            Some((Place::pin(self, tree, loc), Member::join(self, tree, namespace)))
        })?;
        Some(View::at(root, member))
    }
}

impl<'v, E: Env> View<'v, E> {
    /// The directory in which paths start that do not start with `/`.
    pub const fn cwd(&self) -> &Place<'v, E> {
        &self.cwd
    }

    /// The path that leads from this root to `place`.
    ///
    /// # Errors
    /// [`FsError::NotFound`] if none does: it was removed, or is outside; or no memory.
    pub fn path(&self, place: &Place<'v, E>) -> Result<Vec<u8>, FsError> {
        self.root.vfs().tree(|tree| spell(tree, self.root.loc(), place.loc()))
    }

    /// The mounts that can be reached from this root, each before those that stand on it.
    ///
    /// # Errors
    /// No memory.
    pub fn mounts(&self) -> Result<Vec<MountEntry>, FsError> {
        self.root.vfs().tree(|tree| {
            let mut entries = Vec::new();
            for (index, mount) in tree.mounts.iter() {
                let root = Loc { mount: index, dentry: mount.root };
                let path = match spell(tree, self.root.loc(), root) {
                    Err(FsError::NotFound) => continue,
                    path => path?,
                };
                let fs = tree.supers.at(mount.fs);
                let whole = tree.dentry(mount.root).parent == mount.root;
                entries.try_reserve(1)?;
                let (kind, flags, device) = (fs.info.kind, mount.flags, fs.device);
                entries.push(MountEntry { path, kind, flags, device, whole });
            }
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(entries)
        })
    }
}

/// The path from `root` to `loc`, found from its end on: written backwards, then turned round.
fn spell(tree: &Tree, root: Loc, mut loc: Loc) -> Result<Vec<u8>, FsError> {
    let mut path = Vec::new();
    while loc != root {
        let mount = tree.mounts.at(loc.mount);
        if loc.dentry == mount.root {
            if mount.parent == NONE {
                return Err(FsError::NotFound);
            }
            loc = Loc { mount: mount.parent, dentry: mount.point };
            continue;
        }
        let dentry = tree.dentry(loc.dentry);
        if !dentry.hashed || dentry.parent == loc.dentry {
            return Err(FsError::NotFound);
        }
        let name = dentry.name.as_bytes();
        path.try_reserve(name.len() + 1)?;
        path.extend(name.iter().rev());
        path.push(b'/');
        loc.dentry = dentry.parent;
    }
    if path.is_empty() {
        path.try_reserve(1)?;
        path.push(b'/');
    }
    path.reverse();
    Ok(path)
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use super::MountEntry;
    use crate::error::FsError;
    use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
    use crate::testing::{HostEnv, TestClock};
    use crate::{At, AtFlags, Config, Ctx, Mode, MountFlags, Vfs};

    fn tmpfs() -> Arc<Tmpfs<HostEnv>> {
        Arc::new(Tmpfs::new(&TmpfsConfig::default()).unwrap())
    }

    fn paths(entries: &[MountEntry]) -> Vec<&[u8]> {
        entries.iter().map(|entry| entry.path.as_slice()).collect()
    }

    #[test]
    fn paths_lead_through_mounts_and_end_with_removal() {
        let vfs = Vfs::<HostEnv>::new(&Config::default(), TestClock::at(0)).unwrap();
        assert!(vfs.root_view().is_none());
        drop(vfs.mount_root(tmpfs(), MountFlags::empty()).unwrap());
        let view = vfs.root_view().unwrap();
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        for dir in [&b"/a"[..], b"/a/b"] {
            call.mkdir(At::Cwd, dir, Mode::ALL_ACCESS).unwrap();
        }
        call.mount(tmpfs(), At::Cwd, b"/a/b", MountFlags::NO_EXEC).unwrap();
        call.mkdir(At::Cwd, b"/a/b/c", Mode::ALL_ACCESS).unwrap();
        let inner = call.resolve(At::Cwd, b"a/../a/b/c", AtFlags::empty()).unwrap();
        assert_eq!(view.path(&inner).unwrap(), b"/a/b/c");
        assert_eq!(view.path(view.cwd()).unwrap(), b"/");

        let mounts = view.mounts().unwrap();
        assert_eq!(paths(&mounts), [&b"/"[..], b"/a/b"]);
        assert_eq!((mounts[1].kind, mounts[1].flags, mounts[1].whole), ("tmpfs", MountFlags::NO_EXEC, true));
        let jail = call.chroot(At::Cwd, b"/a/b/c").unwrap();
        assert_eq!(jail.path(&inner).unwrap(), b"/");
        assert_eq!(jail.path(view.cwd()), Err(FsError::NotFound));

        call.rmdir(At::Cwd, b"/a/b/c").unwrap();
        assert_eq!(view.path(&inner), Err(FsError::NotFound));
        drop((jail, inner));
        call.unmount(At::Cwd, b"/a/b", false).unwrap();
        assert_eq!(paths(&view.mounts().unwrap()), [b"/"]);
        call.mount(tmpfs(), At::Cwd, b"/", MountFlags::empty()).unwrap();
        let over = vfs.root_view().unwrap();
        assert!(
            over.call(&ctx).resolve(At::Cwd, b"/a", AtFlags::empty()).is_err(),
            "the newer root is empty"
        );
    }
}

//! Operations on paths: [`Call`], which is who asks, from where.
//!
//! `names` makes and removes names, `rename` moves them, `attrs` and `xattr` look at files and change what is known of
//! them, `mounts` mounts, `survey` tells where things are. Opening is in [`file`](crate::file).

mod attrs;
mod error;
mod mounts;
mod names;
mod namespaces;
mod rename;
mod survey;
mod xattr;

use core::fmt;

pub use attrs::{SetTime, Stat};
pub use error::{AttrError, DirError, MountError};
pub use namespaces::Pivot;
pub use survey::MountEntry;
pub use xattr::XattrName;

use crate::attr::{Attr, FileType, Mode, SetAttr, Timestamp};
use crate::cred::Cred;
use crate::error::{FsError, NoMemory};
use crate::fs::{FsFeatures, NewNode};
use crate::name::Name;
use crate::ports::{Env, WallClock as _};
use crate::tree::mount::MountFlags;
use crate::tree::place::{Place, View};
use crate::tree::slots::NONE;
use crate::tree::{Loc, Node};
use crate::vfs::Vfs;
use crate::walk::{ResolveError, ResolveFault, ResolveFlags, Walk};

/// How much one process may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Descriptors (`RLIMIT_NOFILE`).
    pub files: u32,
    /// Bytes of a file that he makes larger (`RLIMIT_FSIZE`).
    pub file_size: u64,
}

impl Default for Limits {
    /// 1024 descriptors, files of any size.
    fn default() -> Self {
        Self { files: 1024, file_size: u64::MAX }
    }
}

/// Who asks, and with what defaults. Taken once for each operation, so that nothing changes half-way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ctx<'a> {
    /// Who.
    pub cred: Cred<'a>,
    /// Permission bits that what he makes does not get.
    pub umask: Mode,
    /// How much he may have.
    pub limits: Limits,
}

impl Ctx<'_> {
    /// User 0 with every capability and no umask.
    pub fn root() -> Self {
        Self { cred: Cred::ROOT, umask: Mode::empty(), limits: Limits::default() }
    }
}

/// Where a path starts that does not start with `/`.
#[derive(Debug)]
pub enum At<'a, 'v, E: Env> {
    /// In the working directory (`AT_FDCWD`).
    Cwd,
    /// Here; of an open file, [`OpenFile::place`](crate::OpenFile::place).
    Place(&'a Place<'v, E>),
}

impl<E: Env> Clone for At<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Env> Copy for At<'_, '_, E> {}

bitflags::bitflags! {
    /// How to take the end of a path: `AT_…`, with the values of Linux.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AtFlags: u32 {
        /// A symlink there is meant itself.
        const NO_FOLLOW = 0x100;
        /// An empty path means where it starts.
        const EMPTY_PATH = 0x1000;
    }
}

/// Operations of one caller.
pub struct Call<'a, 'v, E: Env> {
    pub(crate) view: &'a View<'v, E>,
    pub(crate) ctx: &'a Ctx<'a>,
}

impl<E: Env> Clone for Call<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Env> Copy for Call<'_, '_, E> {}

impl<E: Env> fmt::Debug for Call<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("view", self.view).field("ctx", self.ctx).finish()
    }
}

impl<'v, E: Env> View<'v, E> {
    /// Operations of a process that stands here.
    pub const fn call<'a>(&'a self, ctx: &'a Ctx<'a>) -> Call<'a, 'v, E> {
        Call { view: self, ctx }
    }
}

impl<'a, 'v, E: Env> Call<'a, 'v, E> {
    pub(crate) const fn vfs(&self) -> &'v Vfs<E> {
        self.view.root.vfs()
    }

    /// A walk along `path`.
    pub(crate) fn walk<'w>(
        &'w self,
        at: At<'w, 'v, E>,
        path: &'w [u8],
        flags: ResolveFlags,
    ) -> Result<Walk<'w, 'v, E>, ResolveError> {
        let start = match at {
            At::Cwd => &self.view.cwd,
            At::Place(place) => place,
        };
        Walk::new(&self.ctx.cred, &self.view.root, start, path, flags)
    }

    /// What `path` names. The bits of `flags` that it does not know are nobody's concern.
    ///
    /// # Errors
    /// Where and why the path leads nowhere.
    pub fn resolve(
        &self,
        at: At<'_, 'v, E>,
        path: &[u8],
        flags: AtFlags,
    ) -> Result<Place<'v, E>, ResolveError> {
        if path.is_empty() && flags.contains(AtFlags::EMPTY_PATH) {
            return Ok(match at {
                At::Cwd => self.view.cwd.clone(),
                At::Place(place) => place.clone(),
            });
        }
        self.walk(at, path, ResolveFlags::empty())?.end(!flags.contains(AtFlags::NO_FOLLOW))
    }

    /// As [`resolve`](Self::resolve), by the rules of `openat2(2)`.
    ///
    /// # Errors
    /// Where and why the path leads nowhere, or out of where it may lead.
    pub fn resolve_within(
        &self,
        at: At<'_, 'v, E>,
        path: &[u8],
        follow: bool,
        flags: ResolveFlags,
    ) -> Result<Place<'v, E>, ResolveError> {
        self.walk(at, path, flags)?.end(follow)
    }

    /// Makes what `new` says, in a directory whose lock is held and to which the caller may add: `child` is its negative dentry,
    /// and names it afterwards.
    pub(crate) fn make(
        &self,
        dir: &Node,
        name: Name<'_>,
        child: &Place<'v, E>,
        new: &NewNode<'_>,
    ) -> Result<(), DirError> {
        let attr = dir.fs.dirs().create(dir.ino, name, new).map_err(|error| match error {
            FsError::Unsupported if new.kind == FileType::Regular => DirError::MakesNoFiles,
            error => error.into(),
        })?;
        self.vfs().tree(|tree| {
            let dentry = child.loc().dentry;
            let fault = match tree.enter(dir.fs_id, attr) {
                Ok(inode) if tree.is_elsewhere(inode, tree.dentry(dentry).parent) => {
                    tree.inodes.release(inode);
                    ResolveFault::SecondName
                }
                Ok(inode) => {
                    tree.name_made(dentry, inode);
                    return Ok(());
                }
                Err(NoMemory) => ResolveFault::NoMemory,
            };
            // It is there, but not in memory: it must not be remembered as missing.
            tree.dentries.unhash(dentry);
            Err(DirError::Resolve(ResolveError { fault, component: 0 }))
        })
    }
}

impl<E: Env> Vfs<E> {
    /// The time of day, for stamps.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What is known of the file at `place` that never lags: kind, mode, owner, group. `None` if it is missing.
    pub(crate) fn attr_of(&self, place: &Place<'_, E>) -> Option<Attr> {
        self.tree(|tree| tree.inode_of(place.loc().dentry).map(|inode| inode.attr))
    }

    /// Remembers what a driver said about a file whose lock is held.
    pub(crate) fn learn(&self, node: &Node, attr: Attr) {
        self.tree(|tree| tree.inodes.get_mut(node.inode).attr = attr);
    }

    /// A file whose lock is held has lost a name: without any, nobody reads it any more once it is used no more.
    pub(crate) fn lost_name(&self, node: &Node) {
        if node.cached && node.fs.attr(node.ino).is_ok_and(|attr| attr.links == 0) {
            self.tree(|tree| tree.inodes.get_mut(node.inode).unlinked = true);
        }
    }

    pub(crate) fn mount_flags(&self, place: &Place<'_, E>) -> MountFlags {
        self.tree(|tree| tree.mounts.at(place.loc().mount).flags)
    }

    /// Whether what is at `place` can be changed at all; `Err` on a mount or a file system that takes no changes.
    pub(crate) fn want_write(&self, place: &Place<'_, E>) -> Result<(), ()> {
        let fixed = self.tree(|tree| {
            let mount = tree.mounts.at(place.loc().mount);
            let features = tree.supers.at(mount.fs).info.features;
            mount.flags.contains(MountFlags::READ_ONLY) || features.contains(FsFeatures::READ_ONLY)
        });
        if fixed { Err(()) } else { Ok(()) }
    }

    /// Stamps the time of reading, by the rules of `relatime`: where the last one is not after the last change, or a day old.
    /// What fails here fails silently: it is no part of reading, which is over.
    pub(crate) fn touch(&self, place: &Place<'_, E>) {
        let (node, now) = (place.node(), self.now());
        if self.is_stamped(node.inode, now) {
            return;
        }
        let untouched = MountFlags::READ_ONLY | MountFlags::NO_ACCESS_TIMES;
        let info = node.fs.info();
        if self.mount_flags(place).intersects(untouched) || info.features.contains(FsFeatures::READ_ONLY) {
            return;
        }
        let now = now.truncated(info.access_step);
        if self.has_fresh_access(&node, now, info.access_step) {
            return;
        }
        let _file = self.exclude(node.inode);
        let set = SetAttr { accessed: Some(now), ..SetAttr::default() };
        if let Ok(attr) = self.set_attr(&node, &set) {
            self.learn(&node, attr);
        }
    }

    /// Whether the time of reading needs no stamp `now`; if so, remembers until when.
    fn has_fresh_access(&self, node: &Node, now: Timestamp, step: u64) -> bool {
        const DAY: i64 = 24 * 60 * 60;
        let _file = self.share(node.inode);
        let Ok(attr) = self.attr(node) else { return true };
        let last = attr.accessed;
        let old = now.seconds.saturating_sub(last.seconds) >= DAY;
        let fresh = last > attr.modified && last > attr.changed && !old;
        if !fresh && now != last {
            return false;
        }
        let lasts = if fresh { DAY } else { (step / 1_000_000_000).cast_signed() };
        self.set_stamped(node.inode, last.seconds.saturating_add(lasts));
        true
    }

    /// The place of a new file without a name, made in `dir`. `None`, and the file goes again, if there is no slot.
    pub(crate) fn adopt_nameless<'v>(
        &'v self,
        dir: &Place<'v, E>,
        node: &Node,
        attr: Attr,
        hidden: bool,
    ) -> Option<Place<'v, E>> {
        self.tree(|tree| {
            let inode = tree.enter(node.fs_id, attr).ok()?;
            let made = tree.inodes.get_mut(inode);
            (made.nameless, made.unlinked) = (hidden, true);
            let dentry = tree.add(NONE, b"", node.fs_id, inode, false)?;
            let mount = dir.loc().mount;
            tree.mounts.at_mut(mount).pins += 1;
            Some(Place::adopt(self, Loc { mount, dentry }))
        })
    }
}

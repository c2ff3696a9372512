//! Path resolution: [`Walk`], step by step and without recursion.
//!
//! A walk stands on a directory that it has pinned. It takes components from its [`trail`] as long as the name cache answers,
//! under the tree's lock; then it drops the lock to ask a driver, or to read a symlink, and goes on. `..` is physical: it is the
//! directory that holds this one, whatever path led here. Whoever makes or removes a name stops at the last component.
//!
//! Source: POSIX.1-2024, 4.16 "Pathname resolution"; Linux `path_resolution(7)`, `openat2(2)`.

mod error;
mod trail;

use bitflags::bitflags;

pub use error::{ResolveError, ResolveFault};
use trail::{Component, LINKS_MAX, Trail};

use crate::attr::FileType;
use crate::cred::Cred;
use crate::error::{FsError, NoMemory};
use crate::fs::FsFeatures;
use crate::name::{Name, NameError, PATH_MAX};
use crate::perm::{self, Access};
use crate::ports::Env;
use crate::tree::place::Place;
use crate::tree::slots::NONE;
use crate::tree::{Loc, Node, Tree};
use crate::vfs::Vfs;

bitflags! {
    /// How a path may lead: the `RESOLVE_…` of `openat2(2)`, with their values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ResolveFlags: u64 {
        /// Never into another mount.
        const NO_XDEV = 0x01;
        /// Never through a magic link. There are none here: always so.
        const NO_MAGICLINKS = 0x02;
        /// Never through a symlink.
        const NO_SYMLINKS = 0x04;
        /// Never out of the directory where it starts; what would leave it fails.
        const BENEATH = 0x08;
        /// As if the directory where it starts were the root.
        const IN_ROOT = 0x10;
        /// Only as far as memory knows.
        const CACHED = 0x20;
    }
}

/// What the last component of a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// There is none: the path is `/`.
    Root,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// A name, in [`Walk::name`].
    Name,
}

/// Why a walk drops the lock.
#[derive(Debug)]
enum Pause<'v, E: Env> {
    /// Only the last component is left.
    Last,
    /// The cache does not know the name.
    Ask,
    /// The name is a symlink.
    Link(Place<'v, E>),
}

/// A path on its way.
#[derive(Debug)]
pub(crate) struct Walk<'a, 'v, E: Env> {
    /// The directory reached.
    pub(crate) at: Place<'v, E>,
    /// What comes after it.
    pub(crate) last: Last,
    /// Whether something in the path says that its end is a directory.
    pub(crate) must_be_dir: bool,
    component: Component,
    name: [u8; 255],
    vfs: &'v Vfs<E>,
    cred: &'a Cred<'a>,
    root: &'a Place<'v, E>,
    flags: ResolveFlags,
    trail: Trail<'a>,
    links: usize,
    moves: u64,
    /// Whether the walk has had to do with the root. As for Linux, a symlink to it before that leaves the mount.
    rooted: bool,
}

impl<'a, 'v, E: Env> Walk<'a, 'v, E> {
    /// Starts at `start`, or at `root` if the path does.
    pub(crate) fn new(
        cred: &'a Cred<'a>,
        root: &'a Place<'v, E>,
        start: &'a Place<'v, E>,
        path: &'a [u8],
        flags: ResolveFlags,
    ) -> Result<Self, ResolveError> {
        let scoped = ResolveFlags::BENEATH | ResolveFlags::IN_ROOT;
        let absolute = path.first() == Some(&b'/');
        let fault = if path.is_empty() {
            Some(ResolveFault::EmptyPath)
        } else if path.len() >= PATH_MAX {
            Some(ResolveFault::TooLong)
        } else if path.contains(&0) {
            Some(ResolveFault::Nul)
        } else if flags.contains(scoped) {
            Some(ResolveFault::Flags)
        } else {
            (absolute && flags.contains(ResolveFlags::BENEATH)).then_some(ResolveFault::Outside)
        };
        if let Some(fault) = fault {
            return Err(ResolveError { fault, component: 0 });
        }
        let root = if flags.intersects(scoped) { start } else { root };
        let vfs = start.vfs();
        let first = if absolute { root.loc() } else { start.loc() };
        let (at, moves) = vfs.tree(|tree| (Place::pin(vfs, tree, first), tree.moves));
        Ok(Self {
            at,
            last: Last::Root,
            must_be_dir: false,
            component: Component { last: false, slash: false, length: 0 },
            name: [0; 255],
            vfs,
            cred,
            root,
            flags,
            trail: Trail::new(path),
            links: 0,
            moves,
            rooted: absolute || flags.intersects(scoped),
        })
    }

    /// The last component.
    pub(crate) fn name(&self) -> Result<Name<'_>, ResolveError> {
        self.checked_name().map_err(|fault| self.error(fault))
    }

    /// Whether a slash follows the last component.
    pub(crate) const fn has_slash(&self) -> bool {
        self.component.slash
    }

    pub(crate) fn error(&self, fault: ResolveFault) -> ResolveError {
        ResolveError { fault, component: self.trail.taken.saturating_sub(1) }
    }

    /// Walks to the directory of the last component.
    pub(crate) fn parent(&mut self) -> Result<(), ResolveError> {
        self.try_parent().map_err(|fault| self.error(fault))
    }

    /// Walks to the end. A symlink there is followed if `follow` says so, or a slash comes after it.
    pub(crate) fn end(mut self, follow: bool) -> Result<Place<'v, E>, ResolveError> {
        match self.try_end(follow) {
            Ok(()) => Ok(self.at),
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// Goes where the symlink at the last component leads, up to the directory of its last component.
    pub(crate) fn follow_last(&mut self, link: &Place<'v, E>) -> Result<(), ResolveError> {
        self.follow(link).and_then(|()| self.try_parent()).map_err(|fault| self.error(fault))
    }

    /// Goes to what the last component names.
    pub(crate) fn enter_last(mut self, child: &Place<'v, E>) -> Result<Place<'v, E>, ResolveError> {
        match self.enter(child) {
            Ok(()) => Ok(self.at),
            Err(fault) => Err(self.error(fault)),
        }
    }

    /// What the last component names, in the directory whose lock the caller holds: pinned, and perhaps missing.
    pub(crate) fn look_up_locked(&self, dir: &Node) -> Result<Place<'v, E>, ResolveError> {
        self.checked_name().and_then(|name| self.ask_locked(dir, name)).map_err(|fault| self.error(fault))
    }

    fn try_end(&mut self, follow: bool) -> Result<(), ResolveFault> {
        loop {
            self.try_parent()?;
            match self.last {
                Last::Root | Last::Dot => {}
                Last::DotDot => self.vfs.tree(|tree| {
                    let up = self.up(tree, self.at.loc())?;
                    self.at.go(tree, up);
                    Ok(())
                })?,
                Last::Name => {
                    let child = self.look_up()?;
                    if self.is_link(&child)? && (follow || self.must_be_dir) {
                        self.follow(&child)?;
                        continue;
                    }
                    self.enter(&child)?;
                }
            }
            let kind = self.vfs.tree(|tree| tree.attr_of(self.at.loc().dentry).kind);
            let wrong = self.must_be_dir && kind != FileType::Directory;
            return if wrong { Err(ResolveFault::NotDirectory) } else { Ok(()) };
        }
    }

    fn try_parent(&mut self) -> Result<(), ResolveFault> {
        loop {
            match self.vfs.tree(|tree| self.run(tree))? {
                Pause::Last => return Ok(()),
                Pause::Link(link) => self.follow(&link)?,
                Pause::Ask => {
                    let child = self.ask()?;
                    if self.is_link(&child)? { self.follow(&child)? } else { self.enter(&child)? }
                }
            }
        }
    }

    /// As far as the cache knows.
    fn run(&mut self, tree: &mut Tree) -> Result<Pause<'v, E>, ResolveFault> {
        let mut here = self.at.loc();
        let pause = loop {
            match self.step(tree, &mut here) {
                Ok(None) => {}
                Ok(Some(pause)) => break Ok(pause),
                Err(fault) => break Err(fault),
            }
        };
        self.at.go(tree, here);
        pause
    }

    fn step(&mut self, tree: &mut Tree, here: &mut Loc) -> Result<Option<Pause<'v, E>>, ResolveFault> {
        let Some(component) = self.trail.next(&mut self.name) else {
            self.last = Last::Root;
            return Ok(Some(Pause::Last));
        };
        self.component = component;
        let attr = tree.attr_of(here.dentry);
        if attr.kind != FileType::Directory {
            return Err(ResolveFault::NotDirectory);
        }
        perm::may(self.cred, attr, Access::EXEC).map_err(ResolveFault::Denied)?;
        let kind = self.kind();
        self.rooted |= kind == Last::DotDot;
        if component.last {
            self.last = kind;
            self.must_be_dir |= component.slash || kind != Last::Name;
            return Ok(Some(Pause::Last));
        }
        match kind {
            Last::Root | Last::Dot => Ok(None),
            Last::DotDot => {
                *here = self.up(tree, *here)?;
                Ok(None)
            }
            Last::Name => self.down(tree, here),
        }
    }

    fn kind(&self) -> Last {
        match self.name.get(..self.component.length) {
            Some(b".") => Last::Dot,
            Some(b"..") => Last::DotDot,
            _ => Last::Name,
        }
    }

    fn checked_name(&self) -> Result<Name<'_>, ResolveFault> {
        let length = self.component.length;
        let Some(bytes) = self.name.get(..length) else {
            return Err(ResolveFault::Name(NameError::TooLong { length }));
        };
        Name::new(bytes).map_err(ResolveFault::Name)
    }

    /// One name down, if the cache knows it.
    fn down(&self, tree: &mut Tree, here: &mut Loc) -> Result<Option<Pause<'v, E>>, ResolveFault> {
        let name = self.checked_name()?;
        let child = tree.dentries.find(here.dentry, name.as_bytes());
        let Some(child) = child.filter(|&child| !tree.is_volatile(tree.dentry(child).fs)) else {
            return Ok(Some(Pause::Ask));
        };
        tree.hits = tree.hits.wrapping_add(1);
        tree.dentries.touch(child);
        let loc = Loc { mount: here.mount, dentry: child };
        match tree.inode_of(child).map(|inode| inode.attr.kind) {
            None => Err(ResolveFault::NotFound),
            Some(FileType::Symlink) => Ok(Some(Pause::Link(Place::pin(self.vfs, tree, loc)))),
            Some(_) => {
                *here = self.through_mounts(tree, loc)?;
                Ok(None)
            }
        }
    }

    fn through_mounts(&self, tree: &Tree, loc: Loc) -> Result<Loc, ResolveFault> {
        let inside = tree.descend(loc);
        let left = inside.mount != loc.mount && self.flags.contains(ResolveFlags::NO_XDEV);
        if left { Err(ResolveFault::Outside) } else { Ok(inside) }
    }

    /// The directory that holds `here`. At the root, and where a mount stands nowhere, that is what is to be seen at `here`.
    fn up(&self, tree: &Tree, here: Loc) -> Result<Loc, ResolveFault> {
        let Some(mut place) = self.climb(tree, here) else {
            let beneath = self.flags.contains(ResolveFlags::BENEATH);
            return if beneath { Err(ResolveFault::Outside) } else { self.through_mounts(tree, here) };
        };
        if place.mount != here.mount && self.flags.contains(ResolveFlags::NO_XDEV) {
            return Err(ResolveFault::Outside);
        }
        place.dentry = tree.dentry(place.dentry).parent;
        let scoped = self.flags.intersects(ResolveFlags::BENEATH | ResolveFlags::IN_ROOT);
        if scoped && tree.moves != self.moves {
            return Err(ResolveFault::Moved);
        }
        self.through_mounts(tree, place)
    }

    /// `here`, or, if it is the root of a mount, where that is mounted: a place with a parent in its mount. `None` at the root.
    fn climb(&self, tree: &Tree, mut here: Loc) -> Option<Loc> {
        while here != self.root.loc() {
            if tree.mounts.at(here.mount).root != here.dentry {
                return Some(here);
            }
            here = tree.ascend(here)?;
        }
        None
    }

    /// The last component, from the cache or the driver; perhaps missing.
    fn look_up(&self) -> Result<Place<'v, E>, ResolveFault> {
        let name = self.checked_name()?;
        let here = self.at.loc();
        let cached = self.vfs.tree(|tree| {
            let child = tree.dentries.find(here.dentry, name.as_bytes())?;
            if tree.is_volatile(tree.dentry(child).fs) {
                return None;
            }
            tree.hits = tree.hits.wrapping_add(1);
            Some(Place::pin(self.vfs, tree, Loc { mount: here.mount, dentry: child }))
        });
        cached.map_or_else(|| self.ask(), Ok)
    }

    /// Asks the driver for the name, and remembers the answer.
    fn ask(&self) -> Result<Place<'v, E>, ResolveFault> {
        let name = self.checked_name()?;
        let dir = self.at.node();
        if self.flags.contains(ResolveFlags::CACHED) && !is_resident(&dir) {
            return Err(ResolveFault::NotCached);
        }
        let _names = self.vfs.share(dir.inode);
        self.ask_locked(&dir, name)
    }

    fn ask_locked(&self, dir: &Node, name: Name<'_>) -> Result<Place<'v, E>, ResolveFault> {
        // Goes round only if somebody else remembered another answer meanwhile.
        loop {
            if let Some(child) = self.try_ask(dir, name)? {
                return Ok(child);
            }
        }
    }

    fn try_ask(&self, dir: &Node, name: Name<'_>) -> Result<Option<Place<'v, E>>, ResolveFault> {
        let Loc { mount, dentry: parent } = self.at.loc();
        let pin = |tree: &mut Tree, dentry| Place::pin(self.vfs, tree, Loc { mount, dentry });
        let (cached, volatile) = self.vfs.tree(|tree| {
            let cached = tree.dentries.find(parent, name.as_bytes());
            if tree.inodes.get(dir.inode).dead {
                return Err(ResolveFault::NotFound);
            }
            let volatile = tree.is_volatile(dir.fs_id);
            if volatile || cached.is_none() {
                tree.misses = tree.misses.wrapping_add(1);
            }
            Ok((cached.map(|child| pin(tree, child)), volatile))
        })?;
        if cached.is_some() && !volatile {
            return Ok(cached);
        }
        let found = match dir.fs.dirs().lookup(dir.ino, name) {
            Ok(attr) => Some(attr),
            Err(FsError::NotFound) => None,
            Err(error) => return Err(ResolveFault::Fs(error)),
        };
        self.vfs.tree(|tree| {
            let inode = match found {
                Some(attr) => tree.enter(dir.fs_id, attr).map_err(|NoMemory| ResolveFault::NoMemory)?,
                None => NONE,
            };
            if let Some(child) = tree.dentries.find(parent, name.as_bytes()) {
                let same = tree.dentry(child).inode == inode;
                let asked = cached.as_ref().is_some_and(|cached| cached.loc().dentry == child);
                // What is mounted stays where it is.
                let stays = same || !volatile || tree.dentry(child).mounts > 0;
                if (stays || !asked) && inode != NONE {
                    tree.inodes.release(inode);
                }
                if stays {
                    return Ok(Some(pin(tree, child)));
                }
                if !asked {
                    // Another reader was faster, and one of the two answers is old.
                    return Ok(None);
                }
                tree.expel(child);
            }
            self.remember(tree, dir, name, inode).map(Some)
        })
    }

    /// Adds the answer of the driver to what is known. Takes over the reference on `inode`, if there is one.
    fn remember(
        &self,
        tree: &mut Tree,
        dir: &Node,
        name: Name<'_>,
        inode: u32,
    ) -> Result<Place<'v, E>, ResolveFault> {
        let Loc { mount, dentry: parent } = self.at.loc();
        let respelt = if inode != NONE && tree.has_spellings(dir.fs_id) {
            tree.respell(parent, name.as_bytes(), inode)
        } else {
            None
        };
        if respelt.is_none() && inode != NONE && tree.is_elsewhere(inode, parent) {
            tree.inodes.release(inode);
            return Err(ResolveFault::SecondName);
        }
        let child = respelt.or_else(|| tree.add(parent, name.as_bytes(), dir.fs_id, inode, true));
        let dentry = child.ok_or(ResolveFault::NoMemory)?;
        tree.mounts.at_mut(mount).pins += 1;
        Ok(Place::adopt(self.vfs, Loc { mount, dentry }))
    }

    /// Whether what was found is a symlink.
    fn is_link(&self, child: &Place<'v, E>) -> Result<bool, ResolveFault> {
        let kind = self.vfs.tree(|tree| tree.inode_of(child.loc().dentry).map(|inode| inode.attr.kind));
        kind.map(|kind| kind == FileType::Symlink).ok_or(ResolveFault::NotFound)
    }

    /// Goes to what was found, through what is mounted there.
    fn enter(&mut self, child: &Place<'v, E>) -> Result<(), ResolveFault> {
        self.vfs.tree(|tree| {
            let inside = self.through_mounts(tree, child.loc())?;
            self.at.go(tree, inside);
            Ok(())
        })
    }

    /// Puts the target of a symlink before the rest of the path.
    fn follow(&mut self, link: &Place<'v, E>) -> Result<(), ResolveFault> {
        self.links += 1;
        if self.flags.contains(ResolveFlags::NO_SYMLINKS) || self.links > LINKS_MAX {
            return Err(ResolveFault::Loop);
        }
        let node = link.node();
        if self.flags.contains(ResolveFlags::CACHED) && !is_resident(&node) {
            return Err(ResolveFault::NotCached);
        }
        let pushed = self.trail.push(|room| node.fs.dirs().readlink(node.ino, room));
        if !pushed.map_err(ResolveFault::Fs)? {
            return Err(ResolveFault::Loop);
        }
        self.vfs.touch(link);
        if !self.trail.is_absolute() {
            return Ok(());
        }
        let root = self.root.loc();
        let other = !self.rooted || root.mount != self.at.loc().mount;
        let leaves = other && self.flags.contains(ResolveFlags::NO_XDEV);
        if leaves || self.flags.contains(ResolveFlags::BENEATH) {
            return Err(ResolveFault::Outside);
        }
        self.rooted = true;
        self.vfs.tree(|tree| self.at.go(tree, root));
        Ok(())
    }
}

fn is_resident(node: &Node) -> bool {
    node.fs.info().features.contains(FsFeatures::RESIDENT)
}

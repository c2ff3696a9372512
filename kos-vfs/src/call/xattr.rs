//! Extended attributes: [`XattrName`], and who may see and set what.
//!
//! `user.` follows the permissions of the file, and only files and directories have such; `trusted.` is seen and set by who has
//! [`CapSet::SYS_ADMIN`] alone; `security.` is seen by all and set by him. There are no other namespaces.
//!
//! Source: Linux `xattr(7)` and the order of errors in `fs/xattr.c`.

use super::{AttrError, Call};
use crate::attr::{Attr, FileType, Mode};
use crate::cred::CapSet;
use crate::error::FsError;
use crate::fs::{XATTR_NAME_MAX, XATTR_SIZE_MAX, XattrFlags, XattrOps};
use crate::perm::{self, Access, Denied};
use crate::ports::Env;
use crate::tree::Node;
use crate::tree::place::Place;

/// Bytes in a list of names, at most.
const LIST_MAX: usize = 64 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespace {
    User,
    Trusted,
    Security,
    Unknown,
}

/// The name of an extended attribute, with its namespace: 1 to 255 bytes without NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XattrName<'a> {
    bytes: &'a [u8],
    namespace: Namespace,
    /// Nothing follows the namespace.
    bare: bool,
}

impl<'a> XattrName<'a> {
    /// Checks the length of a name. Whether there is such a namespace is told when the file is known.
    ///
    /// # Errors
    /// [`AttrError::AttributeName`], or [`AttrError::Invalid`] for a NUL.
    pub fn new(bytes: &'a [u8]) -> Result<Self, AttrError> {
        if bytes.is_empty() || bytes.len() > XATTR_NAME_MAX {
            return Err(AttrError::AttributeName { length: bytes.len() });
        }
        if bytes.contains(&0) {
            return Err(AttrError::Invalid);
        }
        let spaces: [(&[u8], _); 3] = [
            (b"user.", Namespace::User),
            (b"trusted.", Namespace::Trusted),
            (b"security.", Namespace::Security),
        ];
        let found = spaces.into_iter().find(|(prefix, _)| bytes.starts_with(prefix));
        let (prefix, namespace) = found.unwrap_or((&[], Namespace::Unknown));
        Ok(Self { bytes, namespace, bare: bytes.len() == prefix.len() })
    }

    /// Its bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }
}

/// The attributes of a file, if its file system stores any in that namespace.
fn store<'n>(node: &'n Node, name: XattrName<'_>) -> Result<&'n dyn XattrOps, AttrError> {
    let known = name.namespace != Namespace::Unknown;
    let store = node.fs.xattrs().filter(|_| known).ok_or(AttrError::Unsupported)?;
    if name.bare { Err(AttrError::Invalid) } else { Ok(store) }
}

impl<'v, E: Env> Call<'_, 'v, E> {
    /// Copies the value of an extended attribute to the start of `out`; returns its length. Without any room, only that.
    ///
    /// # Errors
    /// [`FsError::NoAttribute`], [`AttrError::Room`], or why the caller may not.
    pub fn get_xattr(
        &self,
        place: &Place<'v, E>,
        name: XattrName<'_>,
        out: &mut [u8],
    ) -> Result<usize, AttrError> {
        let node = place.node();
        let _file = self.vfs().share(node.inode);
        let attr = self.vfs().attr_of(place).ok_or(AttrError::Invalid)?;
        self.may_see(&attr, name)?;
        let needed = store(&node, name)?.get(node.ino, name.bytes, out)?;
        if out.is_empty() || needed <= out.len() { Ok(needed) } else { Err(AttrError::Room { needed }) }
    }

    fn may_see(&self, attr: &Attr, name: XattrName<'_>) -> Result<(), AttrError> {
        let hidden = match name.namespace {
            Namespace::Security => return Ok(()),
            Namespace::Trusted if self.ctx.cred.has(CapSet::SYS_ADMIN) => return Ok(()),
            Namespace::Trusted => true,
            Namespace::User => !has_user_attributes(attr),
            Namespace::Unknown => false,
        };
        if hidden {
            return Err(FsError::NoAttribute.into());
        }
        Ok(perm::may(&self.ctx.cred, attr, Access::READ)?)
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// Why not.
    pub fn set_xattr(
        &self,
        place: &Place<'v, E>,
        name: XattrName<'_>,
        value: &[u8],
        flags: XattrFlags,
    ) -> Result<(), AttrError> {
        if value.len() > XATTR_SIZE_MAX {
            return Err(AttrError::AttributeSize { length: value.len() });
        }
        self.change_xattr(place, name, |store, node| {
            Ok(store.set(node.ino, name.bytes, value, flags, self.vfs().now())?)
        })
    }

    /// Takes an extended attribute away.
    ///
    /// # Errors
    /// [`FsError::NoAttribute`], or why not.
    pub fn remove_xattr(&self, place: &Place<'v, E>, name: XattrName<'_>) -> Result<(), AttrError> {
        self.change_xattr(place, name, |store, node| {
            Ok(store.remove(node.ino, name.bytes, self.vfs().now())?)
        })
    }

    fn change_xattr(
        &self,
        place: &Place<'v, E>,
        name: XattrName<'_>,
        work: impl FnOnce(&dyn XattrOps, &Node) -> Result<(), AttrError>,
    ) -> Result<(), AttrError> {
        self.vfs().want_write(place).map_err(|()| AttrError::ReadOnly)?;
        let node = place.node();
        let _file = self.vfs().exclude(node.inode);
        let attr = self.vfs().attr_of(place).ok_or(AttrError::Invalid)?;
        self.may_set(&attr, name)?;
        work(store(&node, name)?, &node)
    }

    fn may_set(&self, attr: &Attr, name: XattrName<'_>) -> Result<(), AttrError> {
        let admin = CapSet::SYS_ADMIN;
        match name.namespace {
            Namespace::Trusted | Namespace::Security if self.ctx.cred.has(admin) => return Ok(()),
            Namespace::Trusted | Namespace::Security => return Err(Denied::Needs(admin).into()),
            Namespace::User if !has_user_attributes(attr) => return Err(AttrError::UserAttribute),
            Namespace::User if attr.kind == FileType::Directory && attr.mode.contains(Mode::STICKY) => {
                if !self.ctx.cred.owns(attr) {
                    return Err(Denied::Sticky.into());
                }
            }
            Namespace::User | Namespace::Unknown => {}
        }
        Ok(perm::may(&self.ctx.cred, attr, Access::WRITE)?)
    }

    /// Writes the names of all extended attributes that the caller may see, each with a NUL behind it, to the start of `out`;
    /// returns how many bytes that is. Without any room, only that.
    ///
    /// # Errors
    /// [`AttrError::Room`], [`AttrError::AttributeSize`] for a list that is too long for everybody, or what the file system says.
    pub fn list_xattrs(&self, place: &Place<'v, E>, out: &mut [u8]) -> Result<usize, AttrError> {
        let node = place.node();
        let Some(store) = node.fs.xattrs() else { return Ok(0) };
        let trusted = self.ctx.cred.has(CapSet::SYS_ADMIN);
        let mut needed = 0_usize;
        let _file = self.vfs().share(node.inode);
        store.list(node.ino, &mut |name| {
            if !name.starts_with(b"trusted.") || trusted {
                let room = out.get_mut(needed..).and_then(|out| out.get_mut(..=name.len()));
                if let Some((end, start)) = room.and_then(<[u8]>::split_last_mut) {
                    start.copy_from_slice(name);
                    *end = 0;
                }
                needed = needed.saturating_add(name.len() + 1);
            }
            true
        })?;
        if needed > LIST_MAX {
            return Err(AttrError::AttributeSize { length: needed });
        }
        if out.is_empty() || needed <= out.len() { Ok(needed) } else { Err(AttrError::Room { needed }) }
    }
}

const fn has_user_attributes(attr: &Attr) -> bool {
    matches!(attr.kind, FileType::Regular | FileType::Directory)
}

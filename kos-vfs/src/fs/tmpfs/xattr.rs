//! Extended attributes of [`Tmpfs`]: few for each file, so a list.

use alloc::vec::Vec;

use super::Tmpfs;
use crate::attr::{Ino, Timestamp};
use crate::error::FsError;
use crate::fs::{XattrFlags, XattrOps};
use crate::ports::Env;

#[derive(Debug)]
struct Xattr {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Xattr {
    fn new(name: &[u8], value: &[u8]) -> Result<Self, FsError> {
        Ok(Self { name: copy(name)?, value: copy(value)? })
    }

    fn cost(&self) -> usize {
        cost(&self.name, &self.value)
    }
}

fn copy(bytes: &[u8]) -> Result<Vec<u8>, FsError> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// How many files an attribute counts as.
const fn cost(name: &[u8], value: &[u8]) -> usize {
    1 + (name.len() + value.len()) / 1024
}

/// Those of one file.
#[derive(Debug, Default)]
pub(super) struct Xattrs(Vec<Xattr>);

impl Xattrs {
    /// What they count as.
    pub(super) fn cost(&self) -> usize {
        self.0.iter().map(Xattr::cost).sum()
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.0.iter().position(|xattr| xattr.name == name)
    }
}

impl<E: Env> XattrOps for Tmpfs<E> {
    fn get(&self, file: Ino, name: &[u8], out: &mut [u8]) -> Result<usize, FsError> {
        self.with(file, |node| {
            let found = node.xattrs.0.iter().find(|xattr| xattr.name == name);
            let value = &found.ok_or(FsError::NoAttribute)?.value;
            if let Some(room) = out.get_mut(..value.len()) {
                room.copy_from_slice(value);
            }
            Ok(value.len())
        })
    }

    fn set(
        &self,
        file: Ino,
        name: &[u8],
        value: &[u8],
        flags: XattrFlags,
        now: Timestamp,
    ) -> Result<(), FsError> {
        self.with_mut(file, |node| {
            let list = &mut node.xattrs;
            let found = list.find(name);
            flags.allow(found.is_some())?;
            let new = Xattr::new(name, value)?;
            list.0.try_reserve(1)?;
            self.inodes.take(new.cost())?;
            match found.and_then(|index| list.0.get_mut(index)) {
                Some(old) => self.inodes.give_back(core::mem::replace(old, new).cost()),
                None => list.0.push(new),
            }
            node.attr.changed = now;
            Ok(())
        })
    }

    fn list(&self, file: Ino, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), FsError> {
        self.with(file, |node| {
            let _all = node.xattrs.0.iter().all(|xattr| each(&xattr.name));
            Ok(())
        })
    }

    fn remove(&self, file: Ino, name: &[u8], now: Timestamp) -> Result<(), FsError> {
        self.with_mut(file, |node| {
            let index = node.xattrs.find(name).ok_or(FsError::NoAttribute)?;
            self.inodes.give_back(node.xattrs.0.swap_remove(index).cost());
            node.attr.changed = now;
            Ok(())
        })
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use crate::attr::Timestamp;
    use crate::error::FsError;
    use crate::fs::tmpfs::{Tmpfs, TmpfsConfig};
    use crate::fs::{FileSystem as _, XattrFlags, XattrOps as _};
    use crate::testing::HostEnv;

    #[test]
    fn attributes_are_bounded_and_given_back() {
        let fs = Tmpfs::<HostEnv>::new(&TmpfsConfig { inodes: 4, ..TmpfsConfig::default() }).unwrap();
        let (root, now, any) = (fs.root(), Timestamp::EPOCH, XattrFlags::empty());
        fs.set(root, b"user.a", &[7; 2048], any, now).unwrap();
        assert_eq!(fs.set(root, b"user.b", b"", any, now), Err(FsError::NoSpace));
        assert_eq!(fs.set(root, b"user.a", b"", XattrFlags::CREATE, now), Err(FsError::Exists));
        assert_eq!(fs.set(root, b"user.b", b"", XattrFlags::REPLACE, now), Err(FsError::NoAttribute));
        fs.remove(root, b"user.a", now).unwrap();
        fs.set(root, b"user.b", b"value", any, now).unwrap();
        let mut out = [0; 5];
        assert_eq!(
            (fs.get(root, b"user.b", &mut out[..4]), fs.get(root, b"user.b", &mut out)),
            (Ok(5), Ok(5))
        );
        assert_eq!((&out, fs.get(root, b"user.a", &mut [])), (b"value", Err(FsError::NoAttribute)));
        assert_eq!(fs.inodes.used(), 2);
    }
}

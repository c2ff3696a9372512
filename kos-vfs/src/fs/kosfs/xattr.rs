//! Extended attributes, as items: [`XattrOps`] of [`KosFs`].
//!
//! The key's offset is 48 bits of the name's hash, 8 bits that tell names with the same hash apart, and 8 bits that count pieces
//! of [`PIECE`] bytes of the value. The first piece begins with a [`RawXattr`] and the name. An attribute is set, replaced and
//! removed in one change, whatever its length.

use core::hash::Hasher as _;

use lock_api::RawRwLock;
use siphasher::sip::SipHasher13;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::KosFs;
use super::edits::Edits;
use super::inode::Inode;
use super::key::{ItemKind, Key};
use super::node::ITEM_MAX;
use super::tree::{Blocked, Tree};
use crate::attr::{Ino, Timestamp};
use crate::block::BlockDevice;
use crate::error::FsError;
use crate::fs::{XATTR_NAME_MAX, XATTR_SIZE_MAX, XattrFlags, XattrOps};

/// Bytes of the value in each item but the last.
const PIECE: usize = 1024;

/// The start of the first item of an attribute.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawXattr {
    /// Bytes of the whole value.
    length: U32,
    /// Bytes of the name, which follows.
    name: u8,
}

const HEAD: usize = size_of::<RawXattr>();

const _: () = assert!(HEAD + XATTR_NAME_MAX + PIECE <= ITEM_MAX, "the longest name has a place");
const _: () = assert!(XATTR_SIZE_MAX / PIECE < 256, "eight bits count the pieces");

/// An attribute that was found.
#[derive(Clone, Copy)]
struct Found {
    /// Of its first piece.
    key: Key,
    length: usize,
}

impl Found {
    fn pieces(self) -> usize {
        pieces(self.length)
    }

    fn key(self, piece: usize) -> Key {
        Key { offset: self.key.offset + piece as u64, ..self.key }
    }
}

/// Items of a value of `length` bytes.
fn pieces(length: usize) -> usize {
    length.div_ceil(PIECE).max(1)
}

fn first_key(hash_key: &[u8; 16], file: u64, name: &[u8]) -> Key {
    let mut hasher = SipHasher13::new_with_key(hash_key);
    hasher.write(name);
    Key::new(file, ItemKind::Xattr, hasher.finish() >> 16 << 16)
}

/// Length of the value, name, and the first piece.
fn decode(key: Key, item: &[u8]) -> Result<(usize, &[u8], &[u8]), FsError> {
    let corrupt = FsError::Corrupt { block: key.file, what: "an attribute that makes no sense" };
    let (raw, rest) = RawXattr::read_from_prefix(item).map_err(|_| corrupt)?;
    let length = usize::try_from(raw.length.get()).map_err(|_| corrupt)?;
    let (name, value) = rest.split_at_checked(raw.name.into()).ok_or(corrupt)?;
    let first = key.offset & 0xff == 0;
    if first && length <= XATTR_SIZE_MAX && value.len() == length.min(PIECE) && !name.is_empty() {
        Ok((length, name, value))
    } else {
        Err(corrupt)
    }
}

/// Where `name` is; or, in the error, where it would go.
fn find(
    tree: &Tree,
    hash_key: &[u8; 16],
    file: u64,
    name: &[u8],
) -> Result<Result<Found, Option<Key>>, Blocked> {
    let first = first_key(hash_key, file, name);
    let (mut free, mut from) = (Some(first), first);
    while let Some((key, item)) = tree.at_or_after(from)? {
        if (key.file, key.kind, key.offset >> 16) != (first.file, first.kind, first.offset >> 16) {
            break;
        }
        let (length, here, _) = decode(key, item)?;
        if here == name {
            return Ok(Ok(Found { key, length }));
        }
        let next = Key { offset: key.offset | 0xff, ..key }.next();
        if free == Some(key) {
            free = next.filter(|next| next.offset >> 16 == first.offset >> 16);
        }
        let Some(next) = next else { break };
        from = next;
    }
    Ok(Err(free))
}

fn put(key: Key, name: &[u8], value: &[u8], edits: &mut Edits) -> Result<(), FsError> {
    let raw = RawXattr {
        length: u32::try_from(value.len()).unwrap_or(u32::MAX).into(),
        name: u8::try_from(name.len()).unwrap_or(u8::MAX),
    };
    let mut item = [0; HEAD + XATTR_NAME_MAX + PIECE];
    let (first, rest) = value.split_at(value.len().min(PIECE));
    let bytes = raw.as_bytes().iter().chain(name).chain(first);
    item.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    edits.put(key, item.get(..HEAD + name.len() + first.len()).unwrap_or_default())?;
    for (piece, bytes) in (1..).zip(rest.chunks(PIECE)) {
        edits.put(Key { offset: key.offset + piece, ..key }, bytes)?;
    }
    Ok(())
}

impl<D: BlockDevice, R: RawRwLock> XattrOps for KosFs<D, R> {
    fn get(&self, file: Ino, name: &[u8], out: &mut [u8]) -> Result<usize, FsError> {
        self.volume.look(|tree| {
            Inode::find(tree, file.number)?;
            let found = find(tree, &self.hash_key, file.number, name)?;
            let found = found.map_err(|_| FsError::NoAttribute)?;
            let Some(out) = out.get_mut(..found.length) else { return Ok(found.length) };
            for (piece, place) in out.chunks_mut(PIECE).enumerate() {
                let key = found.key(piece);
                let item = tree.get(key)?.unwrap_or_default();
                let bytes = if piece == 0 { decode(key, item)?.2 } else { item };
                if bytes.len() != place.len() {
                    let what = "an attribute that is shorter than it says";
                    return Err(FsError::Corrupt { block: file.number, what }.into());
                }
                place.copy_from_slice(bytes);
            }
            Ok(found.length)
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
        if name.is_empty() || name.len() > XATTR_NAME_MAX || value.len() > XATTR_SIZE_MAX {
            return Err(FsError::NoSpace);
        }
        self.volume.change(|view, edits| {
            let mut inode = Inode::find(view.tree, file.number)?;
            let found = find(view.tree, &self.hash_key, file.number, name)?;
            flags.allow(found.is_ok())?;
            let key = match found {
                Ok(old) => {
                    (pieces(value.len())..old.pieces())
                        .try_for_each(|piece| edits.take_out(old.key(piece)))?;
                    old.key
                }
                Err(place) => place.ok_or(FsError::NoSpace)?,
            };
            put(key, name, value, edits)?;
            inode.attr.changed = now;
            Ok(edits.put(Inode::key(file.number), inode.encode().as_ref())?)
        })
    }

    fn list(&self, file: Ino, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), FsError> {
        let mut name = [0; XATTR_NAME_MAX];
        let mut from = Some(Key::new(file.number, ItemKind::Xattr, 0));
        while let Some(key) = from {
            let found = self.volume.look(|tree| {
                let found = tree.at_or_after(key)?;
                let own =
                    found.filter(|(key, _)| (key.file, key.kind) == (file.number, ItemKind::Xattr as u8));
                let Some((key, item)) = own else { return Ok(None) };
                let (_, bytes, _) = decode(key, item)?;
                name.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
                Ok(Some((key, bytes.len())))
            })?;
            let Some((key, length)) = found else { break };
            if !each(name.get(..length).unwrap_or_default()) {
                break;
            }
            from = Key { offset: key.offset | 0xff, ..key }.next();
        }
        Ok(())
    }

    fn remove(&self, file: Ino, name: &[u8], now: Timestamp) -> Result<(), FsError> {
        self.volume.change(|view, edits| {
            edits.makes_room = true;
            let mut inode = Inode::find(view.tree, file.number)?;
            let found = find(view.tree, &self.hash_key, file.number, name)?;
            let found = found.map_err(|_| FsError::NoAttribute)?;
            (0..found.pieces()).try_for_each(|piece| edits.take_out(found.key(piece)))?;
            inode.attr.changed = now;
            Ok(edits.put(Inode::key(file.number), inode.encode().as_ref())?)
        })
    }
}

/// Takes out up to `most` items of the attributes of `file`. Whether that were all.
pub(super) fn take_out(tree: &Tree, file: u64, most: usize, edits: &mut Edits) -> Result<bool, Blocked> {
    let mut from = Some(Key::new(file, ItemKind::Xattr, 0));
    for _ in 0..most {
        let found = from.map_or(Ok(None), |from| tree.at_or_after(from))?;
        let own = found.filter(|(key, _)| (key.file, key.kind) == (file, ItemKind::Xattr as u8));
        let Some((key, _)) = own else { return Ok(true) };
        edits.take_out(key)?;
        from = key.next();
    }
    Ok(false)
}

/// Whether the item at `key` is part of an attribute that is whole and where it is looked for.
pub(super) fn belongs(tree: &Tree, hash_key: &[u8; 16], key: Key) -> Result<bool, Blocked> {
    let first = Key { offset: key.offset & !0xff, ..key };
    let Some(item) = tree.get(first)? else { return Ok(false) };
    let Ok((length, name, _)) = decode(first, item) else { return Ok(false) };
    let found = match find(tree, hash_key, key.file, name) {
        Ok(found) => found,
        Err(Blocked::Fs(FsError::Corrupt { .. })) => return Ok(false),
        Err(blocked) => return Err(blocked),
    };
    let here = found.is_ok_and(|found| found.key == first);
    if !here || (key.offset & 0xff) as usize >= pieces(length) {
        return Ok(false);
    }
    for piece in 1..pieces(length) {
        let item = tree.get(Key { offset: first.offset + piece as u64, ..first })?;
        if item.map(<[u8]>::len) != Some((length - piece * PIECE).min(PIECE)) {
            return Ok(false);
        }
    }
    Ok(true)
}

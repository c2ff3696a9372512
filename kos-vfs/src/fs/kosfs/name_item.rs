//! A name in a directory, as an item: found by its hash.
//!
//! The key's offset is 55 bits of the hash and 8 bits that tell names with the same hash apart; it is the cookie of `readdir`
//! too, so that a place in a directory stays what it is. The 257th name with one hash finds no space.
//!
//! Source: Aumasson and Bernstein, "SipHash", 2012 (1 and 3 rounds).

use core::hash::Hasher as _;

use siphasher::sip::SipHasher13;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::key::{ItemKind, Key};
use super::tree::{Blocked, Tree};
use crate::attr::FileType;
use crate::error::FsError;
use crate::name::{NAME_MAX, Name};

/// A name item without its bytes, which follow.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawName {
    file: U64,
    /// The kind's number in `S_IFMT`, shifted down.
    kind: u8,
}

/// Bytes before the name.
const HEAD: usize = size_of::<RawName>();

/// A name that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) key: Key,
    pub(super) file: u64,
    pub(super) kind: FileType,
}

/// The first key of names with the hash of `name`.
fn first_key(hash_key: &[u8; 16], dir: u64, name: Name<'_>) -> Key {
    let mut hasher = SipHasher13::new_with_key(hash_key);
    hasher.write(name.as_bytes());
    // Offsets below 256 are not used: the cookies of `.` and `..` are among them.
    let hash = (hasher.finish() >> 9).max(1);
    Key::new(dir, ItemKind::Name, hash << 8)
}

/// The name item at `key`, taken apart.
pub(super) fn decode(key: Key, item: &[u8]) -> Result<(Found, Name<'_>), FsError> {
    let corrupt = FsError::Corrupt { block: key.file, what: "a name that makes no sense" };
    let (raw, bytes) = RawName::read_from_prefix(item).map_err(|_| corrupt)?;
    let kind = FileType::from_bits(u16::from(raw.kind) << 12).ok_or(corrupt)?;
    let name = Name::new(bytes).map_err(|_| corrupt)?;
    Ok((Found { key, file: raw.file.get(), kind }, name))
}

/// Where `name` is in `dir`; or, in the error, where it would go, if there is room among the names with its hash.
pub(super) fn find(
    tree: &Tree,
    hash_key: &[u8; 16],
    dir: u64,
    name: Name<'_>,
) -> Result<Result<Found, Option<Key>>, Blocked> {
    let first = first_key(hash_key, dir, name);
    let (mut free, mut from) = (Some(first), first);
    while let Some((key, item)) = tree.at_or_after(from)? {
        if (key.file, key.kind, key.offset >> 8) != (first.file, first.kind, first.offset >> 8) {
            break;
        }
        let (found, here) = decode(key, item)?;
        if here == name {
            return Ok(Ok(found));
        }
        if free == Some(key) {
            free = (key.offset & 0xff < 0xff).then(|| Key { offset: key.offset + 1, ..key });
        }
        let Some(next) = key.next() else { break };
        from = next;
    }
    Ok(Err(free))
}

/// The bytes of an item.
pub(super) struct Encoded {
    bytes: [u8; HEAD + NAME_MAX],
    length: usize,
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The item of `name` for `file`.
pub(super) fn encode(name: Name<'_>, file: u64, kind: FileType) -> Encoded {
    let raw = RawName { file: file.into(), kind: (kind.bits() >> 12).to_le_bytes()[0] };
    let mut encoded = Encoded { bytes: [0; HEAD + NAME_MAX], length: HEAD + name.as_bytes().len() };
    let (head, rest) = encoded.bytes.split_at_mut(HEAD);
    head.copy_from_slice(raw.as_bytes());
    if let Some(place) = rest.get_mut(..name.as_bytes().len()) {
        place.copy_from_slice(name.as_bytes());
    }
    encoded
}

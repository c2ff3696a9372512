//! What is told and asked of a file: [`Attr`], [`New`], [`Listed`].

use crate::ramfs::Time;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Its number.
    pub file: u64,
    /// Whether it is a directory.
    pub directory: bool,
    /// Permission bits.
    pub mode: u64,
    /// Its names.
    pub links: u64,
    /// User and group.
    pub owners: [u64; 2],
    /// Bytes.
    pub size: u64,
    /// When it was read, written, changed.
    pub times: [Time; 3],
}

impl Attr {
    /// As an answer carries it.
    #[must_use]
    pub const fn words(&self) -> [u64; 8] {
        let kind = self.mode | (self.directory as u64) << 16 | self.links << 32;
        let [uid, gid] = self.owners;
        let [accessed, modified, changed] = self.times;
        [self.file, kind, uid | gid << 32, self.size, accessed, modified, changed, 0]
    }

    /// From an answer.
    #[must_use]
    pub const fn of(words: &[u64; 8]) -> Self {
        let [file, kind, owners, size, accessed, modified, changed, _] = *words;
        Self {
            file,
            directory: kind >> 16 & 1 != 0,
            mode: kind & 0xffff,
            links: kind >> 32,
            owners: [owners & 0xffff_ffff, owners >> 32],
            size,
            times: [accessed, modified, changed],
        }
    }
}

/// What is made.
#[derive(Clone, Copy, Debug)]
pub struct New {
    /// Permission bits.
    pub mode: u64,
    /// User.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// When.
    pub now: Time,
    /// Whether a directory.
    pub directory: bool,
}

/// One name of a listing.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// Its file.
    pub file: u64,
    /// Where to go on after it.
    pub next: u64,
    /// Whether that is a directory.
    pub directory: bool,
    /// The name.
    pub name: &'a [u8],
}

//! A directory entry of 32 bytes with a short name: [`Entry`].

use super::bytes::{put, u8_at, u16_at, u32_at};
use super::layout::FatKind;
use super::time::{Clock, Date, decode, encode};
use crate::attr::Timestamp;

bitflags::bitflags! {
    /// What kind of entry it is.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct Flags: u8 {
        const READ_ONLY = 1 << 0;
        const HIDDEN = 1 << 1;
        const SYSTEM = 1 << 2;
        const VOLUME = 1 << 3;
        const DIRECTORY = 1 << 4;
        const ARCHIVE = 1 << 5;
        const _ = !0;
    }
}

/// The flags of a part of a long name.
pub(super) const LONG: u8 = 0x0f;
/// The first byte of an entry that is free.
pub(super) const DELETED: u8 = 0xe5;

/// What an entry of 32 bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotKind {
    /// Free, and so are all behind it.
    End,
    /// Free.
    Free,
    /// A part of a long name.
    Long,
    /// The volume's label.
    Label,
    /// A file or directory.
    Short,
}

impl SlotKind {
    pub(super) fn of(bytes: &[u8; 32]) -> Self {
        match (u8_at(bytes, 0), u8_at(bytes, 11)) {
            (0, _) => Self::End,
            (DELETED, _) => Self::Free,
            (_, flags) if flags & 0x3f == LONG => Self::Long,
            (_, flags) if flags & Flags::VOLUME.bits() != 0 => Self::Label,
            _ => Self::Short,
        }
    }
}

/// A file as its directory has it. What this driver does not use stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Eight letters and three, padded with spaces, in code page 437.
    pub(super) name: [u8; 11],
    pub(super) flags: Flags,
    /// Bits 3 and 4: the name or its extension are shown in small letters.
    pub(super) small: u8,
    /// Date, time, hundredths.
    pub(super) created: (Date, Clock, u8),
    pub(super) accessed: Date,
    pub(super) modified: (Date, Clock),
    /// Its first cluster; 0 for none.
    pub(super) first: u32,
    /// Bytes; 0 of a directory.
    pub(super) size: u32,
}

impl Entry {
    /// A file without bytes.
    pub(super) fn new(name: [u8; 11], flags: Flags, now: Timestamp) -> Self {
        let (date, clock, hundredths) = encode(now);
        Self {
            name,
            flags,
            small: 0,
            created: (date, clock, hundredths),
            accessed: date,
            modified: (date, clock),
            first: 0,
            size: 0,
        }
    }

    /// Reads an entry.
    pub(super) fn parse(bytes: &[u8; 32], kind: FatKind) -> Self {
        let mut name = [0; 11];
        name.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        if let [first @ 0x05, ..] = &mut name {
            *first = DELETED;
        }
        let high = if kind == FatKind::Fat32 { u16_at(bytes, 20) } else { 0 };
        let flags = Flags::from_bits_retain(u8_at(bytes, 11));
        Self {
            name,
            flags,
            small: u8_at(bytes, 12),
            created: (Date(u16_at(bytes, 16)), Clock(u16_at(bytes, 14)), u8_at(bytes, 13)),
            accessed: Date(u16_at(bytes, 18)),
            modified: (Date(u16_at(bytes, 24)), Clock(u16_at(bytes, 22))),
            first: u32::from(high) << 16 | u32::from(u16_at(bytes, 26)),
            size: if flags.contains(Flags::DIRECTORY) { 0 } else { u32_at(bytes, 28) },
        }
    }

    /// Writes it over `bytes`.
    pub(super) fn store(&self, bytes: &mut [u8], kind: FatKind) {
        put(bytes, 0, &self.name);
        if self.name.first() == Some(&DELETED) {
            put(bytes, 0, &[0x05]);
        }
        let [a, b, c, d] = self.first.to_le_bytes();
        put(bytes, 11, &[self.flags.bits(), self.small, self.created.2]);
        put(bytes, 14, &self.created.1.0.to_le_bytes());
        put(bytes, 16, &self.created.0.0.to_le_bytes());
        put(bytes, 18, &self.accessed.0.to_le_bytes());
        if kind == FatKind::Fat32 {
            put(bytes, 20, &[c, d]);
        }
        put(bytes, 22, &self.modified.1.0.to_le_bytes());
        put(bytes, 24, &self.modified.0.0.to_le_bytes());
        put(bytes, 26, &[a, b]);
        put(bytes, 28, &self.size.to_le_bytes());
    }

    pub(super) const fn is_dir(&self) -> bool {
        self.flags.contains(Flags::DIRECTORY)
    }

    pub(super) fn born(&self) -> Timestamp {
        decode(self.created.0, self.created.1, self.created.2)
    }

    pub(super) fn modified(&self) -> Timestamp {
        decode(self.modified.0, self.modified.1, 0)
    }

    pub(super) fn accessed(&self) -> Timestamp {
        decode(self.accessed, Clock(0), 0)
    }

    /// Its bytes changed at `now`.
    pub(super) fn touch(&mut self, now: Timestamp) {
        let (date, clock, _) = encode(now);
        self.modified = (date, clock);
        self.flags |= Flags::ARCHIVE;
    }

    /// Bits that another file in the same place hardly has too: when it was made.
    pub(super) fn generation(&self) -> u32 {
        let (date, clock, hundredths) = self.created;
        u32::from(date.0) << 16 ^ u32::from(clock.0) ^ u32::from(hundredths) << 8
    }
}

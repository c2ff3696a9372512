//! What a file is: [`Attr`], and what can be changed of it: [`SetAttr`].
//!
//! Source: POSIX.1-2024 `<sys/stat.h>`, Linux `statx(2)`.

use bitflags::bitflags;

/// The kind of a file. Fixed when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// Bytes.
    Regular,
    /// Names.
    Directory,
    /// A path to something else.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A named socket.
    Socket,
    /// A device of bytes.
    CharDevice,
    /// A device of blocks.
    BlockDevice,
}

impl FileType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Regular,
        Self::Directory,
        Self::Symlink,
        Self::Fifo,
        Self::Socket,
        Self::CharDevice,
        Self::BlockDevice,
    ];

    /// The bits `S_IFMT` of a mode word.
    pub const fn bits(self) -> u16 {
        match self {
            Self::Fifo => 0o010_000,
            Self::CharDevice => 0o020_000,
            Self::Directory => 0o040_000,
            Self::BlockDevice => 0o060_000,
            Self::Regular => 0o100_000,
            Self::Symlink => 0o120_000,
            Self::Socket => 0o140_000,
        }
    }

    /// The kind in a mode word.
    pub fn from_bits(word: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.bits() == word & 0o170_000)
    }

    /// The letter that `ls -l` shows.
    pub const fn letter(self) -> char {
        match self {
            Self::Regular => '-',
            Self::Directory => 'd',
            Self::Symlink => 'l',
            Self::Fifo => 'p',
            Self::Socket => 's',
            Self::CharDevice => 'c',
            Self::BlockDevice => 'b',
        }
    }
}

bitflags! {
    /// Permission bits of a file.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Mode: u16 {
        /// Runs as its owner.
        const SET_UID = 0o4000;
        /// Runs as its group; what is made in such a directory gets its group.
        const SET_GID = 0o2000;
        /// Only the owner of a name takes it out of such a directory.
        const STICKY = 0o1000;
        /// The owner reads.
        const USER_READ = 0o400;
        /// The owner writes.
        const USER_WRITE = 0o200;
        /// The owner runs, or searches.
        const USER_EXEC = 0o100;
        /// The group reads.
        const GROUP_READ = 0o040;
        /// The group writes.
        const GROUP_WRITE = 0o020;
        /// The group runs, or searches.
        const GROUP_EXEC = 0o010;
        /// All others read.
        const OTHER_READ = 0o004;
        /// All others write.
        const OTHER_WRITE = 0o002;
        /// All others run, or search.
        const OTHER_EXEC = 0o001;
    }
}

impl Mode {
    /// Anybody's right to run it.
    pub const ANY_EXEC: Self = Self::USER_EXEC.union(Self::GROUP_EXEC).union(Self::OTHER_EXEC);
    /// Read, write and execute for all.
    pub const ALL_ACCESS: Self = Self::from_bits_truncate(0o777);

    /// Of a mode word: what are permission bits.
    pub const fn of(word: u16) -> Self {
        Self::from_bits_truncate(word)
    }
}

/// A time of day: seconds since 1970 without leap seconds, and below a second always counted upwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01, negative before.
    pub seconds: i64,
    /// 0..=999_999_999.
    nanos: u32,
}

impl Timestamp {
    /// 1970-01-01.
    pub const EPOCH: Self = Self { seconds: 0, nanos: 0 };

    /// A time; `None` for a billion nanoseconds and more.
    pub const fn new(seconds: i64, nanos: u32) -> Option<Self> {
        if nanos < 1_000_000_000 { Some(Self { seconds, nanos }) } else { None }
    }

    /// 0..=999_999_999.
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Rounded down to what a file system can hold: `granularity` ns, up to a second; above, to seconds divisible by it.
    #[must_use]
    pub const fn truncated(self, granularity: u64) -> Self {
        const SECOND: u64 = 1_000_000_000;
        if granularity <= 1 {
            return self;
        }
        if granularity < SECOND {
            #[expect(clippy::cast_possible_truncation, reason = "below a billion, as just checked")]
            let step = granularity as u32;
            return Self { seconds: self.seconds, nanos: self.nanos - self.nanos % step };
        }
        let step = (granularity / SECOND).cast_signed();
        Self { seconds: self.seconds - self.seconds.rem_euclid(step), nanos: 0 }
    }
}

/// A device number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceNumber {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// A file of one file system. A number may be used again; the generation says that it is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ino {
    /// What `stat` shows.
    pub number: u64,
    /// How many files had that number before.
    pub generation: u32,
}

/// What is known about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Which file.
    pub ino: Ino,
    /// What kind of file.
    pub kind: FileType,
    /// Who may do what.
    pub mode: Mode,
    /// Names that it has.
    pub links: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Which device, if it is one.
    pub device: DeviceNumber,
    /// Bytes; of a symlink, the length of its path.
    pub size: u64,
    /// Units of 512 bytes that it takes on the device.
    pub blocks: u64,
    /// Last read.
    pub accessed: Timestamp,
    /// Last change of its bytes or names.
    pub modified: Timestamp,
    /// Last change of anything.
    pub changed: Timestamp,
    /// When it was made.
    pub born: Timestamp,
}

impl Attr {
    /// `st_mode`: kind and permission bits.
    pub const fn mode_word(&self) -> u16 {
        self.kind.bits() | self.mode.bits()
    }
}

/// What to change of a file; `None` stays. Already permitted and worked out: a driver stores it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttr {
    /// Permission bits.
    pub mode: Option<Mode>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Last read.
    pub accessed: Option<Timestamp>,
    /// Last change of bytes.
    pub modified: Option<Timestamp>,
    /// Last change of anything; the VFS always sets it.
    pub changed: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_bits_of_posix() {
        for kind in FileType::ALL {
            assert_eq!(FileType::from_bits(kind.bits() | 0o7777), Some(kind));
        }
        assert_eq!(FileType::from_bits(0), None);
    }

    #[test]
    fn times_before_1970_round_down() {
        let time = Timestamp::new(-1, 999_999_999).unwrap();
        assert_eq!(time.truncated(100), Timestamp::new(-1, 999_999_900).unwrap());
        assert_eq!(time.truncated(2_000_000_000), Timestamp::new(-2, 0).unwrap());
        assert_eq!(time.truncated(0), time);
        assert_eq!(Timestamp::new(0, 1_000_000_000), None);
    }
}

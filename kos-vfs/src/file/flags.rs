//! [`OpenFlags`]: how a file is opened. The numbers are those of Linux on x86_64.

use bitflags::bitflags;

use crate::perm::Access;

bitflags! {
    /// `O_…`. The two lowest bits are a number, not flags: read 0, write 1, both 2.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct OpenFlags: u32 {
        /// For writing alone.
        const WRITE_ONLY = 0o1;
        /// For reading and writing.
        const READ_WRITE = 0o2;
        /// Makes the file if it is missing.
        const CREATE = 0o100;
        /// Fails if it is there; follows no symlink.
        const EXCLUSIVE = 0o200;
        /// Accepted, without meaning here.
        const NO_TTY = 0o400;
        /// Cuts it to nothing.
        const TRUNCATE = 0o1000;
        /// Each write goes to its end.
        const APPEND = 0o2000;
        /// Kept for who looks at it.
        const NONBLOCK = 0o4000;
        /// Each write is durable when it returns: data.
        const DATA_SYNC = 0o10_000;
        /// Past the page cache.
        const DIRECT = 0o40_000;
        /// Accepted, without meaning here.
        const LARGE_FILE = 0o100_000;
        /// Fails unless it is a directory.
        const DIRECTORY = 0o200_000;
        /// Fails if it is a symlink.
        const NO_FOLLOW = 0o400_000;
        /// Reading leaves no time behind.
        const NO_ACCESS_TIME = 0o1_000_000;
        /// Closed when a program is run.
        const CLOSE_ON_EXEC = 0o2_000_000;
        /// With [`DATA_SYNC`](Self::DATA_SYNC): attributes too.
        const SYNC = 0o4_000_000;
        /// Names the file, without reading or writing it.
        const PATH = 0o10_000_000;
        /// With [`DIRECTORY`](Self::DIRECTORY): a new file without a name.
        const NAMELESS = 0o20_000_000;
    }
}

impl OpenFlags {
    /// Flags that can be changed while the file is open.
    pub const CHANGEABLE: Self =
        Self::APPEND.union(Self::NONBLOCK).union(Self::DIRECT).union(Self::NO_ACCESS_TIME);

    /// Whether it can be read.
    pub const fn reads(self) -> bool {
        self.bits() & 3 != 1 && !self.contains(Self::PATH)
    }

    /// Whether it can be written. 3, which Linux calls special, is read as both.
    pub const fn writes(self) -> bool {
        self.bits() & 3 != 0 && !self.contains(Self::PATH)
    }

    /// What the file must grant.
    pub(crate) fn access(self) -> Access {
        let mut access = Access::empty();
        access.set(Access::READ, self.reads());
        access.set(Access::WRITE, self.writes() || self.contains(Self::TRUNCATE));
        access
    }

    /// What Linux makes of flags before it looks at the path; `None` for those that exclude each other.
    pub(crate) fn normalized(self) -> Option<Self> {
        if self.contains(Self::PATH) {
            return Some(self & (Self::PATH | Self::DIRECTORY | Self::NO_FOLLOW | Self::CLOSE_ON_EXEC));
        }
        if self.contains(Self::NAMELESS) {
            let fits = self.contains(Self::DIRECTORY) && self.writes() && !self.contains(Self::CREATE);
            return fits.then_some(self);
        }
        if self.contains(Self::CREATE | Self::DIRECTORY) {
            return None;
        }
        let exclusive = self.contains(Self::CREATE | Self::EXCLUSIVE);
        Some(if exclusive { self | Self::NO_FOLLOW } else { self })
    }
}

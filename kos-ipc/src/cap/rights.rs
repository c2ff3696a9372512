//! What the holder of a capability may do: [`Rights`].

bitflags::bitflags! {
    /// What the holder of a capability may do. Whatever is made of a capability has at most its rights.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Rights: u32 {
        /// Read, receive, take.
        const READ = 1;
        /// Write, send.
        const WRITE = 1 << 1;
        /// Wait for it.
        const WAIT = 1 << 2;
        /// Post to it.
        const SIGNAL = 1 << 3;
        /// Make another capability of the same space of it.
        const DUPLICATE = 1 << 4;
        /// Give it to somebody.
        const TRANSFER = 1 << 5;
        /// Make a capability with a badge of it.
        const MINT = 1 << 6;
        /// Take back what was made of it.
        const REVOKE = 1 << 7;
        /// Map it.
        const MAP = 1 << 8;
        /// Map it executable.
        const EXEC = 1 << 9;
        /// Answer through it.
        const REPLY = 1 << 10;
        /// Look at it.
        const INSPECT = 1 << 11;
        /// Make objects through it.
        const CREATE = 1 << 12;
        /// The kernel's own.
        const USER0 = 1 << 24;
        /// The kernel's own.
        const USER1 = 1 << 25;
        /// The kernel's own.
        const USER2 = 1 << 26;
        /// The kernel's own.
        const USER3 = 1 << 27;
        /// The kernel's own.
        const USER4 = 1 << 28;
        /// The kernel's own.
        const USER5 = 1 << 29;
        /// The kernel's own.
        const USER6 = 1 << 30;
        /// The kernel's own.
        const USER7 = 1 << 31;
    }
}

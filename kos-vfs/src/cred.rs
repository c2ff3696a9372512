//! Who asks: [`Cred`] with its [`CapSet`]. A value, passed to each operation; there is no current user in this crate.
//!
//! Source: POSIX.1-2024, 4.7 "File access permissions"; Linux `capabilities(7)` for names and numbers.

use bitflags::bitflags;

use crate::attr::Attr;

/// Groups of a [`Cred`] beside its own, at most.
pub const GROUPS_MAX: usize = 65_536;

bitflags! {
    /// What a user may do beside what mode bits say. The bits are those of Linux.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CapSet: u64 {
        /// `CAP_CHOWN`: gives files away.
        const CHOWN = 1 << 0;
        /// `CAP_DAC_OVERRIDE`: reads and writes everything, searches every directory.
        const DAC_OVERRIDE = 1 << 1;
        /// `CAP_DAC_READ_SEARCH`: reads everything, searches every directory.
        const DAC_READ_SEARCH = 1 << 2;
        /// `CAP_FOWNER`: counts as the owner of every file.
        const FOWNER = 1 << 3;
        /// `CAP_FSETID`: set-user-ID and set-group-ID bits outlive what it does.
        const FSETID = 1 << 4;
        /// `CAP_SYS_CHROOT`: changes its root directory.
        const SYS_CHROOT = 1 << 18;
        /// `CAP_SYS_ADMIN`: mounts.
        const SYS_ADMIN = 1 << 21;
        /// `CAP_SYS_RESOURCE`: takes the last blocks of a full file system.
        const SYS_RESOURCE = 1 << 24;
        /// `CAP_MKNOD`: makes devices.
        const MKNOD = 1 << 27;
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cred<'a> {
    /// Owner of what he makes.
    pub uid: u32,
    /// Group of what he makes.
    pub gid: u32,
    /// Further groups, in ascending order (they are searched by halves).
    pub groups: &'a [u32],
    /// What he may do beside.
    pub caps: CapSet,
}

impl<'a> Cred<'a> {
    /// User 0 with every capability.
    pub const ROOT: Self = Self { uid: 0, gid: 0, groups: &[], caps: CapSet::all() };

    /// A user without capabilities. `groups` are in ascending order; of a list that is not, some are overlooked.
    pub const fn user(uid: u32, gid: u32, groups: &'a [u32]) -> Self {
        Self { uid, gid, groups, caps: CapSet::empty() }
    }

    /// Whether `gid` is one of his groups.
    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.binary_search(&gid).is_ok()
    }

    /// Whether he has `cap`.
    pub const fn has(&self, cap: CapSet) -> bool {
        self.caps.contains(cap)
    }

    /// Whether he owns the file, or counts as its owner.
    pub const fn owns(&self, attr: &Attr) -> bool {
        self.uid == attr.uid || self.has(CapSet::FOWNER)
    }
}

//! `/etc/roles`: what somebody may beside what the modes of files say. Lines `role:user,user`. User 0 has every role.

use alloc::vec::Vec;
use core::fmt;

use kos_vfs::CapSet;

use super::lines::{self, FileError, MEMBERS_MAX, Name, Problem};

/// Where it is.
pub const PATH: &str = "/etc/roles";

/// A grant by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Role {
    /// To end the machine, or start it again.
    Power,
    /// To end and to schedule what is another's.
    Kill,
    /// To mount.
    Mount,
    /// To change the network.
    Net,
    /// To start and stop services.
    Svc,
    /// To make and remove users, and to grant roles.
    Users,
    /// To let the kernel's own work fail, and to run its tests.
    Inject,
    /// To read the record of what was done, and to say what is recorded.
    Audit,
    /// To say what programs may do to each other.
    Policy,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Power,
        Self::Kill,
        Self::Mount,
        Self::Net,
        Self::Svc,
        Self::Users,
        Self::Inject,
        Self::Audit,
        Self::Policy,
    ];

    /// Its name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Kill => "kill",
            Self::Mount => "mount",
            Self::Net => "net",
            Self::Svc => "svc",
            Self::Users => "users",
            Self::Inject => "inject",
            Self::Audit => "audit",
            Self::Policy => "policy",
        }
    }

    /// What it is for, in a line.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Power => "end the machine, or start it again",
            Self::Kill => "end and schedule what is another's",
            Self::Mount => "mount, and take mounts away",
            Self::Net => "change the network, and serve",
            Self::Svc => "start and stop services",
            Self::Users => "make and remove users, grant roles",
            Self::Inject => "let allocations fail, run the kernel's tests",
            Self::Audit => "read what was done, say what is recorded",
            Self::Policy => "say what programs may do to each other",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == word)
    }

    /// What a command that asks for it may do with files.
    pub(crate) const fn caps(self) -> CapSet {
        match self {
            Self::Mount => CapSet::SYS_ADMIN,
            _ => CapSet::empty(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who has which role.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Roles {
    holders: [Vec<Name>; Role::ALL.len()],
}

impl Roles {
    /// Reads the file.
    ///
    /// # Errors
    /// [`FileError`]: the first that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let (mut all, mut seen) = (Self::default(), [false; Role::ALL.len()]);
        lines::each(bytes, |[role, names]| {
            let role = Role::named(role).ok_or(Problem::UnknownRole)?;
            let seen = seen.get_mut(role as usize).ok_or(Problem::UnknownRole)?;
            if core::mem::replace(seen, true) {
                return Err(Problem::NameTwice);
            }
            *all.list(role)? = lines::names(names)?;
            Ok(())
        })?;
        Ok(all)
    }

    fn list(&mut self, role: Role) -> Result<&mut Vec<Name>, Problem> {
        self.holders.get_mut(role as usize).ok_or(Problem::UnknownRole)
    }

    /// Who has a role.
    #[must_use]
    pub fn holders(&self, role: Role) -> &[Name] {
        self.holders.get(role as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether somebody has a role.
    #[must_use]
    pub fn has(&self, role: Role, name: &str) -> bool {
        self.holders(role).iter().any(|holder| holder == name)
    }

    /// Gives somebody a role; whether he had it not.
    ///
    /// # Errors
    /// There is no room. All is as before.
    pub fn grant(&mut self, role: Role, name: &Name) -> Result<bool, Problem> {
        if self.has(role, name) {
            return Ok(false);
        }
        let list = self.list(role)?;
        if list.len() >= MEMBERS_MAX {
            return Err(Problem::TooManyMembers);
        }
        lines::push(list, name.clone()).map(|()| true)
    }

    /// Takes a role from somebody; whether he had it.
    pub fn revoke(&mut self, role: Role, name: &str) -> bool {
        self.holders.get_mut(role as usize).is_some_and(|list| {
            let before = list.len();
            list.retain(|holder| holder != name);
            list.len() < before
        })
    }

    /// Takes all roles from somebody; whether he had any.
    pub fn forget(&mut self, name: &str) -> bool {
        Role::ALL.into_iter().fold(false, |any, role| self.revoke(role, name) | any)
    }
}

/// Roles that nobody has are left out.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = Role::ALL.into_iter().zip(&self.holders).filter(|(_, names)| !names.is_empty());
        held.into_iter().try_for_each(|(role, names)| {
            write!(f, "{role}:")?;
            lines::list(names, f)?;
            f.write_str("\n")
        })
    }
}

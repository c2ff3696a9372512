//! `/etc/group`: groups and who is in them beside those whose own group it is. Lines `name:gid:member,member`.

use alloc::vec::Vec;
use core::fmt;

use super::accounts::USERS_GID;
use super::lines::{self, FileError, Name, Problem};

/// Where it is.
pub const PATH: &str = "/etc/group";
/// Groups of one user beside his own.
pub const GROUPS_MAX: usize = 16;

/// Numbers of groups, in ascending order.
pub type GroupSet = heapless::Vec<u32, GROUPS_MAX>;

/// One group.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// What it is called.
    pub name: Name,
    /// Its number.
    pub gid: u32,
    /// Who is in it.
    pub members: Vec<Name>,
}

/// All groups, in the order of the file: names and numbers are each there once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Groups {
    list: Vec<Group>,
}

impl Groups {
    /// Reads the file.
    ///
    /// # Errors
    /// [`FileError`]: the first that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let mut all = Self::default();
        lines::each(bytes, |[name, gid, members]| {
            let (name, gid) = (lines::name(name)?, lines::number(gid)?);
            all.add(Group { name, gid, members: lines::names(members)? })
        })?;
        Ok(all)
    }

    /// What there is where there is no file: the group of user 0, and the one of all others.
    ///
    /// # Errors
    /// [`Problem::NoMemory`]
    pub fn initial() -> Result<Self, Problem> {
        let mut all = Self::default();
        for (name, gid) in [("root", 0), ("users", USERS_GID)] {
            all.add(Group { name: lines::name(name)?, gid, members: Vec::new() })?;
        }
        Ok(all)
    }

    fn add(&mut self, group: Group) -> Result<(), Problem> {
        if self.list.iter().any(|known| known.name == group.name) {
            return Err(Problem::NameTwice);
        }
        if self.numbered(group.gid).is_some() {
            return Err(Problem::NumberTwice);
        }
        lines::push(&mut self.list, group)
    }

    /// The group of this number.
    #[must_use]
    pub fn numbered(&self, gid: u32) -> Option<&Group> {
        self.list.iter().find(|group| group.gid == gid)
    }

    /// The groups that `user` is in beside his own; [`None`]: they are more than [`GROUPS_MAX`].
    #[must_use]
    pub fn of(&self, user: &str) -> Option<GroupSet> {
        let mut set = GroupSet::new();
        for group in self.list.iter().filter(|group| group.members.iter().any(|member| member == user)) {
            set.push(group.gid).ok()?;
        }
        set.sort_unstable();
        Some(set)
    }

    /// Takes a user out of all groups; whether he was in any.
    pub fn forget(&mut self, user: &str) -> bool {
        self.list.iter_mut().fold(false, |any, group| {
            let before = group.members.len();
            group.members.retain(|member| member != user);
            any | (group.members.len() < before)
        })
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().try_for_each(|Group { name, gid, members }| {
            write!(f, "{name}:{gid}:")?;
            lines::list(members, f)?;
            f.write_str("\n")
        })
    }
}

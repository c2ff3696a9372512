//! Other users, passwords and roles. One change at a time, each of which is done or not.

use core::error::Error;
use core::fmt;

use super::accounts::{self, Account, Home, Password};
use super::groups;
use super::lines::{Name, Problem};
use super::password::{self, Cost, HashError, Secret};
use super::roles::{self, Role};
use super::store::{self, StoreError};
use crate::Kernel;
use crate::platform::Platform;

/// A file, and where a new one comes into being.
const ACCOUNTS: (&str, &str) = (accounts::PATH, "/etc/passwd.new");
const GROUPS: (&str, &str) = (groups::PATH, "/etc/group.new");
const ROLES: (&str, &str) = (roles::PATH, "/etc/roles.new");

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum ChangeError {
    /// A file was not read or written.
    Store(StoreError),
    /// It cannot be so.
    Refused(Problem),
    /// There is no such user.
    Unknown,
    /// User 0 stays.
    Root,
    /// The password was not hashed.
    Hash(HashError),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(cause) => cause.fmt(f),
            Self::Refused(problem) => problem.fmt(f),
            Self::Unknown => f.write_str("there is no such user"),
            Self::Root => f.write_str("user 0 stays as it is"),
            Self::Hash(cause) => cause.fmt(f),
        }
    }
}

impl Error for ChangeError {}

impl From<StoreError> for ChangeError {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

impl From<Problem> for ChangeError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl<P: Platform> Kernel<P> {
    /// Makes a user who has no password yet, and his home; his number, and whether the home is new. `ids`: his number and that of his group, if they are to be these.
    ///
    /// # Errors
    /// [`ChangeError`]: there is neither.
    pub(crate) fn add_user(
        &self,
        name: &Name,
        home: &Home,
        (uid, gid): (Option<u32>, Option<u32>),
    ) -> Result<(u32, bool), ChangeError> {
        let _one = self.users.changing.lock();
        let mut all = self.accounts_of_users()?;
        let uid = uid.unwrap_or_else(|| all.free_uid());
        if uid == 0 {
            return Err(ChangeError::Root);
        }
        let gid = gid.unwrap_or(accounts::USERS_GID);
        let (name, home) = (name.clone(), home.clone());
        all.add(Account { name, password: Password::Locked, uid, gid, home: home.clone() })?;
        let made = store::make_home(self, &home, (uid, gid))?;
        let stored = store::replace(self, ACCOUNTS, &all);
        if stored.is_err() && made {
            store::remove_home(self, &home);
        }
        stored.map(|()| (uid, made)).map_err(ChangeError::Store)
    }

    /// Takes a user away: his roles first, then his groups, then himself, so that nobody who comes after him under his name has
    /// anything of his. What he owns stays.
    ///
    /// # Errors
    /// [`ChangeError`]: he is still there; roles and groups he may have less.
    pub(crate) fn remove_user(&self, name: &str) -> Result<(), ChangeError> {
        let _one = self.users.changing.lock();
        let mut all = self.accounts_of_users()?;
        if all.named(name).ok_or(ChangeError::Unknown)?.uid == 0 {
            return Err(ChangeError::Root);
        }
        all.remove(name);
        let mut roles = self.roles()?;
        if roles.forget(name) {
            store::replace(self, ROLES, &roles)?;
        }
        let mut groups = self.groups()?;
        if groups.forget(name) {
            store::replace(self, GROUPS, &groups)?;
        }
        Ok(store::replace(self, ACCOUNTS, &all)?)
    }

    /// Gives a user another password; [`None`]: nobody logs in as him.
    ///
    /// # Errors
    /// [`ChangeError`]: he has the one from before.
    pub(crate) fn set_password(&self, name: &str, secret: Option<&Secret>) -> Result<(), ChangeError> {
        let password = match secret {
            None => Password::Locked,
            Some(secret) => {
                let salt = self.users.salt(self);
                let _one = self.users.hashing.lock();
                Password::Hashed(password::hash(secret, &salt, Cost::FULL).map_err(ChangeError::Hash)?)
            }
        };
        self.put_password(name, password)
    }

    /// The same, where its hash is known.
    ///
    /// # Errors
    /// As [`Self::set_password`].
    pub(crate) fn put_password(&self, name: &str, password: Password) -> Result<(), ChangeError> {
        let _one = self.users.changing.lock();
        let mut all = self.accounts_of_users()?;
        if !all.set_password(name, password) {
            return Err(ChangeError::Unknown);
        }
        Ok(store::replace(self, ACCOUNTS, &all)?)
    }

    /// Gives a user a role, or takes it; whether that changed anything.
    ///
    /// # Errors
    /// [`ChangeError`]: all is as before.
    pub(crate) fn set_role(&self, role: Role, name: &Name, granted: bool) -> Result<bool, ChangeError> {
        let _one = self.users.changing.lock();
        if self.accounts_of_users()?.named(name).is_none() {
            return Err(ChangeError::Unknown);
        }
        let mut all = self.roles()?;
        let changed = if granted { all.grant(role, name)? } else { all.revoke(role, name) };
        if changed {
            store::replace(self, ROLES, &all)?;
        }
        Ok(changed)
    }
}

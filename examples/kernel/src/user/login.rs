//! From a name and a password to who one is; and what one may.

use core::error::Error;
use core::fmt;

use kos_sched::Resume;
use kos_vfs::Cred;

use super::accounts::{self, Account, Accounts, Home, Password};
use super::groups::{self, Groups};
use super::lines::{Name, Problem};
use super::password::{self, HashError, Secret};
use super::roles::{self, Role, Roles};
use super::store::{self, StoreError};
use crate::Kernel;
use crate::audit::{NotRecorded, What};
use crate::platform::Platform;

/// Who somebody is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: Name,
    pub(crate) cred: Cred<'static>,
    pub(crate) home: Home,
}

/// Why nobody becomes who he says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum LoginError {
    /// There is nobody of this name, nobody can log in as him, or the password is another: nobody is told which.
    Wrong,
    /// There is no account of this name; only who may become anybody is told.
    Unknown,
    /// Who tried was told to end.
    Interrupted,
    /// He is in too many groups, or there are too many sets of them.
    TooManyGroups,
    /// The files were not read.
    Store(StoreError),
    /// The password was not hashed.
    Hash(HashError),
    /// It would not be recorded.
    NotRecorded(NotRecorded),
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong => f.write_str("name or password is wrong"),
            Self::Unknown => f.write_str("there is no such user"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::TooManyGroups => f.write_str("more groups than there is room for"),
            Self::Store(cause) => cause.fmt(f),
            Self::Hash(cause) => cause.fmt(f),
            Self::NotRecorded(cause) => cause.fmt(f),
        }
    }
}

impl Error for LoginError {}

impl From<StoreError> for LoginError {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

impl From<NotRecorded> for LoginError {
    fn from(cause: NotRecorded) -> Self {
        Self::NotRecorded(cause)
    }
}

impl<P: Platform> Kernel<P> {
    /// All users.
    pub(crate) fn accounts_of_users(&self) -> Result<Accounts, StoreError> {
        let wrong = |what| StoreError::Wrong(accounts::PATH, what);
        match store::read(self, accounts::PATH)? {
            Some(bytes) => Accounts::parse(&bytes).map_err(wrong),
            None => Accounts::initial().map_err(lacks),
        }
    }

    /// All groups.
    pub(crate) fn groups(&self) -> Result<Groups, StoreError> {
        let wrong = |what| StoreError::Wrong(groups::PATH, what);
        match store::read(self, groups::PATH)? {
            Some(bytes) => Groups::parse(&bytes).map_err(wrong),
            None => Groups::initial().map_err(lacks),
        }
    }

    /// Who has which role.
    pub(crate) fn roles(&self) -> Result<Roles, StoreError> {
        let wrong = |what| StoreError::Wrong(roles::PATH, what);
        store::read(self, roles::PATH)?
            .map_or(Ok(Roles::default()), |bytes| Roles::parse(&bytes).map_err(wrong))
    }

    /// Whether this user has a role. For user 0 no file is read.
    pub(crate) fn has_role(&self, uid: u32, role: Role) -> Result<bool, StoreError> {
        if uid == 0 {
            return Ok(true);
        }
        let all = self.accounts_of_users()?;
        let Some(account) = all.numbered(uid) else { return Ok(false) };
        Ok(self.roles()?.has(role, &account.name))
    }

    /// Whether user `who` may end or schedule what is of user `owner`: his own, or with the role. What is refused is recorded.
    ///
    /// # Errors
    /// [`LoginError::Store`]; [`LoginError::NotRecorded`]: nobody may.
    pub(crate) fn may_end(
        &self,
        who: u32,
        owner: u32,
        object: &dyn fmt::Display,
    ) -> Result<bool, LoginError> {
        if who == 0 || who == owner {
            return Ok(true);
        }
        let may = self.has_role(who, Role::Kill)?;
        let recorded = self.record(who, What::Kill, object, may);
        if may {
            recorded?;
        }
        Ok(may)
    }

    /// The user of this name, without a password: for who may become anybody.
    ///
    /// # Errors
    /// [`LoginError`]
    pub(crate) fn identity(&self, name: &str) -> Result<Identity, LoginError> {
        let all = self.accounts_of_users()?;
        self.identity_of(all.named(name).ok_or(LoginError::Unknown)?)
    }

    fn identity_of(&self, account: &Account) -> Result<Identity, LoginError> {
        let set = self.groups()?.of(&account.name).ok_or(LoginError::TooManyGroups)?;
        let groups = self.users.keep(&set).ok_or(LoginError::TooManyGroups)?;
        let &Account { ref name, uid, gid, ref home, .. } = account;
        let plain = if uid == 0 { Cred::ROOT } else { Cred::user(uid, gid, groups) };
        Ok(Identity { name: name.clone(), cred: Cred { gid, groups, ..plain }, home: home.clone() })
    }

    /// The user of this name, who has this password. Whoever is asked for (`what`, by user `who`), and whether he became it, is recorded.
    /// Sleeps where too many tries failed, until Ctrl-C at most.
    ///
    /// # Errors
    /// [`LoginError`]
    pub(crate) fn log_in(
        &self,
        (who, what): (u32, What),
        name: &str,
        secret: &Secret,
    ) -> Result<Identity, LoginError> {
        let known = self.check_password(name, secret);
        let recorded = self.record(who, what, &name, known.is_ok());
        let identity = known?;
        recorded?;
        Ok(identity)
    }

    fn check_password(&self, name: &str, secret: &Secret) -> Result<Identity, LoginError> {
        let all = self.accounts_of_users()?;
        let account = all.named(name);
        let uid = account.map(|account| account.uid);
        let at = self.users.gate.lock().enter(uid, self.threads.runtime().now());
        if self.threads.sleep_until(Some(at)) == Resume::Interrupted {
            return Err(LoginError::Interrupted);
        }
        let phc = account.and_then(|account| match &account.password {
            Password::Hashed(phc) => Some(phc),
            Password::Locked => None,
        });
        let fits = {
            let _one = self.users.hashing.lock();
            password::verify(secret, phc)
        };
        // Nothing was learnt where it could not be found out.
        let fits = fits.inspect_err(|_| self.users.gate.lock().take_back(uid)).map_err(LoginError::Hash)?;
        let account = account.filter(|_| fits).ok_or(LoginError::Wrong)?;
        let identity = self.identity_of(account)?;
        self.users.gate.lock().succeeded(account.uid);
        Ok(identity)
    }

    /// Whether anybody can log in.
    pub(crate) fn anybody_has_a_password(&self) -> Result<bool, StoreError> {
        let all = self.accounts_of_users()?;
        Ok(all.all().iter().any(|account| account.password != Password::Locked))
    }
}

/// Why there is not even what there is without a file.
fn lacks(_: Problem) -> StoreError {
    StoreError::NoMemory
}

//! `/etc/passwd`: who there is. Lines `name:password:uid:gid:home`; the password is `!` (nobody logs in) or its hash.
//!
//! The file holds hashes, so its mode is 0600: the kernel reads it for others.

use alloc::vec::Vec;
use core::fmt;

use super::lines::{self, FileError, LINES_MAX, Name, Problem};
use super::password::{self, Phc};

/// Where it is.
pub const PATH: &str = "/etc/passwd";
/// Bytes of a home.
pub const HOME_MAX: usize = 64;
/// The first number that is nobody's unless somebody asks for it.
pub const FIRST_UID: u32 = 1000;
/// The group of whom nobody asks for another.
pub const USERS_GID: u32 = 100;

/// A path.
pub type Home = heapless::String<HOME_MAX>;

/// How somebody shows that he is who he says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// He cannot.
    Locked,
    /// By a password with this hash.
    Hashed(Phc),
}

/// One user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What he is called.
    pub name: Name,
    /// How he shows it.
    pub password: Password,
    /// His number.
    pub uid: u32,
    /// The group of what he makes.
    pub gid: u32,
    /// Where he stands at first.
    pub home: Home,
}

/// All users, in the order of the file: names and numbers are each there once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    list: Vec<Account>,
}

impl Account {
    /// Reads the fields of a line.
    fn of([name, password, uid, gid, home]: [&str; 5]) -> Result<Self, Problem> {
        Ok(Self {
            name: lines::name(name)?,
            password: match password {
                "!" => Password::Locked,
                hash => Password::Hashed(password::phc(hash).ok_or(Problem::BadPassword)?),
            },
            uid: lines::number(uid)?,
            gid: lines::number(gid)?,
            home: self::home(home)?,
        })
    }
}

/// A home.
///
/// # Errors
/// [`Problem::BadHome`]
pub fn home(word: &str) -> Result<Home, Problem> {
    let fine = word.starts_with('/') && word.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b':');
    Some(word).filter(|_| fine).and_then(|word| Home::try_from(word).ok()).ok_or(Problem::BadHome)
}

impl Accounts {
    /// Reads the file.
    ///
    /// # Errors
    /// [`FileError`]: the first that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let mut all = Self::default();
        lines::each(bytes, |fields| all.add(Account::of(fields)?))?;
        Ok(all)
    }

    /// What there is where there is no file: user 0, who has no password.
    ///
    /// # Errors
    /// [`Problem::NoMemory`]
    pub fn initial() -> Result<Self, Problem> {
        let mut all = Self::default();
        all.add(Account::of(["root", "!", "0", "0", "/"])?)?;
        Ok(all)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Account] {
        &self.list
    }

    /// The user of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Account> {
        self.list.iter().find(|account| account.name == name)
    }

    /// The user of this number.
    #[must_use]
    pub fn numbered(&self, uid: u32) -> Option<&Account> {
        self.list.iter().find(|account| account.uid == uid)
    }

    /// Adds one.
    ///
    /// # Errors
    /// Somebody has his name or number, or there is no room. All is as before.
    pub fn add(&mut self, account: Account) -> Result<(), Problem> {
        if self.named(&account.name).is_some() {
            return Err(Problem::NameTwice);
        }
        if self.numbered(account.uid).is_some() {
            return Err(Problem::NumberTwice);
        }
        if self.list.len() >= LINES_MAX {
            return Err(Problem::TooManyLines);
        }
        lines::push(&mut self.list, account)
    }

    /// Takes one out; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|account| account.name != name);
        self.list.len() < before
    }

    /// Gives one another password; whether there is one.
    pub fn set_password(&mut self, name: &str, password: Password) -> bool {
        let found = self.list.iter_mut().find(|account| account.name == name);
        found.map(|account| account.password = password).is_some()
    }

    /// The least number from [`FIRST_UID`] on that nobody has.
    #[must_use]
    pub fn free_uid(&self) -> u32 {
        // Of one number more than there are users one is free.
        let mut numbers = (FIRST_UID..).take(self.list.len() + 1);
        numbers.find(|&uid| self.numbered(uid).is_none()).unwrap_or(FIRST_UID)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = match &self.password {
            Password::Locked => "!",
            Password::Hashed(phc) => phc,
        };
        writeln!(f, "{}:{password}:{}:{}:{}", self.name, self.uid, self.gid, self.home)
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().try_for_each(|account| account.fmt(f))
    }
}

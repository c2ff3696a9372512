//! [`Record`]: one line. `2026-11-22 15:01:24 uid 1000 su root: refused`.

use core::fmt::{self, Write};

use crate::time_of_day::Date;

/// Bytes of what something was done to.
pub const OBJECT_MAX: usize = 48;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Said at a terminal who he is.
    Login,
    /// Became another user.
    Su,
    /// Made a user.
    UserAdd,
    /// Took a user away.
    UserDel,
    /// Gave somebody another password.
    Passwd,
    /// Gave somebody a role.
    Grant,
    /// Took a role from somebody.
    Revoke,
    /// Asked for something that needs a role.
    Role,
    /// Wanted something of another's to end.
    Kill,
    /// Changed what is recorded.
    Audit,
    /// Changed what programs may do to each other.
    Policy,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Su => "su",
            Self::UserAdd => "useradd",
            Self::UserDel => "userdel",
            Self::Passwd => "passwd",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Role => "role",
            Self::Kill => "kill",
            Self::Audit => "audit",
            Self::Policy => "policy",
        }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Seconds since 1970.
    pub time: i64,
    /// Who.
    pub who: u32,
    /// Did what.
    pub what: What,
    /// To what: printable ASCII, so that nobody writes a second record with the name that he says.
    pub object: heapless::String<OBJECT_MAX>,
    /// Whether it was allowed.
    pub allowed: bool,
}

/// Printable characters, as many as there is room for; `?` for all others.
struct Printable<'s>(&'s mut heapless::String<OBJECT_MAX>);

impl Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let shown = if matches!(character, ' '..='~') { character } else { '?' };
            self.0.push(shown).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

impl Record {
    /// A record; what is too long of `object` is cut.
    pub fn new(time: i64, who: u32, what: What, object: &dyn fmt::Display, allowed: bool) -> Self {
        let mut shown = heapless::String::new();
        // Cutting is fine.
        let _ = write!(Printable(&mut shown), "{object}");
        Self { time, who, what, object: shown, allowed }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, who, what, object, allowed } = self;
        let said = if *allowed { "allowed" } else { "refused" };
        write!(f, "{} uid {who} {} {object}: {said}", Date(*time), what.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_record_is_one_line_whatever_somebody_is_called() {
        let record = Record::new(1_795_269_906, 7, What::Login, &"root: allowed\n2026", false);
        assert_eq!(record.to_string(), "2026-11-21 14:05:06 uid 7 login root: allowed?2026: refused");
        let long = Record::new(0, 0, What::Su, &"ä".repeat(OBJECT_MAX + 1), true);
        assert_eq!(long.object, "?".repeat(OBJECT_MAX).as_str());
    }
}

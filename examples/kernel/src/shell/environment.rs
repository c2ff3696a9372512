//! The variables of a session: [`Environment`].

use alloc::string::String;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use super::Status;
use super::lang::{expand, is_name};

/// Most variables.
const MOST: usize = 64;
/// Most bytes of a value.
const VALUE: usize = 1024;

/// Variables, the words of a script, and the status of the last command.
#[derive(Debug)]
pub(crate) struct Environment {
    variables: Vec<Variable>,
    /// `$0` to `$9`.
    words: Vec<String>,
    /// `$?`
    pub(crate) status: Status,
}

/// One variable.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Programs get it too.
    pub(crate) exported: bool,
}

/// Why a variable was not set. All are as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetError {
    /// No variable is called so.
    BadName,
    /// There are as many as there may be.
    TooMany,
    /// The value is too long.
    TooLong,
    /// The heap has no room.
    NoMemory,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => f.write_str("no variable is called so"),
            Self::TooMany => write!(f, "there are {MOST} variables already"),
            Self::TooLong => write!(f, "a value has {VALUE} bytes at most"),
            Self::NoMemory => f.write_str("no memory for it"),
        }
    }
}

impl Error for SetError {}

fn copy(text: &str) -> Result<String, SetError> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| SetError::NoMemory)?;
    copy.push_str(text);
    Ok(copy)
}

impl Environment {
    /// Nothing is set.
    pub(crate) const fn new() -> Self {
        Self { variables: Vec::new(), words: Vec::new(), status: Status::SUCCESS }
    }

    /// The same again.
    pub(crate) fn fork(&self) -> Result<Self, SetError> {
        let mut new = Self { status: self.status, ..Self::new() };
        for Variable { name, value, exported } in &self.variables {
            new.set(name, value, *exported)?;
        }
        new.set_words(self.words.iter().map(String::as_str))?;
        Ok(new)
    }

    /// Sets a variable; one that is exported stays so.
    pub(crate) fn set(&mut self, name: &str, value: &str, export: bool) -> Result<(), SetError> {
        if !is_name(name) {
            return Err(SetError::BadName);
        }
        if value.len() > VALUE {
            return Err(SetError::TooLong);
        }
        let value = copy(value)?;
        if let Some(variable) = self.variables.iter_mut().find(|variable| variable.name == name) {
            variable.value = value;
            variable.exported |= export;
            return Ok(());
        }
        if self.variables.len() >= MOST {
            return Err(SetError::TooMany);
        }
        let variable = Variable { name: copy(name)?, value, exported: export };
        self.variables.try_reserve(1).map_err(|_| SetError::NoMemory)?;
        self.variables.push(variable);
        Ok(())
    }

    /// Lets programs have a variable; makes an empty one if there is none.
    pub(crate) fn export(&mut self, name: &str) -> Result<(), SetError> {
        match self.variables.iter_mut().find(|variable| variable.name == name) {
            Some(variable) => {
                variable.exported = true;
                Ok(())
            }
            None => self.set(name, "", true),
        }
    }

    /// Takes a variable away; whether it was there.
    pub(crate) fn unset(&mut self, name: &str) -> bool {
        let before = self.variables.len();
        self.variables.retain(|variable| variable.name != name);
        if self.variables.is_empty() {
            self.variables = Vec::new();
        }
        self.variables.len() < before
    }

    /// What `$0`, `$1` and so on are from now on.
    pub(crate) fn set_words<'w>(&mut self, words: impl Iterator<Item = &'w str>) -> Result<(), SetError> {
        let mut new = Vec::new();
        for word in words.take(10) {
            new.try_reserve(1).map_err(|_| SetError::NoMemory)?;
            new.push(copy(word)?);
        }
        self.words = new;
        Ok(())
    }

    /// What programs get: `NAME=VALUE`.
    pub(crate) fn exported(&self) -> Result<Vec<String>, SetError> {
        let mut lines = Vec::new();
        for Variable { name, value, .. } in self.variables.iter().filter(|variable| variable.exported) {
            let mut line = copy(name)?;
            line.try_reserve_exact(value.len() + 1).map_err(|_| SetError::NoMemory)?;
            line.push('=');
            line.push_str(value);
            lines.try_reserve(1).map_err(|_| SetError::NoMemory)?;
            lines.push(line);
        }
        Ok(lines)
    }

    /// Every variable, in the order in which they were set first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Variable> {
        self.variables.iter()
    }
}

impl expand::Variables for Environment {
    fn get(&self, name: &str, take: &mut dyn FnMut(&str)) {
        if name == "?" {
            take(crate::text::Text::new(format_args!("{}", self.status.0)).as_str());
        } else if let Ok(number) = name.parse::<usize>() {
            self.words.get(number).map(|word| take(word)).unwrap_or_default();
        } else if let Some(variable) = self.variables.iter().find(|variable| variable.name == name) {
            take(&variable.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expand::Variables as _;

    fn get(environment: &Environment, name: &str) -> Option<String> {
        let mut found = None;
        environment.get(name, &mut |value| found = Some(value.into()));
        found
    }

    #[test]
    fn what_is_set_is_found_until_it_is_unset() {
        let mut environment = Environment::new();
        environment.set("A", "1", false).unwrap();
        environment.set("A", "2", true).unwrap();
        environment.set("A", "3", false).unwrap();
        environment.set_words(["sh", "first"].into_iter()).unwrap();
        environment.status = Status(7);
        let copy = environment.fork().unwrap();
        assert!(copy.all().all(|variable| variable.exported));
        assert_eq!(copy.exported().unwrap(), ["A=3"]);
        assert!(environment.unset("A") && !environment.unset("A"));
        for (name, value) in
            [("A", Some("3")), ("B", None), ("?", Some("7")), ("1", Some("first")), ("9", None)]
        {
            assert_eq!(get(&copy, name).as_deref(), value, "{name}");
        }
        assert_eq!(get(&environment, "A"), None);
    }

    #[test]
    fn names_values_and_their_number_have_limits() {
        let mut environment = Environment::new();
        assert_eq!(environment.set("1A", "", false), Err(SetError::BadName));
        assert_eq!(environment.set("A", &"x".repeat(VALUE + 1), false), Err(SetError::TooLong));
        for number in 0..MOST {
            environment.set(&alloc::format!("N{number}"), "", false).unwrap();
        }
        assert_eq!(environment.set("A", "", false), Err(SetError::TooMany));
        environment.set("N0", "again", true).unwrap();
    }
}

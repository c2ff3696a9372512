//! The environment of a process: [`Environment`], packed `KEY=value\0` in a buffer that somebody lends.

use core::error::Error;
use core::fmt;

/// Variables packed into a lent buffer, in the order in which they were first set. A key is there once.
///
/// ```
/// use kos_sched::process::Environment;
///
/// let mut buffer = [0; 64];
/// let mut env = Environment::new(&mut buffer);
/// env.set(b"PATH", b"/bin")?;
/// env.set(b"HOME", b"/")?;
/// assert_eq!(env.get(b"PATH"), Some(b"/bin".as_slice()));
/// assert_eq!(env.as_bytes(), b"PATH=/bin\0HOME=/\0");
/// # Ok::<(), kos_sched::process::EnvError>(())
/// ```
#[derive(Debug)]
pub struct Environment<'b> {
    buffer: &'b mut [u8],
    /// Bytes in use: whole variables.
    used: usize,
}

impl<'b> Environment<'b> {
    /// Bytes that a block may have at most.
    pub const MAX_BYTES: usize = 128 * 1024;

    /// No variable, in `buffer`. Bytes of it above [`MAX_BYTES`](Self::MAX_BYTES) are left alone.
    #[must_use]
    pub const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// The variables of `block`, checked and copied.
    ///
    /// # Errors
    /// [`EnvError`].
    pub fn parse(buffer: &'b mut [u8], block: &[u8]) -> Result<Self, EnvError> {
        let mut env = Self::new(buffer);
        let mut rest = block;
        while !rest.is_empty() {
            let offset = block.len() - rest.len();
            let end = position(rest, 0).ok_or(EnvError::Unterminated { offset })?;
            let (variable, behind) = split(rest, end);
            let equals = position(variable, b'=').ok_or(EnvError::NoEquals { offset })?;
            let (key, value) = split(variable, equals);
            if env.find(key).is_some() {
                return Err(EnvError::Duplicate { offset });
            }
            env.set(key, value)?;
            rest = behind;
        }
        Ok(env)
    }

    /// The packed block.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.used).unwrap_or_default()
    }

    /// Bytes that can still be used.
    #[must_use]
    pub fn free(&self) -> usize {
        self.buffer.len().min(Self::MAX_BYTES).saturating_sub(self.used)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.iter().find(|&(name, _)| name == key).map(|(_, value)| value)
    }

    /// The variables in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.as_bytes();
        core::iter::from_fn(move || {
            let (variable, behind) = split(rest, position(rest, 0)?);
            rest = behind;
            Some(split(variable, position(variable, b'=')?))
        })
    }

    /// Gives `key` the value `value`; a key that is there keeps its place.
    ///
    /// # Errors
    /// [`EnvError`]; nothing is changed.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), EnvError> {
        validate(key, value)?;
        let needed = key.len().saturating_add(value.len()).saturating_add(2);
        let (start, old) = self.find(key).unwrap_or((self.used, 0));
        let free = self.free() + old;
        if needed > free {
            return Err(EnvError::NoSpace { needed, free });
        }
        self.resize(start, old, needed);
        let place = self.buffer.get_mut(start..start + needed).unwrap_or_default();
        let bytes = key.iter().chain(b"=").chain(value).chain(&[0]);
        place.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = byte);
        Ok(())
    }

    /// Takes `key` out; false if it is not there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let found = self.find(key);
        if let Some((start, length)) = found {
            self.resize(start, length, 0);
        }
        found.is_some()
    }

    /// Takes every variable out.
    pub const fn clear(&mut self) {
        self.used = 0;
    }

    /// The same variables in another buffer: what fork and exec do.
    ///
    /// # Errors
    /// [`EnvError::NoSpace`].
    pub fn copy_to<'c>(&self, buffer: &'c mut [u8]) -> Result<Environment<'c>, EnvError> {
        let mut copy = Environment::new(buffer);
        let (needed, free) = (self.used, copy.free());
        let place = copy.buffer.get_mut(..needed).filter(|_| needed <= free);
        place.ok_or(EnvError::NoSpace { needed, free })?.copy_from_slice(self.as_bytes());
        copy.used = needed;
        Ok(copy)
    }

    /// Where the variable `key` starts, and its length.
    fn find(&self, key: &[u8]) -> Option<(usize, usize)> {
        let mut start = 0;
        for (name, value) in self.iter() {
            let length = name.len() + value.len() + 2;
            if name == key {
                return Some((start, length));
            }
            start += length;
        }
        None
    }

    /// Makes the `old` bytes at `start` into `new` bytes of any content, moving what is behind them. They fit.
    fn resize(&mut self, start: usize, old: usize, new: usize) {
        self.buffer.copy_within(start + old..self.used, start + new);
        self.used = self.used - old + new;
    }
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

/// What is before and behind the byte at `at`.
fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default())
}

fn validate(key: &[u8], value: &[u8]) -> Result<(), EnvError> {
    if key.is_empty() {
        return Err(EnvError::EmptyKey);
    }
    if let Some(offset) = position(key, b'=') {
        return Err(EnvError::EqualsInKey { offset });
    }
    match (position(key, 0), position(value, 0)) {
        (Some(offset), _) => Err(EnvError::Nul { offset }),
        (None, Some(offset)) => Err(EnvError::Nul { offset: key.len() + 1 + offset }),
        (None, None) => Ok(()),
    }
}

/// A variable that was not set, or a block that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvError {
    /// The key is empty.
    EmptyKey,
    /// The key contains `=`.
    EqualsInKey {
        /// Where in the key.
        offset: usize,
    },
    /// The key or the value contains a NUL.
    Nul {
        /// Where in `KEY=value`.
        offset: usize,
    },
    /// The buffer, or the greatest length of a block, is used up.
    NoSpace {
        /// Bytes that it takes.
        needed: usize,
        /// Bytes that there are.
        free: usize,
    },
    /// A block ends within a variable.
    Unterminated {
        /// Where the variable starts.
        offset: usize,
    },
    /// A variable of a block has no `=`.
    NoEquals {
        /// Where the variable starts.
        offset: usize,
    },
    /// A block has a key twice.
    Duplicate {
        /// Where the second starts.
        offset: usize,
    },
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey => f.write_str("the key is empty"),
            Self::EqualsInKey { offset } => write!(f, "`=` at {offset} of the key"),
            Self::Nul { offset } => write!(f, "NUL at {offset} of the variable"),
            Self::NoSpace { needed, free } => write!(f, "takes {needed} bytes, {free} are free"),
            Self::Unterminated { offset } => write!(f, "the variable at {offset} does not end"),
            Self::NoEquals { offset } => write!(f, "the variable at {offset} has no `=`"),
            Self::Duplicate { offset } => write!(f, "the key at {offset} was there before"),
        }
    }
}

impl Error for EnvError {}

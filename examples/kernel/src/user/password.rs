//! Passwords and their hashes: argon2id over 4 MiB, by the crate `argon2`. Nothing of it is our own.
//!
//! A hash is a text in the format of the Password Hashing Competition, `$argon2id$v=19$m=4096,t=3,p=1$SALT$HASH`; its parameters are in it,
//! bounded when it is read, so that no file makes the kernel take more memory or time than it gives a hash of its own.
//! The memory is asked for and may be refused; it is zeroed before it goes back, as passwords are. Hashes are compared in constant time
//! ([`Output`]). Source: RFC 9106.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt::{self, Write};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

/// Bytes of a password.
pub const SECRET_MAX: usize = 128;
/// Bytes of a hash as a text.
pub const PHC_MAX: usize = 128;
/// Bytes of a salt.
pub const SALT: usize = 16;
/// KiB of memory of a hash.
pub const MEMORY_KIB: u32 = 4096;
/// Passes over it.
const PASSES: u32 = 3;
/// Passes of a hash that is taken.
const PASSES_MAX: u32 = 8;
/// Bytes of the hash itself.
const LENGTH: usize = 32;

/// A hash as a text.
pub type Phc = heapless::String<PHC_MAX>;

/// A password: it never shows, and is zeroed when it goes.
#[derive(Default)]
pub struct Secret(heapless::Vec<u8, SECRET_MAX>);

impl Secret {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(heapless::Vec::new())
    }

    /// One more byte; false if there is no room.
    pub fn push(&mut self, byte: u8) -> bool {
        self.0.push(byte).is_ok()
    }

    /// The last character less: as much as was typed with one key.
    pub fn pop(&mut self) {
        // In UTF-8 the bytes behind the first of a character are marked.
        while self.0.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }

    /// Empty again.
    pub fn clear(&mut self) {
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether both are the same. Only for two that one person typed: it is not in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // What was taken back lies behind the end.
        while self.push(0) {}
        self.clear();
    }
}

impl From<&[u8]> for Secret {
    /// What is too long is cut.
    fn from(bytes: &[u8]) -> Self {
        let mut secret = Self::new();
        let _ = bytes.iter().all(|&byte| secret.push(byte));
        secret
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why there is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// There are not so many KiB of memory.
    NoMemory(u32),
    /// The crate refused.
    Refused(argon2::Error),
    /// It cannot be written as a text.
    Text,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory(kib) => write!(f, "no {kib} KiB of memory in a row to hash a password in"),
            Self::Refused(cause) => write!(f, "the password is not hashed: {cause}"),
            Self::Text => f.write_str("the hash has no text"),
        }
    }
}

impl Error for HashError {}

impl From<argon2::Error> for HashError {
    fn from(cause: argon2::Error) -> Self {
        Self::Refused(cause)
    }
}

/// What a hash takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    pub kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// That of new hashes.
    pub const FULL: Self = Self { kib: MEMORY_KIB, passes: PASSES };

    fn params(self, length: usize) -> Result<Params, argon2::Error> {
        Params::new(self.kib, self.passes, 1, Some(length))
    }
}

/// A hash that is taken, in parts.
struct Stored {
    cost: Cost,
    salt: Salt,
    hash: Output,
}

impl Stored {
    fn of(text: &str) -> Option<Self> {
        let parsed = PasswordHash::new(text).ok()?;
        let number = |name: &str| parsed.params.get_decimal(name);
        let cost = Cost { kib: number("m")?, passes: number("t")? };
        let within = (Params::MIN_M_COST..=MEMORY_KIB).contains(&cost.kib)
            && (Params::MIN_T_COST..=PASSES_MAX).contains(&cost.passes);
        let version = parsed.version == Some(Version::V0x13.into());
        let known = parsed.algorithm == ARGON2ID_IDENT && version && number("p") == Some(1);
        let stored = Self { cost, salt: parsed.salt?, hash: parsed.hash? };
        // Nothing else may be in it, and in no other order: it is printed as it was.
        Some(stored).filter(|stored| within && known && stored.text().is_ok_and(|printed| printed == text))
    }

    fn text(&self) -> Result<Phc, HashError> {
        let params = self.cost.params(self.hash.len())?;
        let whole = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(|_| HashError::Text)?,
            salt: Some(self.salt),
            hash: Some(self.hash),
        };
        let mut text = Phc::new();
        write!(text, "{whole}").map_err(|_| HashError::Text)?;
        Ok(text)
    }
}

/// A text as a hash, if it is one of argon2id within bounds.
#[must_use]
pub fn phc(text: &str) -> Option<Phc> {
    Stored::of(text).and_then(|_| Phc::try_from(text).ok())
}

/// The hash of a password with a salt that is nobody else's. Takes the memory and time that `cost` says; not in interrupt context.
///
/// # Errors
/// [`HashError`]
pub fn hash(secret: &Secret, salt: &[u8; SALT], cost: Cost) -> Result<Phc, HashError> {
    let salt = Salt::new(salt).map_err(|_| HashError::Text)?;
    let hash = compute(secret, &salt, cost, LENGTH)?;
    Stored { cost, salt, hash }.text()
}

/// Whether a password has this hash. For [`None`], and for what is no hash, it takes as long as for one of our own, and says no: so
/// nobody learns from the time who has a password.
///
/// # Errors
/// [`HashError`]
pub fn verify(secret: &Secret, phc: Option<&Phc>) -> Result<bool, HashError> {
    let Some(stored) = phc.and_then(|phc| Stored::of(phc)) else {
        let salt = Salt::new(&[0; SALT]).map_err(|_| HashError::Text)?;
        return compute(secret, &salt, Cost::FULL, LENGTH).map(|_| false);
    };
    let found = compute(secret, &stored.salt, stored.cost, stored.hash.len())?;
    Ok(found == stored.hash)
}

/// Blocks that are zeroed before they go back.
struct Memory(Vec<Block>);

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

fn compute(secret: &Secret, salt: &Salt, cost: Cost, length: usize) -> Result<Output, HashError> {
    let params = cost.params(length)?;
    let mut memory = Memory(Vec::new());
    let blocks = params.block_count();
    memory.0.try_reserve_exact(blocks).map_err(|_| HashError::NoMemory(cost.kib))?;
    memory.0.resize(blocks, Block::new());
    let mut bytes = [0; Output::MAX_LENGTH];
    let out = bytes.get_mut(..length).ok_or(HashError::Text)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(&secret.0, salt, out, memory.0.as_mut_slice())?;
    Output::new(out).map_err(|_| HashError::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const SMALL: Cost = Cost { kib: 16, passes: 1 };

    fn secret(text: &str) -> Secret {
        Secret::from(text.as_bytes())
    }

    /// RFC 9106 has its vector with a key and associated data, which passwords have not; this is the one of the reference
    /// implementation (`phc-winner-argon2`, `src/test.c`: version 0x13, t = 2, m = 65536, p = 1 and the smaller m = 256).
    #[test]
    fn hashes_are_those_of_the_reference() {
        let known = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(phc(known).unwrap(), known);
        assert_eq!(verify(&secret("password"), phc(known).as_ref()), Ok(true));
        assert_eq!(verify(&secret("passwore"), phc(known).as_ref()), Ok(false));
    }

    #[test]
    fn a_password_is_known_by_its_hash_and_by_no_other() {
        let hashed = hash(&secret("sesame"), &[7; SALT], SMALL).unwrap();
        assert!(phc(&hashed).is_some(), "{hashed}");
        assert_eq!(verify(&secret("sesame"), Some(&hashed)), Ok(true));
        for other in ["", "Sesame", "sesame ", "sesam"] {
            assert_eq!(verify(&secret(other), Some(&hashed)), Ok(false), "{other:?}");
        }
        assert_ne!(hash(&secret("sesame"), &[8; SALT], SMALL).unwrap(), hashed);
    }

    #[test]
    fn nobody_s_password_takes_a_hash_and_is_none() {
        assert_eq!(verify(&secret(""), None), Ok(false));
    }

    #[test]
    fn new_hashes_take_four_mebibytes() {
        let hashed = hash(&secret("x"), &[1; SALT], Cost::FULL).unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=4096,t=3,p=1$"), "{hashed}");
        assert!(phc(&hashed).is_some());
    }

    #[test]
    fn hashes_that_would_take_more_are_refused() {
        let good = "$argon2id$v=19$m=16,t=1,p=1$AQEBAQEBAQEBAQEBAQEBAQ$c29tZXNhbHRzb21lc2FsdA";
        assert!(phc(good).is_some());
        for (from, to) in [
            ("m=16", "m=4097"),
            ("m=16", "m=7"),
            ("t=1", "t=9"),
            ("t=1", "t=0"),
            ("p=1", "p=2"),
            ("argon2id", "argon2i"),
            ("argon2id", "scrypt"),
            ("v=19", "v=16"),
            ("$v=19", ""),
            ("m=16,t=1", "t=1,m=16"),
            ("p=1", "p=1,data=AAAA"),
            ("p=1", "p=01"),
            ("$c29tZXNhbHRzb21lc2FsdA", ""),
            ("AQEBAQEBAQEBAQEBAQEBAQ", "AQ"),
        ] {
            assert_eq!(phc(&good.replacen(from, to, 1)), None, "{from} {to}");
        }
        assert_eq!(phc(&format!("{good} ")), None);
        assert_eq!(phc(""), None);
    }

    #[test]
    fn secrets_do_not_show_and_have_an_end() {
        let mut typed = secret("aä");
        typed.pop();
        assert!(typed.is(&secret("a")));
        typed.pop();
        assert!(typed.is_empty());
        assert!((0..SECRET_MAX).all(|_| typed.push(b'x')) && !typed.push(b'x'));
        assert_eq!(format!("{typed:?}"), "Secret");
    }
}

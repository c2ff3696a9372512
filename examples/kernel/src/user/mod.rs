//! Users: who there is, who one is, what one may.
//!
//! | part | idea |
//! |---|---|
//! | [`lines`] | files of records, read strictly |
//! | [`accounts`], [`groups`], [`roles`] | `/etc/passwd`, `/etc/group`, `/etc/roles` |
//! | [`password`] | secrets, and their hashes by argon2id |
//! | [`gate`] | how often one may try |
//! | `store` | the files on their way to and from the disk |
//! | `login` | from a name and a password to who one is; what one may |
//! | [`who`] | as whom something is to run |
//! | `change` | other users, passwords and roles, one change at a time |
//!
//! Who one is goes into the credentials of kos-vfs: files ask them. What no file knows is asked of roles.

pub mod accounts;
pub(crate) mod change;
pub mod gate;
pub mod groups;
pub mod lines;
pub(crate) mod login;
pub mod password;
pub mod roles;
pub(crate) mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod who;

use core::fmt;

use kos_net::Entropy;
use lock_api::Mutex;

use crate::Kernel;
use crate::glue::entropy::KernelEntropy;
use crate::glue::sleep_lock::SleepLock;
use crate::platform::Platform;
use gate::Gate;
use password::SALT;

/// Different sets of groups that users have, at most, as long as the kernel runs.
const SETS: usize = 64;

/// What a kernel knows of users beside the files.
pub(crate) struct Users<P: Platform> {
    /// Held while a file is read and written again: one changes them at a time.
    changing: Mutex<SleepLock<P>, ()>,
    gate: Mutex<SleepLock<P>, Gate>,
    /// Held while a password is hashed: one takes the memory at a time.
    hashing: Mutex<SleepLock<P>, ()>,
    dice: Mutex<SleepLock<P>, Option<KernelEntropy>>,
    /// Credentials borrow them for as long as they like, so they stay.
    sets: Mutex<SleepLock<P>, heapless::Vec<&'static [u32], SETS>>,
}

impl<P: Platform> Users<P> {
    pub(crate) const fn new() -> Self {
        Self {
            changing: Mutex::new(()),
            gate: Mutex::new(Gate::new()),
            hashing: Mutex::new(()),
            dice: Mutex::new(None),
            sets: Mutex::new(heapless::Vec::new()),
        }
    }

    /// Bytes that nobody foresees, and nobody had before.
    fn salt(&self, kernel: &Kernel<P>) -> [u8; SALT] {
        let (mut salt, mut dice) = ([0; SALT], self.dice.lock());
        let dice = dice.get_or_insert_with(|| KernelEntropy::new(kernel));
        // It has as many as are asked for.
        let _ = dice.fill(&mut salt);
        salt
    }

    /// These groups for as long as the kernel runs; [`None`]: there is no room for one more set of them.
    fn keep(&self, groups: &[u32]) -> Option<&'static [u32]> {
        if groups.is_empty() {
            return Some(&[]);
        }
        let mut sets = self.sets.lock();
        if let Some(known) = sets.iter().find(|known| **known == groups) {
            return Some(known);
        }
        if sets.is_full() {
            return None;
        }
        let mut kept = alloc::vec::Vec::new();
        kept.try_reserve_exact(groups.len()).ok()?;
        kept.extend_from_slice(groups);
        let kept = kept.leak();
        sets.push(kept).ok()?;
        Some(kept)
    }
}

impl<P: Platform> fmt::Debug for Users<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Users")
    }
}

//! Tests of `/dev`: the log and the disk as files.

use kos_alloc::Locked;
use kos_vfs::Errno;

use super::lines::told;
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::text::TEXT_MAX;
use crate::threads::{How, Member};

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "files::the_log_is_a_device", run: log },
        Test { name: "files::the_disk_is_a_device", run: disk },
        Test { name: "files::random_numbers_of_a_device_are_given_once", run: dice },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// Everybody reads it from its beginning, user 0 adds to it, and nobody writes what a terminal obeys.
fn log<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // Not by `cat … | head`: whether the one notices that the other has left is a matter of time.
    let shown = told(kernel, "dmesg", 0)?;
    let first = shown.split_inclusive('\n').take(3).map(str::len).sum();
    let first = shown.get(..first).unwrap_or_default();
    for line in ["head 3 < /dev/kmsg", "su 1000:1000; head 3 < /dev/kmsg"] {
        let said = told(kernel, line, 0)?;
        ensure!(said == first && said.lines().count() == 3, "{line}: {said}");
    }
    told(kernel, "echo a \u{1b} word > /dev/kmsg", 0)?;
    let said = told(kernel, "cat /dev/kmsg | grep 'user     says      a ? word'", 0)?;
    ensure!(said.starts_with('[') && said.ends_with("a ? word\n"), "{said}");
    let refused = told(kernel, "su 1000:1000; echo a word > /dev/kmsg", 1)?;
    ensure!(refused.contains(Errno::EACCES.meaning()), "{refused}");
    let mut line = heapless::String::<256>::new();
    let long =
        core::iter::once("echo ").chain(core::iter::repeat_n("x", TEXT_MAX + 1)).chain(["> /dev/kmsg"]);
    long.into_iter()
        .try_for_each(|part| line.push_str(part))
        .map_err(|_| Failure::new(format_args!("no room")))?;
    let refused = told(kernel, &line, 1)?;
    ensure!(refused.contains(Errno::EINVAL.meaning()), "{refused}");
    Ok(())
}

/// Only user 0 reads it, and nobody writes to it while it is mounted. What is on it stays as it is.
fn disk<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    if kernel.files().and_then(|files| files.disk()).is_none() {
        let said = told(kernel, "cat /dev/vda", 1)?;
        ensure!(said.contains(Errno::ENOENT.meaning()), "{said}");
        return Ok(());
    }
    let first = told(kernel, "head 1 < /dev/vda | wc", 0)?;
    ensure!(!first.is_empty());
    let refused = told(kernel, "su 1000:1000; cat /dev/vda", 1)?;
    ensure!(refused.contains(Errno::EACCES.meaning()), "{refused}");
    let mounted = told(kernel, "mount", 0)?;
    if mounted.lines().any(|line| line.starts_with("kosfs ") || line.starts_with("vfat ")) {
        let refused = told(kernel, "echo x > /dev/vda", 1)?;
        ensure!(refused.contains(Errno::EBUSY.meaning()), "{refused}");
        let twice = told(kernel, "mount /dev/vda /mnt", 1)?;
        ensure!(twice.contains(Errno::EBUSY.meaning()), "{twice}");
    }
    Ok(())
}

/// Nobody gets what another has; only user 0 asks.
fn dice<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const TIMES: usize = 16;
    if kernel.seed.get().is_none() {
        let said = told(kernel, "cat /dev/hwrng", 1)?;
        ensure!(said.contains(Errno::ENOENT.meaning()), "{said}");
        return Err(Failure::skip(format_args!("no device of random numbers")));
    }
    let taken = Locked::<P::Env, _>::new(kernel.platform().env(), [0_u64; 2 * TIMES]);
    let take = |places: core::ops::Range<usize>| {
        for place in places {
            let mut bytes = [0; 8];
            let count = kernel.platform().random(&mut bytes).unwrap_or(0);
            let word = if count == bytes.len() { u64::from_le_bytes(bytes) } else { 0 };
            taken.with(|all| all.get_mut(place).map(|slot| *slot = word));
        }
    };
    let (first, second) = (|| take(0..TIMES), || take(TIMES..2 * TIMES));
    let team = [Member::new(How::new("dice-1"), &first), Member::new(How::new("dice-2"), &second)];
    kernel.with_team(&team, |_| ())?;
    let mut all = taken.with(|all| *all);
    all.sort_unstable();
    let twice = all.windows(2).any(|pair| pair.first() == pair.last());
    ensure!(!twice && all.first() != Some(&0), "one number twice, or none, of {} of 64 bits", all.len());
    let refused = told(kernel, "su 1000:1000; cat /dev/hwrng", 1)?;
    ensure!(refused.contains(Errno::EACCES.meaning()), "{refused}");
    Ok(())
}

//! Whose the frames are that are in use: [`Owners`], and that nobody has one that nobody knows of.
//!
//! ```text
//! used      =  heap + tables + stacks + CPUs + devices + programs
//! programs  =  each process alone + what several have, once + lists of objects
//! ```
//!
//! Nothing stands still while it is counted, so a sum that is wrong is looked at again; one that stays wrong is an error.

use kos_sched::Resume;

use crate::Kernel;
use crate::accounts::{WrongSum, equal};
use crate::platform::Platform;
use crate::process::census::Census;
use crate::time::Duration;

/// Looks until a sum that is wrong is taken for wrong.
const LOOKS: usize = 100;
/// Between two of them.
const PAUSE: Duration = Duration::from_micros(500);

/// Frames in use, by owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    /// All of them.
    pub(crate) used: u64,
    /// The heap, with what it keeps for later.
    pub(crate) heap: u64,
    /// The kernel's page tables.
    pub(crate) tables: u64,
    /// Stacks of threads.
    pub(crate) stacks: u64,
    /// What CPUs besides the first run on.
    pub(crate) cpus: u64,
    /// Queues of devices.
    pub(crate) devices: u64,
    /// Programs, with their tables.
    pub(crate) programs: u64,
}

impl Owners {
    /// Counts them, and checks the sum.
    ///
    /// # Errors
    /// [`WrongSum`]: some frames are nobody's, or two have them.
    pub(crate) fn of<P: Platform>(kernel: &Kernel<P>) -> Result<Self, WrongSum> {
        let (owners, checked) = Self::seen(kernel);
        checked.map(|()| owners)
    }

    /// The same; what was seen also where the sum is wrong.
    pub(crate) fn seen<P: Platform>(kernel: &Kernel<P>) -> (Self, Result<(), WrongSum>) {
        steady(kernel, || Self::look(kernel), Self::check)
    }

    fn look<P: Platform>(kernel: &Kernel<P>) -> Self {
        Self {
            used: kernel.frames().stats().allocated() as u64,
            heap: kernel.heap().stats().frames as u64,
            tables: kernel.with_tables(|tables| tables.stats().tables),
            stacks: kernel.threads.stack_frames() as u64,
            cpus: kernel.cpu_frames as u64,
            devices: kernel.platform().device_frames() as u64,
            programs: kernel.processes.frames() as u64,
        }
    }

    /// The kernel's own frames, by name.
    pub(crate) const fn of_kernel(&self) -> [(&'static str, u64); 5] {
        [
            ("heap", self.heap),
            ("tables", self.tables),
            ("stacks", self.stacks),
            ("CPUs", self.cpus),
            ("devices", self.devices),
        ]
    }

    /// All of the kernel's own.
    pub(crate) fn kernel(&self) -> u64 {
        self.of_kernel().iter().map(|(_, frames)| frames).sum()
    }

    fn check(&self) -> Result<(), WrongSum> {
        equal("kernel + programs = used", self.kernel() + self.programs, self.used)
    }
}

/// Counts the frames of programs one by one, and checks that they are those that were charged, and with the kernel's all that are used.
///
/// # Errors
/// [`WrongSum`]
pub(crate) fn of_programs<P: Platform>(kernel: &Kernel<P>, census: &mut Census) -> Result<Owners, WrongSum> {
    let look = || {
        census.take(kernel);
        (Owners::look(kernel), census.frames())
    };
    let check = |(owners, found): &(Owners, u64)| {
        equal("what processes and objects have = programs", *found, owners.programs)?;
        owners.check()
    };
    let ((owners, _), checked) = steady(kernel, look, check);
    checked.map(|()| owners)
}

/// Looks until what is seen passes the check.
fn steady<P: Platform, T>(
    kernel: &Kernel<P>,
    mut look: impl FnMut() -> T,
    check: impl Fn(&T) -> Result<(), WrongSum>,
) -> (T, Result<(), WrongSum>) {
    let mut looks = 1;
    loop {
        let seen = look();
        let checked = check(&seen);
        if checked.is_ok() || looks >= LOOKS {
            return (seen, checked);
        }
        // Who is amid something finishes it meanwhile.
        if kernel.threads.sleep(PAUSE) == Resume::Interrupted {
            kernel.threads.runtime().yield_now();
        }
        looks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_nobody_is_named() {
        let owners = Owners { used: 22, heap: 1, tables: 2, stacks: 3, cpus: 4, devices: 5, programs: 6 };
        assert_eq!(owners.kernel(), 15);
        let wrong = owners.check().unwrap_err();
        assert_eq!((wrong.left, wrong.right), (21, 22));
        assert_eq!(Owners { used: 21, ..owners }.check(), Ok(()));
    }
}

//! In-kernel tests: one list an area, run by the command `selftest` and in mode `test`.
//!
//! A test is a plain function on the running kernel. It ends with `Ok` or with a [`Failure`], made by [`ensure!`](crate::ensure)
//! or by `?` on any error; a machine that lacks what a test is about is skipped by name ([`Failure::skip`]). Around each test the frames and heap blocks in use are counted: a leak is a failure.

mod boot;
mod data;
mod devices;
mod drills;
mod figures;
mod files;
mod firewall;
mod frames;
mod heap;
mod hoard;
mod ipc;
pub(crate) mod ktap;
mod lines;
mod linux;
mod machine;
mod monitor;
mod names;
mod net;
mod paging;
mod patience;
mod process;
mod quota;
mod sched;
mod screen;
mod shell;
pub(crate) mod smp;
mod sockets;
mod srv;
mod svc;
mod sweep;
mod sync;
mod txn;
mod users;
mod web;

use core::fmt;

use crate::Kernel;
use crate::command_line::Sabotage;
use crate::kernel::InUse;
use crate::platform::Platform;
use crate::text::Text;
use crate::time::Duration;

/// One in-kernel test.
pub struct Test<P: Platform> {
    /// `area::what_holds`, unique.
    pub name: &'static str,
    /// The test; it gives back whatever it allocates.
    pub run: fn(&Kernel<P>) -> Result<(), Failure>,
}

impl<P: Platform> fmt::Debug for Test<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Why a test failed: what was seen, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: Text,
    file: &'static str,
    line: u32,
    skipped: bool,
}

impl Failure {
    /// A failure at the caller's line.
    #[must_use]
    #[track_caller]
    pub fn new(what: fmt::Arguments<'_>) -> Self {
        let place = core::panic::Location::caller();
        Self { text: Text::new(what), file: place.file(), line: place.line(), skipped: false }
    }

    /// No failure: the test says nothing about a machine that lacks this.
    #[must_use]
    #[track_caller]
    pub fn skip(lack: fmt::Arguments<'_>) -> Self {
        Self { skipped: true, ..Self::new(lack) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.text, self.file, self.line)
    }
}

impl<E: core::error::Error> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(format_args!("{error}"))
    }
}

/// Ends the test with a [`Failure`] unless the condition holds: `ensure!(a == b, "a is {a}")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr) => {
        $crate::ensure!($condition, "{}", stringify!($condition))
    };
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::selftest::Failure::new(format_args!($($what)+)));
        }
    };
}

/// How a test ended.
pub(crate) enum Verdict {
    Passed,
    /// What the machine lacks.
    Skipped(Text),
    Failed(Failure),
}

/// How one test went.
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

/// The tests whose names hold `filter`: the kernel's, the machine's, the deliberate fault.
pub(crate) fn selected<P: Platform>(
    kernel: &Kernel<P>,
    filter: &str,
    sabotage: Option<Sabotage>,
) -> impl Iterator<Item = &'static Test<P>> {
    let memory = [frames::tests(), heap::tests(), txn::tests()];
    let areas = [boot::tests()].into_iter().chain(memory).chain([
        paging::tests(),
        machine::tests(),
        smp::tests(),
        drills::tests(),
        sched::tests(),
        sync::tests(),
        shell::tests(),
        names::tests(),
        data::tests(),
        files::tests(),
        devices::tests(),
        screen::tests(),
        ipc::tests(),
        net::tests(),
        sockets::tests(),
        firewall::tests(),
        process::tests(),
        quota::tests(),
        linux::tests(),
        srv::tests(),
        svc::tests(),
        sweep::tests(),
        users::tests(),
        monitor::tests(),
        web::tests(),
        figures::tests(),
    ]);
    let own = kernel.platform().tests();
    let sabotage = sabotage.map(machine::sabotage);
    areas.flatten().chain(own).filter(move |test| test.name.contains(filter)).chain(sabotage)
}

/// Skips a machine on which fewer MiB are free.
fn needs<P: Platform>(kernel: &Kernel<P>, mebibytes: usize) -> Result<(), Failure> {
    let free = kernel.frames().stats().free >> 8;
    if free < mebibytes {
        return Err(Failure::skip(format_args!("{free} MiB free, {mebibytes} needed")));
    }
    Ok(())
}

/// Runs one test and looks for leaks. What is more in use after a first run may be a table that grew for good: what a second run
/// leaves too is lost.
pub(crate) fn run_one<P: Platform>(kernel: &Kernel<P>, test: &Test<P>) -> Report {
    let platform = kernel.platform();
    let started = platform.now();
    let (mut before, mut result, mut after) = run_counted(kernel, test);
    if result.is_ok() && after != before {
        (before, result, after) = run_counted(kernel, test);
    }
    let took = platform.now().checked_duration_since(started).unwrap_or(Duration::from_nanos(0));
    let verdict = match result {
        Err(failure) if !failure.skipped => Verdict::Failed(failure),
        _ if after != before => {
            Verdict::Failed(Failure::new(format_args!("leaked: before {before}, after {after}")))
        }
        Err(skip) => Verdict::Skipped(skip.text),
        Ok(()) => Verdict::Passed,
    };
    Report { name: test.name, verdict, took }
}

/// Runs it once: what is in use before and after.
fn run_counted<P: Platform>(kernel: &Kernel<P>, test: &Test<P>) -> (InUse, Result<(), Failure>, InUse) {
    let before = kernel.in_use();
    let result = (test.run)(kernel);
    (before, result, kernel.in_use())
}

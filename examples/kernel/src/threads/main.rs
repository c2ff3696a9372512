//! [`Kernel::on_main_thread`]: work for the main thread, done while the calling CPU idles.
//!
//! The work lies on the caller's stack. The thread gets its address and has ended before the caller goes on; so the work
//! outlives its use.
#![expect(unsafe_code, reason = "hands a thread what lies on the caller's stack")]

use core::fmt::Write;
use core::ptr;

use kos_sched::core::TaskState;

use super::{How, Role, ThreadError};
use crate::Kernel;
use crate::files::Files;
use crate::net::Net;
use crate::platform::Platform;
use crate::shell::Console;

/// Bytes of the stack of a thread that runs commands or tests. Where no guard finds an overflow it has more.
pub(crate) const fn command_stack<P: Platform>() -> usize {
    if P::STACKS.is_some() { 128 << 10 } else { 512 << 10 }
}

/// Bytes of the stack of the thread that polls the network.
const NET_STACK: usize = 128 << 10;

/// Work, by reference.
struct Order<'w> {
    work: &'w mut dyn FnMut(),
}

impl<P: Platform> Kernel<P> {
    /// Lets a new thread of the calling CPU do `work`; meanwhile that CPU runs whatever there is to run. All threads have ended
    /// when it returns. Called on the stack on which the CPU booted, by one CPU.
    ///
    /// # Errors
    /// [`ThreadError::Busy`] if the CPU runs threads already; [`ThreadError`] if there is no memory for the thread;
    /// [`ThreadError::NoResult`] if it panicked on a machine that survives that.
    pub fn on_main_thread<R>(&self, work: impl FnOnce() -> R) -> Result<R, ThreadError> {
        let done = self.threads.as_idle(|| self.run_main(work)).unwrap_or(Err(ThreadError::Busy));
        done.inspect_err(|error| {
            // The console takes everything.
            let _ = writeln!(Console(self.platform()), "kos: no main thread: {error}");
        })
    }

    /// The calling CPU, which stays where it is, runs threads for ever.
    pub(crate) fn run_threads(&self) -> ! {
        // Whoever is in the idle loop of this CPU already does it.
        let _: Option<()> = self.threads.as_idle(|| {
            loop {
                self.threads.idle();
            }
        });
        loop {
            core::hint::spin_loop();
        }
    }

    /// Starts the threads that work for the kernel itself. Without memory for one the kernel does without.
    fn start_services(&self) {
        if self.files().is_some_and(Files::has_disk) {
            self.start_service(How::new("sync"), Files::keep_synced);
        }
        if self.net().is_some() {
            self.start_service(How::new("net").stack(NET_STACK), Net::poll_on);
        }
    }

    fn start_service(&self, how: How<'_>, work: fn(&Self, usize)) {
        let name = how.name;
        let started = self.spawn(how.role(Role::Service), work, 0);
        started.map(drop).unwrap_or_else(|error| {
            // The console takes everything.
            let _ = writeln!(Console(self.platform()), "kos: no service {name}: {error}");
        });
    }

    /// Makes everything durable before the machine ends.
    pub(crate) fn sync_files(&self) {
        if let Some(Err(error)) = self.files().map(|files| files.vfs().sync()) {
            let _ = writeln!(Console(self.platform()), "kos: not everything is durable: {error}");
        }
    }

    fn run_main<R>(&self, work: impl FnOnce() -> R) -> Result<R, ThreadError> {
        let (mut work, mut result) = (Some(work), None);
        let mut call = || {
            self.come_up();
            self.start_services();
            self.settle();
            result = work.take().map(|work| work());
            self.shut_services();
            self.sync_files();
            self.shut_srv();
            self.end_all();
        };
        let mut order = Order { work: &mut call };
        let argument = ptr::from_mut(&mut order).expose_provenance();
        let how = How::new("main").on(self.threads.this_cpu()).stack(command_stack::<P>()).role(Role::Main);
        let task = self.spawn(how, begin::<P>, argument)?;
        let sched = self.threads.runtime().scheduler();
        // It never leaves this CPU, so its end ends the turn.
        while sched.state(task) != Some(TaskState::Zombie) {
            self.threads.idle();
        }
        let thread = sched.reap(task).map_err(ThreadError::Task)?;
        let _used = self.bury(task, thread);
        self.platform().resume_panic();
        result.ok_or(ThreadError::NoResult)
    }
}

fn begin<P: Platform>(_: &Kernel<P>, argument: usize) {
    let order = ptr::with_exposed_provenance_mut::<Order<'_>>(argument);
    // SAFETY: `run_main` passed the address of its order and waits for the end of this thread; nobody else uses it.
    let order = unsafe { &mut *order };
    (order.work)();
}

//! [`Guest`]: what runs on a machine's CPUs, the kernel, and the desk at which threads of the host hand in work for it.
//!
//! The first CPU boots and then does what is handed in, one piece at a time; the others wait for the kernel and run it. Nobody
//! waits for a machine that has died.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use kos_demo_kernel::{BootError, Config, Kernel};

use crate::engine::{self, Death, Interrupt, Software};
use crate::platform::{Board, Hosted, current};

/// Work for the first CPU.
pub(crate) type Job = Box<dyn FnOnce(&Kernel<Hosted>) + Send>;

/// The kernel of one machine.
#[derive(Debug)]
pub(crate) struct Guest {
    board: Arc<Board>,
    config: Config,
    booted: OnceLock<Result<Kernel<Hosted>, BootError>>,
    desk: Mutex<Desk>,
    changed: Condvar,
    /// A job lies on the desk.
    called: AtomicBool,
}

/// What is to be done.
#[derive(Default)]
struct Desk {
    job: Option<Job>,
    /// The first CPU has the last job, or boots.
    busy: bool,
    closed: bool,
    death: Option<Death>,
}

impl core::fmt::Debug for Desk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Desk").field("busy", &self.busy).field("death", &self.death).finish_non_exhaustive()
    }
}

impl Guest {
    /// A kernel to be booted on `board`.
    pub(crate) fn new(board: Arc<Board>, config: Config) -> Self {
        let desk = Mutex::new(Desk { busy: true, ..Desk::default() });
        let (booted, changed, called) = (OnceLock::new(), Condvar::new(), AtomicBool::new(false));
        Self { board, config, booted, desk, changed, called }
    }

    /// The kernel, once it has booted.
    pub(crate) fn booted(&self) -> Option<&Result<Kernel<Hosted>, BootError>> {
        self.booted.get()
    }

    /// Waits until the first CPU has done all that was handed in.
    ///
    /// # Errors
    /// The machine died.
    pub(crate) fn wait(&self) -> Result<(), Death> {
        self.wait_while_busy().death.clone().map_or(Ok(()), Err)
    }

    /// Hands `job` in. `call` lets the first CPU look.
    ///
    /// # Errors
    /// The machine died.
    pub(crate) fn hand_in(&self, job: Job, call: impl FnOnce()) -> Result<(), Death> {
        let mut desk = self.wait_while_busy();
        if let Some(death) = &desk.death {
            return Err(death.clone());
        }
        (desk.job, desk.busy) = (Some(job), true);
        drop(desk);
        self.called.store(true, SeqCst);
        self.changed.notify_all();
        call();
        Ok(())
    }

    /// Whether the machine has died.
    pub(crate) fn has_died(&self) -> bool {
        self.desk().death.is_some()
    }

    /// There will be no more jobs.
    pub(crate) fn close(&self) {
        self.desk().closed = true;
        self.changed.notify_all();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while_busy(&self) -> MutexGuard<'_, Desk> {
        let waits = |desk: &mut Desk| desk.busy && desk.death.is_none();
        self.changed.wait_while(self.desk(), waits).unwrap_or_else(PoisonError::into_inner)
    }

    /// The first CPU, in mode of service.
    fn serve(&self, kernel: &Kernel<Hosted>) -> ! {
        loop {
            self.done();
            while !self.called.swap(false, SeqCst) {
                engine::rest(&|| self.called.load(SeqCst));
            }
            if let Some(job) = self.take() {
                job(kernel);
            }
        }
    }

    fn take(&self) -> Option<Job> {
        let _masked = engine::mask_signals();
        self.desk().job.take()
    }

    fn done(&self) {
        let _masked = engine::mask_signals();
        self.desk().busy = false;
        self.changed.notify_all();
    }

    fn boot(&self) -> ! {
        let kernel = Kernel::boot(Hosted::new(Arc::clone(&self.board)), self.config);
        let booted = self.booted.get_or_init(|| kernel);
        for cpu in 1..self.board.cpus() {
            engine::interrupt(cpu, Interrupt::Call);
        }
        match booted {
            Ok(kernel) => {
                current::enter(kernel);
                // The stages that want threads; what it says stands in the log.
                let _ = kernel.on_main_thread(|| ());
                self.serve(kernel)
            }
            Err(_) => loop {
                self.done();
                engine::rest(&|| false);
            },
        }
    }
}

impl Software for Guest {
    fn run(&self, cpu: usize) -> ! {
        engine::unmask();
        if cpu == 0 {
            self.boot();
        }
        loop {
            if let Some(Ok(kernel)) = self.booted.get() {
                current::enter(kernel);
                kernel.run_cpu();
            }
            engine::idle_unless(&|| self.booted.get().is_some());
        }
    }

    fn interrupt(&self, interrupt: Interrupt) {
        let kernel = self.booted.get().and_then(|booted| booted.as_ref().ok());
        self.board.interrupt(interrupt, kernel);
    }

    fn await_work(&self) -> bool {
        let waits = |desk: &mut Desk| !(desk.closed || desk.busy);
        let desk = self.changed.wait_while(self.desk(), waits).unwrap_or_else(PoisonError::into_inner);
        !desk.closed
    }

    fn died(&self, death: Death) {
        self.desk().death.get_or_insert(death);
        self.changed.notify_all();
    }
}

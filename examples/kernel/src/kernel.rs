//! [`Kernel`]: the value that boot gives back. A binary keeps it in its own `static`, or a test in a variable.

use core::convert::Infallible;
use core::fmt::{self, Write};
use core::ops::Range;
use core::sync::atomic::AtomicU64;

use kos_alloc::{KernelHeap, Locked, Zones};
use kos_paging::Table;
use kos_sched::sync::{Mutex, WaitQueue};
use kos_sched::{BlockReason, LockError, Park, TaskId};
use spin::Once;

use crate::accounts::{Accounts, WrongSum};
use crate::audit::Audit;
use crate::command_line::CommandLine;
use crate::crew::Crew;
use crate::drill::Drill;
use crate::files::Files;
use crate::glue::faults::Faults;
use crate::glue::inject::Injector;
use crate::glue::sleep_lock::Ambient;
use crate::glue::table_frames::TableFrames;
use crate::ipc::Ipc;
use crate::log::Log;
use crate::net::Net;
use crate::platform::{self, Listening, Platform, TimerReport};
use crate::pressure::Pressure;
use crate::process::Processes;
use crate::run::{self, End};
use crate::shell::script::{self, Outcome, Sink};
use crate::shell::{self, Lossy, Next, Session, Shared, Status};
use crate::srv::Srv;
use crate::storm::Storm;
use crate::svc::Svc;
use crate::text::Text;
use crate::threads::{Threads, Waits};
use crate::time::Duration;
use crate::user::Users;

/// The physical frames: zones DMA, DMA32 and Normal.
pub type KernelFrames<P> = Zones<'static, <P as Platform>::Env>;

/// The one frame allocator of the kernel, in boot memory: heap and page table share it. Commands can let it fail.
pub(crate) type SharedFrames<P> = &'static Injector<KernelFrames<P>>;

/// The kernel's heap.
pub type Heap<P> = KernelHeap<<P as Platform>::Env, SharedFrames<P>>;

/// The kernel's page table.
pub type KernelTable<P> = Table<<P as Platform>::Format, TableFrames<SharedFrames<P>, <P as Platform>::Phys>>;

/// How often somebody who waits for input looks for it where it does not tell of itself.
const LOOK: Duration = Duration::from_millis(10);

/// The kernel on one machine, up and running.
///
/// The fields are dropped in order: all that lies in the machine's memory goes before the machine.
pub struct Kernel<P: Platform> {
    /// Programs. Gone before the files that they may have open.
    pub(crate) processes: Processes<P>,
    /// A file system that a program serves.
    pub(crate) srv: Srv<P>,
    /// What is kept running.
    pub(crate) svc: Svc<P>,
    /// Capabilities and what they are to. Made when the first program runs.
    pub(crate) ipc: Once<Ipc<P>>,
    /// Who there is, beside what files say.
    pub(crate) users: Users<P>,
    /// What people did.
    pub(crate) audit: Audit<P>,
    /// What a device of random numbers gave when the machine started, if there is one.
    pub(crate) seed: Once<[u64; 2]>,
    /// How many sources of random bytes there have been: the number of the next.
    pub(crate) entropies: AtomicU64,
    /// Who waits for the line to the host.
    pub(crate) hvc: WaitQueue<Ambient<P>>,
    /// Nothing until the main thread has looked for file systems; [`None`] inside if there is no memory for any.
    pub(crate) files: Once<Option<Files<P>>>,
    /// The same for the network card.
    pub(crate) net: Once<Option<Net<P>>>,
    /// Once all stages are over.
    pub(crate) up: Once<()>,
    pub(crate) heap: Heap<P>,
    pub(crate) tables: Mutex<Waits<P>, KernelTable<P>>,
    pub(crate) log: Log<P::Env>,
    pub(crate) accounts: Accounts,
    /// Frames that CPUs besides the first got to run on.
    pub(crate) cpu_frames: usize,
    /// The timer that ticks, if one does.
    pub(crate) timer: Option<TimerReport>,
    pub(crate) storm: Storm<P>,
    pub(crate) crew: Crew<P>,
    pub(crate) drill: Drill,
    /// What is to go wrong on purpose.
    pub(crate) faults: Faults,
    /// How much somebody had to wait.
    pub(crate) pressure: Pressure<P::Env>,
    /// Who waits for input.
    pub(crate) reader: Locked<P::Env, TaskId>,
    /// Who polls the network.
    pub(crate) poller: Locked<P::Env, TaskId>,
    pub(crate) threads: Threads<P>,
    pub(crate) platform: P,
}

impl<P: Platform> fmt::Debug for Kernel<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

impl<P: Platform> Kernel<P> {
    /// Does what the command line asks for, in the main thread: shell, script or tests. Called by one CPU, where it booted.
    pub fn run(&self) -> End {
        self.on_main_thread(|| run::run(self)).unwrap_or(End::Failed)
    }

    /// What nobody knows beforehand: the secret of the machine, and what a device of random numbers gave.
    pub(crate) fn secret(&self) -> [u64; 2] {
        let [first, second] = self.seed.get().copied().unwrap_or_default();
        [first ^ kos_alloc::Env::secret(&self.platform.env()), second]
    }

    /// Frames may have come. The machine calls it in interrupt context.
    pub fn frames_came(&self) {
        self.call_poller();
    }

    /// The same for a machine that ends with it: `exit` ends it, and no thread is waited for.
    pub fn run_and(&self, exit: impl Fn(End) -> Infallible) -> Infallible {
        let refused = self.on_main_thread(|| {
            let end = run::run(self);
            self.shut_services();
            self.sync_files();
            exit(end)
        });
        refused.unwrap_or_else(|_| exit(End::Failed))
    }

    /// What each CPU but the first does, once it is online and there is a kernel: it runs threads.
    pub fn run_cpu(&self) -> ! {
        self.run_threads()
    }

    /// The timer of the calling CPU has fired for the scheduler: the machine calls it in interrupt context.
    pub fn timer(&self) {
        self.threads.on_timer();
    }

    /// Another CPU has called this one: the machine calls it in interrupt context.
    pub fn kicked(&self) {
        self.threads.on_kick();
    }

    /// There is input: the machine calls it in interrupt context.
    pub fn input(&self) {
        let reader = self.reader.with(|reader| core::mem::replace(reader, TaskId::NOBODY));
        self.threads.runtime().unpark(reader);
    }

    /// Bytes may have come by the line to the host, or there may be room for more. The machine calls it in interrupt context.
    pub fn hvc_news(&self) {
        self.hvc.wake_all();
    }

    /// Runs another thread if one should. The machine calls it at the end of an interrupt, interrupts masked, on the stack that
    /// was interrupted, when it has told the interrupt controller that the interrupt is over.
    pub fn preempt(&self) {
        self.threads.preempt();
    }

    /// Whose stack a fault at `address` on the calling CPU overran, if it lies in the guard of a thread's. For a report: takes no
    /// lock.
    pub fn overflowed_stack(&self, address: u64) -> Option<Text> {
        let task = self.threads.runtime().overflow_at(usize::try_from(address).ok()?)?;
        Some(Text::new(format_args!("stack of thread {task}")))
    }

    /// The stack of the thread that runs on the calling CPU. Takes no lock.
    pub fn running_stack(&self) -> Option<Range<u64>> {
        let bounds = self.threads.runtime().scheduler().with_current(|thread| thread.stack().bounds())?;
        Some(bounds.start as u64..bounds.end as u64)
    }

    /// Gives back what rests with the calling CPU in the caches of heap and frames. The machine calls it where an allocator's
    /// [`kick`](kos_alloc::Env::kick) asks for it, in interrupt context too.
    pub fn drain_local(&self) {
        self.heap.drain_local();
        self.frames().drain_local();
    }

    /// What the kernel does at each tick of the timer. The machine calls it in interrupt context, interrupts masked.
    pub fn tick(&self) {
        self.storm.tick(&self.heap);
    }

    /// Runs a line as user 0 in the root directory; what its commands say goes to `out`. A command whose output `out` refuses
    /// fails.
    pub fn execute(&self, line: &str, out: &mut (dyn Write + Send)) -> (Status, Next) {
        shell::execute(&mut Session::new(self), line, &Shared::<P>::new(&mut Lossy(out)))
    }

    /// Runs commands separated by `;`.
    pub fn script(&self, text: &str, sink: &mut dyn Sink) -> Outcome {
        script::run(self, text, sink)
    }

    /// The heap; a binary's global allocator forwards to it.
    #[must_use]
    pub const fn heap(&self) -> &Heap<P> {
        &self.heap
    }

    /// The physical frames.
    #[must_use]
    pub fn frames(&self) -> &KernelFrames<P> {
        self.injector().inner()
    }

    /// What lets allocations of frames fail.
    pub(crate) fn injector(&self) -> &Injector<KernelFrames<P>> {
        self.heap.frames()
    }

    /// Where frames come from, for who keeps it.
    pub(crate) fn shared_frames(&self) -> SharedFrames<P> {
        self.heap.frames()
    }

    /// Where all memory went.
    #[must_use]
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The boot log.
    #[must_use]
    pub const fn log(&self) -> &Log<P::Env> {
        &self.log
    }

    /// The machine.
    #[must_use]
    pub const fn platform(&self) -> &P {
        &self.platform
    }

    /// Works on the page table that is loaded, alone; the calling thread sleeps until it is. Not in interrupt context, not with
    /// interrupts masked, not within `work`.
    ///
    /// # Panics
    /// It is called within `work`.
    #[expect(clippy::panic, reason = "else the thread would wait for itself")]
    pub fn with_tables<R>(&self, work: impl FnOnce(&mut KernelTable<P>) -> R) -> R {
        loop {
            match self.tables.lock() {
                Ok(mut tables) => return work(&mut tables),
                // A thread that is to end finishes what it has begun.
                Err(LockError::Interrupted) => self.threads.runtime().yield_now(),
                Err(error) => panic!("page tables: {error}"),
            }
        }
    }

    /// The files, if there are any.
    pub(crate) fn files(&self) -> Option<&Files<P>> {
        self.files.get().and_then(Option::as_ref)
    }

    /// The calling thread, which found no input, sleeps until there may be some.
    pub(crate) fn await_input(&self) {
        let runtime = self.threads.runtime();
        self.reader.with(|reader| *reader = runtime.current());
        let until = match self.platform.listen() {
            Listening::Ready => return,
            Listening::Interrupts => None,
            Listening::Silent => runtime.now().checked_add_duration(LOOK),
        };
        // Whatever ended the sleep: the caller looks.
        let _ = runtime.park(until, BlockReason::Io);
    }

    /// The command line; warnings were given at boot.
    pub(crate) fn command_line(&self) -> CommandLine<'_> {
        CommandLine::parse(self.platform.command_line(), |_| ())
    }

    /// Timer interrupts since entry.
    pub(crate) fn ticks(&self) -> u64 {
        self.platform
            .interrupts()
            .filter(|source| source.name == platform::TIMER)
            .map(|source| source.count)
            .sum()
    }

    /// What is in use now, without what the heap keeps for later: equal before and after any work that gives back all.
    pub(crate) fn in_use(&self) -> InUse {
        // Who does not answer keeps what rests with him: the difference shows.
        let _ = self.everywhere(|kernel, _| {
            kernel.drain_local();
            0
        });
        if let Some(net) = self.net() {
            net.trim();
        }
        self.heap.shrink();
        let heap = self.heap.stats();
        InUse {
            frames: self.frames().stats().allocated(),
            blocks: heap.live_blocks(),
            bytes: heap.requested,
            tables: self.with_tables(|tables| tables.stats().tables),
        }
    }

    /// Walks every invariant of frames, heap, page tables and accounts.
    ///
    /// # Errors
    /// The first that is broken.
    pub fn check(&self) -> Result<(), Corruption> {
        self.frames().check().map_err(Corruption::Allocator)?;
        self.heap.check().map_err(Corruption::Allocator)?;
        self.with_tables(|tables| tables.check()).map_err(Corruption::Tables)?;
        self.accounts.check(&self.platform, &self.frames().stats()).map_err(Corruption::Accounts)
    }
}

/// Figures that a leak would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InUse {
    pub(crate) frames: usize,
    pub(crate) blocks: usize,
    pub(crate) bytes: usize,
    pub(crate) tables: u64,
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, blocks, bytes, tables } = self;
        write!(f, "{frames} frames, {blocks} blocks of {bytes} bytes, {tables} tables")
    }
}

/// A broken invariant, by component.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Corruption {
    /// Frames or heap.
    Allocator(kos_alloc::Corruption),
    /// Page tables.
    Tables(kos_paging::Corruption),
    /// The sums of [`Accounts`].
    Accounts(WrongSum),
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allocator(cause) => cause.fmt(f),
            Self::Tables(cause) => write!(f, "page tables: {cause}"),
            Self::Accounts(cause) => cause.fmt(f),
        }
    }
}

impl core::error::Error for Corruption {}

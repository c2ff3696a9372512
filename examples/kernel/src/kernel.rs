//! [`Kernel`]: the value that boot gives back. A binary keeps it in its own `static`, or a test in a variable.

use core::fmt::{self, Write};

use kos_alloc::{KernelHeap, Locked, Zones};
use kos_paging::Table;

use crate::accounts::{Accounts, WrongSum};
use crate::command_line::CommandLine;
use crate::crew::Crew;
use crate::glue::inject::Injector;
use crate::glue::table_frames::TableFrames;
use crate::log::Log;
use crate::platform::{self, Platform, TimerReport};
use crate::run::{self, End};
use crate::shell::script::{self, Outcome, Sink};
use crate::shell::{self, Next, Status};
use crate::storm::Storm;
use crate::turns::Turns;

/// The physical frames: zones DMA, DMA32 and Normal.
pub type KernelFrames<P> = Zones<'static, <P as Platform>::Env>;

/// The one frame allocator of the kernel, in boot memory: heap and page table share it. Commands can let it fail.
pub(crate) type SharedFrames<P> = &'static Injector<KernelFrames<P>>;

/// The kernel's heap.
pub type Heap<P> = KernelHeap<<P as Platform>::Env, SharedFrames<P>>;

/// The kernel's page table.
pub type KernelTable<P> = Table<<P as Platform>::Format, TableFrames<SharedFrames<P>, <P as Platform>::Phys>>;

/// The kernel on one machine, up and running.
///
/// The fields are dropped in order: all that lies in the machine's memory goes before the machine.
pub struct Kernel<P: Platform> {
    pub(crate) heap: Heap<P>,
    pub(crate) tables: Locked<P::Env, KernelTable<P>>,
    /// Whose turn it is to work on the tables.
    pub(crate) turns: Turns,
    pub(crate) log: Log<P::Env>,
    pub(crate) accounts: Accounts,
    /// The timer that ticks, if one does.
    pub(crate) timer: Option<TimerReport>,
    pub(crate) storm: Storm<P>,
    pub(crate) crew: Crew<P>,
    pub(crate) platform: P,
}

impl<P: Platform> fmt::Debug for Kernel<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}

impl<P: Platform> Kernel<P> {
    /// Does what the command line asks for: shell, script or tests.
    pub fn run(&self) -> End {
        run::run(self)
    }

    /// What each CPU but the first does, once it is online and there is a kernel: it sleeps until there is work for it.
    pub fn run_cpu(&self) -> ! {
        loop {
            self.crew.work(self);
            self.platform.idle(&|| self.crew.has_work(self.platform.cpu()));
        }
    }

    /// Gives back what rests with the calling CPU in the caches of heap and frames. The machine calls it where an allocator's
    /// [`kick`](kos_alloc::Env::kick) asks for it, in interrupt context too.
    pub fn drain_local(&self) {
        self.heap.drain_local();
        self.frames().drain_local();
    }

    /// What the kernel does when the timer of a CPU comes that [`Platform::arm_timer`] armed. The machine calls it there, in
    /// interrupt context, interrupts masked.
    pub fn alarm(&self) {
        self.crew.count_alarm(self.platform.cpu());
    }

    /// What the kernel does at each tick of the timer. The machine calls it in interrupt context, interrupts masked.
    pub fn tick(&self) {
        self.storm.tick(&self.heap);
    }

    /// Runs one command; what it says goes to `out`.
    ///
    /// # Errors
    /// `out` refused.
    pub fn execute(&self, command: &str, out: &mut dyn Write) -> Result<(Status, Next), fmt::Error> {
        shell::execute(self, command, out)
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

    /// Works on the page table that is loaded, alone and with interrupts masked. The calling CPU sleeps until its turn comes:
    /// not in interrupt context, not with interrupts masked.
    pub fn with_tables<R>(&self, work: impl FnOnce(&mut KernelTable<P>) -> R) -> R {
        self.turns.take(&self.platform, || self.tables.with(work))
    }

    /// The command line; warnings were given at boot.
    pub(crate) fn command_line(&self) -> CommandLine<'_> {
        CommandLine::parse(self.platform.command_line(), |_| ())
    }

    /// Timer ticks since entry.
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

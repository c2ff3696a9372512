//! [`Machine`]: a kernel to start, give commands to, and drop, as often as one likes in one process.
//!
//! ```
//! use kos_hosted::{Machine, MachineConfig};
//!
//! let machine = Machine::boot(MachineConfig::with_memory(32 << 20))?;
//! let output = machine.exec("free; memstat");
//! assert!(output.succeeded());
//! # Ok::<(), kos_hosted::MachineError>(())
//! ```

use alloc::sync::Arc;
use core::fmt;
use core::mem::ManuallyDrop;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use kos_demo_kernel::platform::FirmwareRegion;
use kos_demo_kernel::shell::{Status, script::Sink};
use kos_demo_kernel::{BootError, Config, End, Kernel};

use crate::disk::FileDisk;
use crate::engine::{self, Death, Engine, Running};
use crate::firmware;
use crate::guest::Guest;
use crate::platform::{Board, Broken, Console, Hosted, Plan};
use crate::rough::{Befell, Roughness};
use crate::terminal::Terminal;

/// CPUs that a machine can have, if one thread plays them all.
pub const MAX_CPUS: usize = 1024;
/// CPUs that a machine can have, if each is a thread of the host.
const MAX_THREADS: usize = 256;

/// A machine to be built.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Bytes of memory.
    pub memory: u64,
    /// How many CPUs it has, from 1 to [`MAX_CPUS`]; to 256 with [`Engine::Threads`]. A CPU that works for another has a thread for
    /// that, which takes 128 KiB of memory.
    pub cpus: usize,
    /// Who plays them.
    pub engine: Engine,
    /// The firmware's map; `None` for one that fits the memory.
    pub memory_map: Option<Vec<FirmwareRegion>>,
    /// The kernel command line.
    pub command_line: String,
    /// The kernel's limits.
    pub kernel: Config,
    /// The file that is its disk.
    pub disk: Option<PathBuf>,
    /// A cpio archive that is unpacked into its root, if that is in memory.
    pub archive: Option<Vec<u8>>,
    /// What befalls its packets to itself: by the seed of a simulation, else by seed 1.
    pub rough: Roughness,
    /// A device that is not there.
    pub broken: Option<Broken>,
}

impl MachineConfig {
    /// A machine with so many bytes of memory, one CPU, and all else as usual.
    #[must_use]
    pub fn with_memory(memory: u64) -> Self {
        Self {
            memory,
            cpus: 1,
            engine: Engine::default(),
            memory_map: None,
            command_line: String::new(),
            kernel: Config::default(),
            disk: None,
            archive: None,
            rough: Roughness::default(),
            broken: None,
        }
    }

    /// Builds the machine, switches it on and waits until the kernel is up.
    fn start(self, console: Console) -> Result<Machine, MachineError> {
        let most = match self.engine {
            Engine::Sim { .. } => MAX_CPUS,
            Engine::Threads => MAX_THREADS,
        };
        if !(1..=most).contains(&self.cpus) {
            return Err(MachineError::Cpus { asked: self.cpus, most });
        }
        let end = firmware::end_of_memory(self.memory);
        let disk = self.disk.as_deref().map(|path| FileDisk::open(path, false));
        let plan = Plan {
            disk: disk.transpose().map_err(MachineError::Host)?.map(Arc::new),
            memory_map: self.memory_map.unwrap_or_else(|| firmware::map_of(self.memory)),
            command_line: self.command_line.into_bytes(),
            archive: self.archive,
            rough: self.rough,
            console,
            broken: self.broken,
            cpus: self.cpus,
            engine: self.engine,
        };
        let board = Arc::new(Board::new(plan, end).map_err(MachineError::Host)?);
        let guest = Arc::new(Guest::new(Arc::clone(&board), self.kernel));
        let running = Running::start(self.engine, self.cpus, Arc::<Guest>::clone(&guest) as _);
        let machine = Machine { running: Some(running.map_err(MachineError::Host)?), guest, board };
        machine.guest.wait().map_err(MachineError::Died)?;
        match machine.guest.booted() {
            Some(Err(error)) => Err(MachineError::Boot { error: *error, log: machine.log() }),
            _ => Ok(machine),
        }
    }
}

/// A running kernel. Dropped, it is switched off.
#[derive(Debug)]
pub struct Machine {
    running: Option<Running>,
    guest: Arc<Guest>,
    board: Arc<Board>,
}

impl Machine {
    /// Builds the machine and boots the kernel.
    ///
    /// # Errors
    /// The host lacks memory, or the kernel named what it lacks.
    pub fn boot(config: MachineConfig) -> Result<Self, MachineError> {
        config.start(Console::Memory(Mutex::default()))
    }

    /// Runs commands, separated by `;`.
    pub fn exec(&self, commands: &str) -> Output {
        match self.exec_to(commands, Output::default()) {
            Ok((output, end)) => Output { end, ..output },
            Err(death) => Output { death: Some(death), ..Output::default() },
        }
    }

    /// The same for a sink, which gets what they say when they say it; the sink, and the end that a command asked for. The sink is
    /// called by a CPU, and masks signals while it calls the host.
    ///
    /// # Errors
    /// The machine died.
    pub fn exec_to<S: Sink + 'static>(&self, commands: &str, mut sink: S) -> Result<(S, Option<End>), Death> {
        let commands = commands.to_owned();
        self.on_first_cpu(move |kernel| match kernel.on_main_thread(|| kernel.script(&commands, &mut sink)) {
            Ok(outcome) => (sink, outcome.end),
            Err(_) => {
                sink.status(&commands, Status::FAILED);
                (sink, None)
            }
        })
    }

    /// Does what the kernel command line asks for: shell, script or tests.
    ///
    /// # Errors
    /// The machine died.
    pub fn run(&self) -> Result<End, Death> {
        self.on_first_cpu(Kernel::run)
    }

    /// Lets the first CPU do `work`, when it has done what was asked of it before, and waits for that.
    ///
    /// # Errors
    /// The machine died.
    pub fn on_first_cpu<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Kernel<Hosted>) -> R + Send + 'static,
    ) -> Result<R, Death> {
        let result = Arc::new(Mutex::new(None));
        let there = Arc::clone(&result);
        let job = Box::new(move |kernel: &Kernel<Hosted>| {
            let done = work(kernel);
            let _masked = engine::mask_signals();
            *there.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        });
        self.guest.hand_in(job, || self.running.iter().for_each(Running::call))?;
        loop {
            self.guest.wait()?;
            if let Some(done) = result.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Ok(done);
            }
        }
    }

    /// A number that stands for everything that happened on the CPUs of a simulation so far, to the nanosecond; `None` with another
    /// engine.
    #[must_use]
    pub fn history(&self) -> Option<u64> {
        self.on_first_cpu(|_| engine::history()).ok().flatten()
    }

    /// What befell its packets to itself so far, where they were to meet something.
    #[must_use]
    pub fn befell(&self) -> Befell {
        self.board.befell()
    }

    /// What the kernel wrote to the log console so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.board.log()
    }

    /// The kernel, to be looked at from outside: the calling thread is none of its CPUs.
    ///
    /// # Panics
    /// Never: a machine without a kernel is not handed out.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a machine is handed out with a kernel only")]
    pub fn kernel(&self) -> &Kernel<Hosted> {
        self.guest.booted().and_then(|booted| booted.as_ref().ok()).expect("the kernel has booted")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.guest.close();
        drop(self.running.take());
        if self.guest.has_died() {
            // Its CPUs stopped in the middle of something: what they held is not to be touched again.
            let _ = ManuallyDrop::new(Arc::clone(&self.guest));
        }
    }
}

/// Boots a kernel on this process's terminal and runs its shell to the end.
///
/// # Errors
/// The terminal refuses, the host lacks memory, the kernel named what it lacks, or the machine died.
pub fn interactive(config: MachineConfig) -> Result<End, MachineError> {
    let terminal = Terminal::open().map_err(MachineError::Host)?;
    config.start(Console::Terminal(terminal))?.run().map_err(MachineError::Died)
}

/// What commands said, and how each ended.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The bytes, as a terminal would get them.
    pub bytes: Vec<u8>,
    /// Each command with its status, in order.
    pub statuses: Vec<(String, Status)>,
    /// The end that a command asked for.
    pub end: Option<End>,
    /// Why nothing more was heard of the machine.
    pub death: Option<Death>,
}

impl Output {
    /// Whether every command succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.death.is_none() && self.statuses.iter().all(|(_, status)| *status == Status::SUCCESS)
    }

    /// The bytes as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Sink for Output {
    fn output(&mut self, bytes: &[u8]) -> fmt::Result {
        let _masked = engine::mask_signals();
        self.bytes.extend(bytes);
        Ok(())
    }

    fn status(&mut self, command: &str, status: Status) {
        let _masked = engine::mask_signals();
        self.statuses.push((command.to_owned(), status));
    }
}

/// What commands say, to standard output at once; which of them failed.
#[derive(Debug, Default)]
pub struct Spoken {
    /// Each command that failed with its status, in order.
    pub failed: Vec<(String, Status)>,
}

impl Sink for Spoken {
    fn output(&mut self, bytes: &[u8]) -> fmt::Result {
        let _masked = engine::mask_signals();
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|_| fmt::Error)
    }

    fn status(&mut self, command: &str, status: Status) {
        let _masked = engine::mask_signals();
        if status != Status::SUCCESS {
            self.failed.push((command.to_owned(), status));
        }
    }
}

/// Why there is no machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum MachineError {
    /// The host could not provide memory or terminal.
    Host(io::Error),
    /// No machine has so many CPUs.
    Cpus {
        /// As many were asked for.
        asked: usize,
        /// As many there can be.
        most: usize,
    },
    /// It died while it booted, or later.
    Died(Death),
    /// The kernel did not come up.
    Boot {
        /// The stage and the cause.
        error: BootError,
        /// What it wrote until then.
        log: String,
    },
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => write!(f, "the host refuses: {error}"),
            Self::Cpus { asked, most } => write!(f, "{asked} CPUs: a machine like this has 1 to {most}"),
            Self::Died(death) => death.fmt(f),
            Self::Boot { error, .. } => error.fmt(f),
        }
    }
}

impl core::error::Error for MachineError {}

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
use std::io;
use std::sync::{Mutex, PoisonError};

use kos_demo_kernel::platform::FirmwareRegion;
use kos_demo_kernel::shell::{Status, script::Sink};
use kos_demo_kernel::{BootError, Config, End, Kernel};

use crate::firmware;
use crate::platform::{Broken, Console, Hosted};
use crate::terminal::Terminal;

/// A machine to be built.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// Bytes of memory.
    pub memory: u64,
    /// The firmware's map; `None` for one that fits the memory.
    pub memory_map: Option<Vec<FirmwareRegion>>,
    /// The kernel command line.
    pub command_line: String,
    /// The kernel's limits.
    pub kernel: Config,
    /// A device that is not there.
    pub broken: Option<Broken>,
}

impl MachineConfig {
    /// A machine with so many bytes of memory and all else as usual.
    #[must_use]
    pub fn with_memory(memory: u64) -> Self {
        Self {
            memory,
            memory_map: None,
            command_line: String::new(),
            kernel: Config::default(),
            broken: None,
        }
    }

    fn build(self, console: Console) -> Result<Kernel<Hosted>, MachineError> {
        let end = firmware::end_of_memory(self.memory);
        let map = self.memory_map.unwrap_or_else(|| firmware::map_of(self.memory));
        let hosted = Hosted::new(map, end, self.command_line.into_bytes(), console, self.broken)
            .map_err(MachineError::Host)?;
        Kernel::boot(hosted, self.kernel).map_err(|error| MachineError::Boot { error, log: String::new() })
    }
}

/// A running kernel.
#[derive(Debug)]
pub struct Machine {
    kernel: Kernel<Hosted>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Machine {
    /// Builds the machine and boots the kernel.
    ///
    /// # Errors
    /// The host lacks memory, or the kernel named what it lacks.
    pub fn boot(config: MachineConfig) -> Result<Self, MachineError> {
        let log = Arc::new(Mutex::new(Vec::new()));
        match config.build(Console::Memory(Arc::clone(&log))) {
            Ok(kernel) => Ok(Self { kernel, log }),
            Err(MachineError::Boot { error, .. }) => Err(MachineError::Boot { error, log: text_of(&log) }),
            Err(error) => Err(error),
        }
    }

    /// Runs commands, separated by `;`.
    pub fn exec(&self, commands: &str) -> Output {
        let mut output = Output::default();
        match self.kernel.on_main_thread(|| self.kernel.script(commands, &mut output)) {
            Ok(outcome) => output.end = outcome.end,
            Err(_) => output.statuses.push((commands.to_owned(), Status::FAILED)),
        }
        output
    }

    /// What the kernel wrote to the log console so far.
    #[must_use]
    pub fn log(&self) -> String {
        text_of(&self.log)
    }

    /// The kernel.
    #[must_use]
    pub const fn kernel(&self) -> &Kernel<Hosted> {
        &self.kernel
    }
}

/// Boots a kernel on this process's terminal and runs its shell to the end.
///
/// # Errors
/// The terminal refuses, the host lacks memory, or the kernel named what it lacks.
pub fn interactive(config: MachineConfig) -> Result<End, MachineError> {
    let terminal = Terminal::open().map_err(MachineError::Host)?;
    Ok(config.build(Console::Terminal(terminal))?.run())
}

fn text_of(log: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
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
}

impl Output {
    /// Whether every command succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.statuses.iter().all(|(_, status)| *status == Status::SUCCESS)
    }

    /// The bytes as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Sink for Output {
    fn output(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    fn status(&mut self, command: &str, status: Status) {
        self.statuses.push((command.to_owned(), status));
    }
}

/// Why there is no machine.
#[derive(Debug)]
#[non_exhaustive]
pub enum MachineError {
    /// The host could not provide memory or terminal.
    Host(io::Error),
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
            Self::Boot { error, .. } => error.fmt(f),
        }
    }
}

impl core::error::Error for MachineError {}

//! Runs of a simulated machine, one a seed: [`simulate`], [`sweep`].
//!
//! ```
//! use kos_hosted::{MachineConfig, simulate};
//!
//! let mut config = MachineConfig { cpus: 2, ..MachineConfig::with_memory(32 << 20) };
//! config.command_line = String::from("mode=test filter=smp::every");
//! let (first, again) = (simulate(&config, 7)?, simulate(&config, 7)?);
//! assert!(first.succeeded());
//! assert_eq!((first.log, first.history), (again.log, again.history));
//! # Ok::<(), kos_hosted::MachineError>(())
//! ```

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use kos_demo_kernel::{End, Platform};

use crate::disk::Fresh;
use crate::engine::{self, Death, Engine};
use crate::machine::{Machine, MachineConfig, MachineError};
use crate::rough::Befell;

/// What came of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What the kernel wrote to the log console, its tests among it.
    pub log: String,
    /// How it ended.
    pub end: Result<End, Death>,
    /// Virtual time from the start to the end, in nanoseconds. 0 if it died.
    pub took_ns: u64,
    /// Stands for every turn and every interrupt with its time. 0 if it died.
    pub history: u64,
    /// What befell packets of the machine to itself, if anything was to.
    pub befell: Befell,
}

impl Run {
    /// Whether everything succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.end == Ok(End::Success)
    }

    /// Why it did not, in a line: the first test that failed, or the death.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match &self.end {
            Ok(End::Success) => None,
            Err(death) => Some(death.to_string()),
            Ok(_) => {
                let line = self.log.lines().find(|line| line.starts_with("not ok "));
                Some(line.unwrap_or("it ended without success").to_owned())
            }
        }
    }

    /// A number that stands for the log and the history (FNV-1a).
    #[must_use]
    pub fn digest(&self) -> u64 {
        let bytes = self.log.bytes().chain(self.history.to_le_bytes());
        bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

/// Boots the machine with this seed and does what its command line asks for. With an odd seed it has a fresh disk with an empty kosfs, if
/// none is given; how long requests to a disk and packets take is the seed's choice, too.
///
/// # Errors
/// The host lacks memory, or the kernel named what it lacks.
pub fn simulate(config: &MachineConfig, seed: u64) -> Result<Run, MachineError> {
    let fresh = (seed % 2 == 1 && config.disk.is_none()).then(|| Fresh::new(seed));
    let fresh = fresh.transpose().map_err(MachineError::Host)?;
    let disk = config.disk.clone().or_else(|| fresh.as_ref().map(Fresh::path));
    let machine = Machine::boot(MachineConfig { engine: Engine::Sim { seed }, disk, ..config.clone() })?;
    let ended = machine.on_first_cpu(|kernel| {
        let end = kernel.run();
        (end, kernel.platform().now().as_ticks(), engine::history().unwrap_or(0))
    });
    let (end, took_ns, history) = match ended {
        Ok((end, took_ns, history)) => (Ok(end), took_ns, history),
        Err(death) => (Err(death), 0, 0),
    };
    Ok(Run { log: machine.log(), end, took_ns, history, befell: machine.befell() })
}

/// Runs every seed on as many threads as the host has CPUs, and tells of each in any order.
pub fn sweep(
    config: &MachineConfig,
    seeds: Range<u64>,
    tell: impl FnMut(u64, Result<Run, MachineError>) + Send,
) {
    let (next, tell) = (AtomicU64::new(seeds.start), Mutex::new(tell));
    let work = || {
        while let Some(seed) = Some(next.fetch_add(1, Relaxed)).filter(|seed| seeds.contains(seed)) {
            let run = simulate(config, seed);
            (tell.lock().unwrap_or_else(PoisonError::into_inner))(seed, run);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}

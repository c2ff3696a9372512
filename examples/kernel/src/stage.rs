//! Boot stages: one line each, with the time since entry, the name, how it went, and figures.
//!
//! ```text
//! [    0.000812] memory   ok        9 entries: 127.4 MiB usable, 580.0 KiB firmware
//! [    0.001270] timer    degraded  local APIC is absent: no ticks
//! ```

use core::fmt::{self, Write};

use crate::error::{BootError, Cause};
use crate::log::Ring;
use crate::platform::Platform;
use crate::text::Text;

/// A step of the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The machine hands over.
    Entry,
    /// The firmware's memory map is made sane and counted.
    Memory,
    /// The bump allocator takes what the boot itself needs.
    Bump,
    /// Free memory goes to the buddy allocator.
    Frames,
    /// The final page tables are built and loaded.
    Paging,
    /// The heap starts.
    Heap,
    /// Traps are taken and survived.
    Traps,
    /// What the firmware says of the machine.
    Firmware,
    /// The timer runs.
    Timer,
    /// The other CPUs start.
    Cpus,
    /// What people see and type at.
    Console,
    /// Threads can run.
    Scheduler,
    /// The disk works.
    Devices,
    /// Files can be used.
    Files,
    /// The network can be used.
    Net,
    /// Users, the policy of programs, the record of what people do.
    Init,
    /// What shall always run is started.
    Services,
    /// The kernel is up.
    Shell,
}

impl Stage {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 18] = [
        Self::Entry,
        Self::Memory,
        Self::Bump,
        Self::Frames,
        Self::Paging,
        Self::Heap,
        Self::Traps,
        Self::Firmware,
        Self::Timer,
        Self::Cpus,
        Self::Console,
        Self::Scheduler,
        Self::Devices,
        Self::Files,
        Self::Net,
        Self::Init,
        Self::Services,
        Self::Shell,
    ];
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Entry => "entry",
            Self::Memory => "memory",
            Self::Bump => "bump",
            Self::Frames => "frames",
            Self::Paging => "paging",
            Self::Heap => "heap",
            Self::Traps => "traps",
            Self::Firmware => "firmware",
            Self::Timer => "timer",
            Self::Cpus => "cpus",
            Self::Console => "console",
            Self::Scheduler => "sched",
            Self::Devices => "devices",
            Self::Files => "vfs",
            Self::Net => "net",
            Self::Init => "init",
            Self::Services => "services",
            Self::Shell => "shell",
        })
    }
}

/// Runs stages and prints their lines; keeps the lines for `dmesg`.
pub(crate) struct Stages<'p, P> {
    platform: &'p P,
    ring: Ring<'static>,
    /// Lines from before the ring had memory.
    early: heapless::String<2048>,
}

impl<'p, P: Platform> Stages<'p, P> {
    pub(crate) const fn new(platform: &'p P) -> Self {
        Self { platform, ring: Ring::empty(), early: heapless::String::new() }
    }

    /// The first line.
    pub(crate) fn greet(&mut self) {
        let mut line = heapless::String::<128>::new();
        // A machine's name is a few words.
        let _ = writeln!(line, "kos {} on {}", env!("CARGO_PKG_VERSION"), self.platform.name());
        self.write(&line);
    }

    /// Runs one stage. `work` writes its figures.
    pub(crate) fn run<T>(
        &mut self,
        stage: Stage,
        work: impl FnOnce(&mut Notes<'_, 'p, P>) -> Result<T, Cause>,
    ) -> Result<T, BootError> {
        let mut notes = Notes { stages: self, stage, figures: Text::default(), degraded: false };
        let result = work(&mut notes);
        let Notes { figures, degraded, .. } = notes;
        match result {
            Ok(value) => {
                self.print(stage, if degraded { "degraded" } else { "ok" }, format_args!("{figures}"));
                Ok(value)
            }
            Err(cause) => {
                self.print(stage, "FAILED", format_args!("{cause}"));
                Err(BootError { stage, cause })
            }
        }
    }

    /// From now on lines are kept in `ring`, the earlier ones too.
    pub(crate) fn keep_in(&mut self, mut ring: Ring<'static>) {
        ring.write(self.early.as_bytes());
        self.ring = ring;
    }

    /// The kept lines.
    pub(crate) fn into_ring(self) -> Ring<'static> {
        self.ring
    }

    /// The kept lines of somebody who has no ring.
    pub(crate) fn early(&self) -> &str {
        &self.early
    }

    fn print(&mut self, stage: Stage, state: &str, what: fmt::Arguments<'_>) {
        let micros = self.platform.now().duration_since_epoch().as_micros();
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let mut line = heapless::String::<256>::new();
        // Figures are cut at 160 bytes: the line has room for them.
        let _ = writeln!(line, "[{seconds:>5}.{micros:06}] {stage:<8} {state:<9} {what}");
        self.write(&line);
    }

    fn write(&mut self, line: &str) {
        self.platform.write_log(line.as_bytes());
        if self.ring.has_no_memory() {
            // Warnings of a mad memory map may fill it: the console has them all.
            let _ = self.early.push_str(line);
        } else {
            self.ring.write(line.as_bytes());
        }
    }
}

/// What a running stage can say: figures for its line, warnings as lines of their own.
pub(crate) struct Notes<'s, 'p, P> {
    stages: &'s mut Stages<'p, P>,
    stage: Stage,
    figures: Text,
    degraded: bool,
}

impl<P: Platform> Notes<'_, '_, P> {
    /// The figures of the stage's line.
    pub(crate) fn figures(&mut self, figures: fmt::Arguments<'_>) {
        self.figures = Text::new(figures);
    }

    /// The same, and the stage's work is only partly done.
    pub(crate) fn degraded(&mut self, why: fmt::Arguments<'_>) {
        self.figures(why);
        self.degraded = true;
    }

    /// A line of its own, at once.
    pub(crate) fn warn(&mut self, what: fmt::Arguments<'_>) {
        self.stages.print(self.stage, "warning", what);
    }

    /// See [`Stages::keep_in`].
    pub(crate) fn keep_in(&mut self, ring: Ring<'static>) {
        self.stages.keep_in(ring);
    }
}

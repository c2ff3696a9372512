//! What the boot left: sums, log, command line.

use core::fmt::{self, Write};

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::stage::Stage;

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "boot::memory_adds_up_to_the_map", run: sums },
        Test { name: "boot::every_stage_is_in_the_log", run: log },
        Test { name: "boot::invariants_hold", run: invariants },
    ]
}

fn sums<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let accounts = kernel.accounts();
    accounts.check(kernel.platform(), &kernel.frames().stats())?;
    ensure!(accounts.usable_frames > 0, "no usable memory, but a kernel");
    let metadata = accounts.reserved_by_name().find(|(name, _)| *name == "boot metadata");
    ensure!(metadata.is_some_and(|(_, frames)| frames > 0), "boot metadata takes no frame");
    Ok(())
}

fn log<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let stages = [Stage::Entry, Stage::Memory, Stage::Bump, Stage::Frames, Stage::Paging, Stage::Heap];
    let rest = [Stage::Traps, Stage::Timer, Stage::Cpus, Stage::Console, Stage::Scheduler, Stage::Shell];
    for stage in stages.into_iter().chain(rest) {
        let mut search = Search { stage, found: false, line: heapless::String::new() };
        kernel.log().copy_to(&mut search)?;
        ensure!(search.found, "no line of stage {stage}");
    }
    Ok(())
}

fn invariants<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    Ok(kernel.check()?)
}

/// Looks for the line of a stage in the log.
struct Search {
    stage: Stage,
    found: bool,
    line: heapless::String<256>,
}

impl Write for Search {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character != '\n' {
                // The name stands at the start of a line: what does not fit does not matter.
                let _ = self.line.push(character);
                continue;
            }
            let behind_time = self.line.split_once("] ").map_or("", |(_, rest)| rest);
            let mut words = behind_time.split_ascii_whitespace();
            let mut name = heapless::String::<16>::new();
            write!(name, "{}", self.stage)?;
            self.found |=
                words.next() == Some(name.as_str()) && matches!(words.next(), Some("ok" | "degraded"));
            self.line.clear();
        }
        Ok(())
    }
}

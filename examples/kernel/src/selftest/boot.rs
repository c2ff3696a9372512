//! What the boot left: sums, log, command line.

use core::fmt::{self, Write};

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::{FirmwareKind, Platform};
use crate::stage::Stage;

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "boot::memory_adds_up_to_the_map", run: sums },
        Test { name: "boot::every_stage_is_in_the_log", run: log },
        Test { name: "boot::invariants_hold", run: invariants },
        Test { name: "boot::each_usable_byte_is_near_one_node", run: near },
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
    for stage in Stage::ALL {
        let mut search = Search { stage, found: false, line: heapless::String::new() };
        kernel.log().copy_to(&mut search)?;
        ensure!(search.found, "no line of stage {stage}");
    }
    Ok(())
}

fn invariants<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    Ok(kernel.check()?)
}

fn near<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let platform = kernel.platform();
    if platform.node_memory().next().is_none() {
        return Err(Failure::skip(format_args!("the firmware tells no nodes apart")));
    }
    for usable in platform.memory_map().filter(|entry| entry.kind == FirmwareKind::Usable) {
        let end = usable.start.saturating_add(usable.length);
        let shared = platform.node_memory().map(|piece| {
            let (first, last) =
                (piece.start.max(usable.start), piece.start.saturating_add(piece.length).min(end));
            last.saturating_sub(first)
        });
        let near: u64 = shared.sum();
        ensure!(near == usable.length, "{near:#x} bytes of {:#x} from {:#x}", usable.length, usable.start);
    }
    let lost = platform.cpus().find(|cpu| platform.node_of(cpu.number).is_none());
    ensure!(lost.is_none(), "CPU {lost:?} is of no node");
    Ok(())
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

//! `free`: where all memory is, and that the sums hold.

use core::fmt::{self, Write};

use kos_alloc::HeapStats;

use crate::Kernel;
use crate::accounts::{Accounts, FRAME_BYTES};
use crate::owners::Owners;
use crate::platform::{FirmwareKind, Platform};
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::{Bytes, Grouped, Text};

/// How bytes are written.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Kib,
    Human,
}

impl Unit {
    fn parse(arguments: &[&str]) -> Result<Self, CommandError> {
        match arguments {
            [] => Ok(Self::Kib),
            ["-b"] => Ok(Self::Bytes),
            ["-h"] => Ok(Self::Human),
            [.., word] => Err(CommandError::Usage(Text::new(format_args!("unexpected '{word}'")))),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Kib => "KiB",
            Self::Human => "",
        }
    }

    fn of(self, bytes: u64) -> Text {
        match self {
            Self::Bytes => Text::new(format_args!("{}", Grouped(bytes))),
            Self::Kib => Text::new(format_args!("{}", Grouped(bytes / 1024))),
            Self::Human => Text::new(format_args!("{}", Bytes(bytes))),
        }
    }

    fn of_frames(self, frames: usize) -> Text {
        self.of(frames as u64 * FRAME_BYTES)
    }
}

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let unit = Unit::parse(arguments)?;
    let (accounts, frames) = (kernel.accounts(), kernel.frames().stats());
    let head = ["total", "used", "free", "reserved"];
    writeln!(out, "{:<9}{:>17}{:>17}{:>17}{:>17}", unit.name(), head[0], head[1], head[2], head[3])?;
    let memory = [accounts.usable_frames, frames.allocated(), frames.free, accounts.reserved_frames()];
    let [total, used, free, reserved] = memory.map(|frames| unit.of_frames(frames));
    writeln!(out, "{:<9}{total:>17}{used:>17}{free:>17}{reserved:>17}", "memory")?;
    write!(out, "{:<9}{:>17}   ", "firmware", unit.of(accounts.firmware_bytes()))?;
    firmware(accounts, unit, out)?;
    accounts.check(kernel.platform(), &frames)?;
    let map = unit.of(accounts.map_bytes);
    writeln!(out, "{:<9}{map:>17}   = used + free + reserved + firmware, to the byte", "map")?;
    write!(out, "{:<9}{reserved:>17}   ", "reserved")?;
    for (index, (name, frames)) in accounts.reserved_by_name().enumerate() {
        write!(out, "{} {name} {}", if index == 0 { "=" } else { " +" }, unit.of_frames(frames))?;
    }
    writeln!(out)?;
    owners(kernel, unit, out)
}

/// Whose the frames are that are used.
fn owners<P: Platform>(kernel: &Kernel<P>, unit: Unit, out: &mut dyn Write) -> CommandResult {
    let (owners, checked) = Owners::seen(kernel);
    let of = |frames: u64| unit.of(frames * FRAME_BYTES);
    let (used, own, programs) = (of(owners.used), of(owners.kernel()), of(owners.programs));
    writeln!(out, "{:<9}{used:>17}   = kernel {own} + programs {programs}", "used")?;
    write!(out, "{:<9}{own:>17}   ", "kernel")?;
    for (index, (name, frames)) in owners.of_kernel().iter().filter(|(_, frames)| *frames > 0).enumerate() {
        write!(out, "{} {name} {}", if index == 0 { "=" } else { " +" }, of(*frames))?;
    }
    writeln!(out)?;
    checked?;
    heap(&kernel.heap().stats(), unit, out)?;
    let clean = kernel.files().map_or(0, |files| files.vfs().stats().cache.clean);
    let clean = unit.of(u64::from(clean) * FRAME_BYTES);
    writeln!(
        out,
        "{:<11}{clean:>15}   clean pages of files; gc gives them back, and slabs that are empty",
        "reclaimable"
    )?;
    writeln!(out, "{:<11}{:>15}   there is none", "swap", unit.of(0))?;
    Ok(Next::Continue)
}

/// What the heap has its frames for.
fn heap(stats: &HeapStats, unit: Unit, out: &mut dyn Write) -> fmt::Result {
    let frames = |frames: usize| frames as u64 * FRAME_BYTES;
    let parts = [
        ("slabs", stats.slab_bytes() as u64),
        ("large", frames(stats.large.frames)),
        ("pool", frames(stats.simple.frames)),
        ("map", frames(stats.page_map_frames)),
        ("caches", frames(stats.cache_frames)),
    ];
    write!(out, "{:<11}{:>15}   ", "heap", unit.of(frames(stats.frames)))?;
    for (index, (name, bytes)) in parts.iter().filter(|(_, bytes)| *bytes > 0).enumerate() {
        write!(out, "{} {name} {}", if index == 0 { "=" } else { " +" }, unit.of(*bytes))?;
    }
    writeln!(out)
}

/// What the firmware keeps, by kind.
fn firmware(accounts: &Accounts, unit: Unit, out: &mut dyn Write) -> fmt::Result {
    let mut separator = "= ";
    for (kind, &bytes) in FirmwareKind::ALL.iter().zip(&accounts.firmware).filter(|(_, bytes)| **bytes > 0) {
        let name = match kind {
            FirmwareKind::Usable => Text::new(format_args!("edges")),
            FirmwareKind::Reserved => Text::new(format_args!("reserved or devices")),
            kind => Text::new(format_args!("{kind}")),
        };
        write!(out, "{separator}{name} {}", unit.of(bytes))?;
        separator = " + ";
    }
    writeln!(out)
}

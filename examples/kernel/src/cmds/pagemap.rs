//! `pagemap`: the page table as runs of like leaves, each with its rights and the name that the machine gives it.

use core::fmt::Write;

use kos_paging::{Flags, Mapping, MemoryType};

use super::no_arguments;
use crate::Kernel;
use crate::platform::{Mapping as Piece, Platform, Rights};
use crate::shell::{CommandResult, Next};
use crate::text::{Bytes, Text};

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    writeln!(out, "{:<18} {:<18} {:>12} {:<6} {:<7} name", "first", "last", "physical", "rights", "leaf")?;
    let (mut bytes, mut index) = (0, 0);
    // Printed without the lock: a run is fetched by its number.
    while let Some(run) = kernel.with_tables(|tables| tables.runs().nth(index)) {
        let run = run?;
        bytes += run.range.bytes();
        index += 1;
        let rights = rights(&run);
        let leaf = Text::new(format_args!("{}", Bytes(run.leaf_bytes)));
        writeln!(
            out,
            "{:#018x} {:#018x} {:>#12x} {rights:<6} {leaf:<7} {}",
            run.range.first(),
            run.range.last(),
            run.phys,
            name(kernel, &run)
        )?;
    }
    guards(kernel, out)?;
    writeln!(out, "rights: r read, w write, x execute, u user, g global, d device (uncached)")?;
    let tables = kernel.with_tables(|tables| tables.stats().tables);
    writeln!(out, "{index} runs, {} mapped, {tables} tables ({})", Bytes(bytes), Bytes(tables * 4096))?;
    Ok(Next::Continue)
}

/// A run without a name.
pub(super) fn line(run: &Mapping, out: &mut dyn Write) -> core::fmt::Result {
    let (first, last) = (run.range.first(), run.range.last());
    let leaf = Text::new(format_args!("{}", Bytes(run.leaf_bytes)));
    writeln!(out, "{first:#018x} {last:#018x} {:>#12x} {:<6} {leaf}", run.phys, rights(run))
}

/// `rwx` as far as allowed, `g` for global, `u` for user, `d` for uncached device memory.
fn rights(run: &Mapping) -> Text {
    let flags = [
        (run.attrs.flags.contains(Flags::READ), 'r'),
        (run.attrs.flags.contains(Flags::WRITE), 'w'),
        (run.attrs.flags.contains(Flags::EXECUTE), 'x'),
        (run.attrs.flags.contains(Flags::USER), 'u'),
        (run.attrs.flags.contains(Flags::GLOBAL), 'g'),
        (run.attrs.memory != MemoryType::WriteBack, 'd'),
    ];
    let mut text = Text::default();
    for (on, letter) in flags {
        // Six letters fit.
        let _ = text.write_char(if on { letter } else { '-' });
    }
    text
}

/// The machine's name for what lies there; of the direct map, also what is sealed in it.
fn name<P: Platform>(kernel: &Kernel<P>, run: &Mapping) -> Text {
    let (first, phys) = (run.range.first().get(), run.phys.get());
    let pieces = || kernel.platform().mappings().filter(|piece| piece.rights != Rights::Guard);
    if let Some(piece) = pieces().find(|piece| piece.virt <= first && first - piece.virt < piece.length) {
        return Text::new(format_args!("{}", piece.name));
    }
    let mut text = Text::new(format_args!("direct map"));
    let sealed = |piece: &Piece| matches!(piece.rights, Rights::ReadExecute | Rights::Read);
    let within = |piece: &Piece| piece.phys >= phys && piece.phys - phys < run.range.bytes();
    for (index, piece) in pieces().filter(sealed).filter(within).enumerate() {
        // More names than a line holds are cut.
        let _ = write!(text, "{} {}", if index == 0 { " of" } else { "," }, piece.name);
    }
    text
}

fn guards<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    for guard in kernel.platform().mappings().filter(|piece| piece.rights == Rights::Guard) {
        let last = guard.virt.wrapping_add(guard.length).wrapping_sub(1);
        writeln!(
            out,
            "{:#018x} {last:#018x} {:>12} {:<6} {:<7} {}",
            guard.virt, "", "------", "none", guard.name
        )?;
    }
    Ok(Next::Continue)
}

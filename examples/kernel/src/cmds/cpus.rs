//! `lscpu`, `irq`: the CPUs, and what interrupts them.

use core::fmt::Write;

use kos_alloc::CpuIndex;

use super::no_arguments;
use crate::Kernel;
use crate::platform::{InterruptCount, Platform};
use crate::shell::{CommandError, CommandResult, Next};
use crate::text::{Grouped, Text};

/// Most CPUs whose counts stand beside each other.
const COLUMNS: usize = 8;

pub(super) fn lscpu<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    no_arguments(arguments)?;
    let platform = kernel.platform();
    let (listed, online) = (platform.cpus().count(), kernel.online().count());
    writeln!(out, "{listed} listed, {online} online, {} out of reach", platform.cpus_beyond())?;
    if let Some(fault) = platform.cpu_list_fault() {
        writeln!(out, "the list is this CPU alone: {fault}")?;
    }
    for (wanted, word) in [(true, "features"), (false, "without")] {
        write!(out, "{word:<9}")?;
        for (name, _) in platform.features().filter(|&(_, present)| present == wanted) {
            write!(out, " {name}")?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{:>4} {:>5} {:>14}  state", "cpu", "apic", "interrupts")?;
    for cpu in platform.cpus() {
        let taken: u64 = platform.interrupts_on(cpu.number).map(|source| source.count).sum();
        let mark = if cpu.number == platform.cpu() { ", runs this" } else { "" };
        writeln!(out, "{:>4} {:>5} {:>14}  {}{mark}", cpu.number.0, cpu.id, Grouped(taken), cpu.state)?;
    }
    Ok(Next::Continue)
}

pub(super) fn irq<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    let mut columns = heapless::Vec::<CpuIndex, COLUMNS>::new();
    match arguments {
        // More than fit are not shown one by one.
        [] if kernel.online().count() <= COLUMNS => columns.extend(kernel.online()),
        [] => {}
        [word] => drop(columns.push(number(kernel, word)?)),
        [_, extra, ..] => return Err(CommandError::Usage(Text::new(format_args!("unexpected '{extra}'")))),
    }
    let on = |cpu: CpuIndex, vector| {
        let same = |source: &InterruptCount| source.vector == vector;
        kernel.platform().interrupts_on(cpu).filter(same).map(|source| source.count).sum::<u64>()
    };
    write!(out, "{:>6} {:>12}", "vector", "all")?;
    columns.iter().try_for_each(|cpu| write!(out, " {:>7} {:<2}", "cpu", cpu.0))?;
    writeln!(out, "  name")?;
    let mut total = 0;
    for source in kernel.platform().interrupts().filter(|source| source.count > 0) {
        total += source.count;
        write!(out, "{:>6} {:>12}", source.vector, Grouped(source.count))?;
        columns.iter().try_for_each(|&cpu| write!(out, " {:>10}", Grouped(on(cpu, source.vector))))?;
        writeln!(out, "  {}", source.name)?;
    }
    writeln!(out, "{:>6} {:>12}", "all", Grouped(total))?;
    Ok(Next::Continue)
}

/// The CPU that a word names.
fn number<P: Platform>(kernel: &Kernel<P>, word: &str) -> Result<CpuIndex, CommandError> {
    let cpu = word.parse().ok().map(CpuIndex).filter(|&cpu| kernel.online().any(|online| online == cpu));
    cpu.ok_or_else(|| CommandError::Usage(Text::new(format_args!("no CPU '{word}' is online"))))
}

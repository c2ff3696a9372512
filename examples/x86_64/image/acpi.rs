//! The CPUs and interrupt lines that the firmware lists, copied out of its tables.

use heapless::Vec;
use kos_demo_kernel::text::Text;
use kos_x86_64::acpi::{AcpiError, Entry, Hpet, IoApicEntry, Madt, Override, Srat};
use kos_x86_64::nodes::Nodes;
use kos_x86_64::roster::Roster;
use raw_cpuid::CpuId;

use crate::boot_info::BootMemory;

/// IO-APICs that are used.
pub(crate) const IO_APICS: usize = 16;
const OVERRIDES: usize = 16;

/// Where interrupt lines end.
#[derive(Debug, Default)]
pub(crate) struct Wiring {
    pub(crate) io_apics: Vec<IoApicEntry, IO_APICS>,
    pub(crate) overrides: Vec<Override, OVERRIDES>,
}

/// What is near what, as far as the firmware says so in a way that can be.
pub(crate) fn nodes(rsdp: u64) -> (Nodes, Option<Text>) {
    let found = Srat::find(&BootMemory, rsdp);
    let nodes = match &found {
        Ok(Some(srat)) => Nodes::new(srat.entries()).map_err(|error| Text::new(format_args!("{error}"))),
        Ok(None) => Ok(Nodes::default()),
        Err(error) => Err(Text::new(format_args!("{error}"))),
    };
    match nodes {
        Ok(nodes) => (nodes, None),
        Err(fault) => (Nodes::default(), Some(fault)),
    }
}

/// The timer that counts beside the PIT, or in its place.
pub(crate) fn hpet(rsdp: u64) -> Result<Option<Hpet>, AcpiError> {
    Hpet::find(&BootMemory, rsdp)
}

/// What the firmware lists. Without a list that can be used there is one CPU, the one that runs this.
pub(crate) fn read(rsdp: u64) -> (Roster, Wiring, Result<(), AcpiError>) {
    let own = CpuId::new().get_feature_info().map_or(0, |features| features.initial_local_apic_id());
    let madt = match Madt::find(&BootMemory, rsdp) {
        Ok(madt) => madt,
        Err(error) => return (Roster::new(own, core::iter::empty()), Wiring::default(), Err(error)),
    };
    let cpus = madt.entries().filter_map(|entry| match entry {
        Entry::Cpu(cpu) => cpu.enabled.then_some(cpu.apic_id),
        _ => None,
    });
    let mut wiring = Wiring::default();
    for entry in madt.entries() {
        // More than there is room for no machine has: 16 lines, some IO-APICs. What does not fit is not used.
        match entry {
            Entry::IoApic(io_apic) => drop(wiring.io_apics.push(io_apic)),
            Entry::Override(wire) => drop(wiring.overrides.push(wire)),
            Entry::Cpu(_) => {}
        }
    }
    (Roster::new(own, cpus), wiring, Ok(()))
}

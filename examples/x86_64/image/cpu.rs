//! What this CPU can do, and its protections turned on.

use kos_paging::{LongCaps, MemorySlots, X86Long};
use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// Protections that CR4 controls, and numbers of spaces: bit, name, whether the CPU has it.
fn optional() -> [(Cr4Flags, &'static str, bool); 4] {
    let (features, older) = (CpuId::new().get_extended_feature_info(), CpuId::new().get_feature_info());
    let has = |test: fn(&raw_cpuid::ExtendedFeatures) -> bool| features.as_ref().is_some_and(test);
    // Numbers of spaces are of use only where all of them can be dropped.
    let pcid = older.is_some_and(|features| features.has_pcid()) && has(|features| features.has_invpcid());
    [
        (Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, "smep", has(|features| features.has_smep())),
        (Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, "smap", has(|features| features.has_smap())),
        (Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, "umip", has(|features| features.has_umip())),
        (Cr4Flags::PCID, "pcid", pcid),
    ]
}

/// Turns on every protection that the CPU has, and lets TLBs keep what stays true across a switch; NX was turned on at entry.
/// The kernel's own tables are loaded.
pub(crate) fn protect() {
    let wanted = optional().into_iter().filter(|&(.., present)| present);
    let global = CpuId::new().get_feature_info().is_some_and(|features| features.has_pge());
    let first = if global { Cr4Flags::PAGE_GLOBAL } else { Cr4Flags::empty() };
    let bits = wanted.fold(first, |bits, (bit, ..)| bits | bit);
    // SAFETY: SMEP, SMAP and UMIP refuse the kernel what it does not do: it has no user pages yet. CR3 names space 0, as it must
    // where numbers begin to count, and whoever drops translations asks what CR4 says.
    unsafe { Cr4::update(|flags| *flags |= bits) };
    // SAFETY: the kernel writes to no read-only page.
    unsafe { Cr0::update(|flags| *flags |= Cr0Flags::WRITE_PROTECT) };
}

/// Lets code on this CPU use AVX, if the CPU has it. All CPUs of a machine are alike.
pub(crate) fn enable_avx() {
    if !has_avx() {
        return;
    }
    // SAFETY: the CPU has it. The kernel's own code uses SSE at most, so what a switch does not save yet, nobody uses.
    unsafe { Cr4::update(|flags| *flags |= Cr4Flags::OSXSAVE) };
    // SAFETY: x87 and SSE are on, as they must be, and the CPU has AVX.
    unsafe { XCr0::write(XCr0Flags::X87 | XCr0Flags::SSE | XCr0Flags::AVX) };
}

/// Whether the CPU has AVX; then it is enabled.
pub(crate) fn has_avx() -> bool {
    CpuId::new().get_feature_info().is_some_and(|features| features.has_xsave() && features.has_avx())
}

/// The error code of a page fault says whether it was a fetch. Where it does not, the address of the next instruction tells.
/// Intel SDM volume 3, section 4.7.
pub(crate) fn reports_fetches() -> bool {
    Efer::read().contains(EferFlags::NO_EXECUTE_ENABLE)
        || Cr4::read().contains(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION)
}

/// Name of each protection and capability, and whether it is there.
pub(crate) fn features() -> impl Iterator<Item = (&'static str, bool)> {
    let LongCaps { nx, huge_1g, .. } = paging();
    let optional = optional().map(|(_, name, present)| (name, present));
    [("nx", nx), ("wp", true)].into_iter().chain(optional).chain([("1g", huge_1g), ("avx", has_avx())])
}

/// The page-table format of this CPU.
pub(crate) fn format() -> X86Long<4> {
    // The CPU's own answer is in range: this cannot fail on a CPU that runs 64-bit code.
    X86Long::new(paging()).unwrap_or(OLDEST)
}

/// What every x86_64 CPU can express.
const OLDEST: X86Long<4> = {
    let caps = LongCaps {
        phys_bits: 36,
        nx: false,
        huge_1g: false,
        memory: MemorySlots::X86_RESET,
        encryption_bit: None,
    };
    match X86Long::new(caps) {
        Ok(format) => format,
        Err(_) => unreachable!(),
    }
};

fn paging() -> LongCaps {
    let cpuid = CpuId::new();
    let sizes = cpuid.get_processor_capacity_feature_info();
    let extended = cpuid.get_extended_processor_and_feature_identifiers();
    LongCaps {
        phys_bits: sizes.map_or(36, |sizes| sizes.physical_address_bits()),
        nx: Efer::read().contains(EferFlags::NO_EXECUTE_ENABLE),
        huge_1g: extended.is_some_and(|features| features.has_1gib_pages()),
        memory: MemorySlots::X86_RESET,
        encryption_bit: None,
    }
}

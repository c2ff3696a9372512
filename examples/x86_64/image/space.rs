//! Which address space each CPU has loaded: the kernel's own, or that of a program.
//!
//! A space stays loaded when its program leaves ring 3: the kernel's half is the same in all, and the kernel touches no address
//! of a program. So a call costs no change of CR3, and neither does a thread without a program. A CPU loads another
//! when it enters a program of another space, or when it is asked to, because the space goes.
//!
//! Invariant: the space that a CPU names has it in the set of its [`TlbContext`](kos_paging::TlbContext) and lives: whoever drops it
//! has called [`leave`] before. Only the CPU itself changes that, with interrupts masked.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use kos_demo_kernel::platform::AddressSpace;
use kos_paging::{Answer, Asids, FlushSet, Switch};
use kos_x86_64::cpu_set::MAX_CPUS;
use kos_x86_64::shootdown::{self, Stale};
use x86_64::PhysAddr;
use x86_64::instructions::tlb::{self, InvPcidCommand, Pcid};
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::PhysFrame;

use crate::env::IrqGuard;
use crate::metal::Metal;
use crate::{mmu, percpu};

/// Numbers of 12 bits for the spaces of programs; 0 is the kernel's own.
pub(crate) type Numbers = Asids<MAX_CPUS, 64>;

/// Numbers, none of which is given.
pub(crate) const NUMBERS: Numbers = match Asids::new(12) {
    Ok(numbers) => numbers,
    Err(_) => unreachable!(),
};

/// The space that a CPU has loaded; null is the kernel's own.
#[derive(Debug)]
pub(crate) struct Loaded(AtomicPtr<AddressSpace>);

impl Loaded {
    /// The kernel's own.
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }
}

/// What a CPU asks of others, on its stack until they have done it.
#[derive(Debug)]
enum Request<'r> {
    /// Forget translations of this space.
    Flush(&'r AddressSpace, &'r FlushSet),
    /// Load another than this.
    Leave(&'r AddressSpace),
}

/// Loads `space`, or the kernel's own; false if the CPU has no place in it. Interrupts masked.
pub(crate) fn load(space: Option<&AddressSpace>) -> bool {
    let Loaded(loaded) = &percpu::this().space;
    let before = loaded.load(Relaxed);
    let wanted = space.map_or(ptr::null_mut(), |space| ptr::from_ref(space).cast_mut());
    if before == wanted {
        return true;
    }
    let (cpu, metal) = (percpu::number() as usize, crate::metal());
    let mut numbers = mmu::has_numbers().then(|| metal.numbers.lock());
    // Who waits for the lock serves other CPUs, of which one may have asked to leave what was loaded: it is read again.
    let before = loaded.load(Relaxed);
    match space {
        Some(space) => {
            let number =
                numbers.as_mut().and_then(|numbers| numbers.switch(cpu, &mut space.asid.lock()).ok());
            if !space.enter(cpu, |stale| write_root(space.root(), number, stale)) {
                return false;
            }
        }
        None => write_root(metal.root.load(Relaxed), None, true),
    }
    loaded.store(wanted, Relaxed);
    // SAFETY: null, or a space that lives, by the module's invariant.
    if let Some(before) = unsafe { before.as_ref() } {
        before.leave(cpu);
    }
    true
}

/// Loads the tables at `root` under a number; without one nothing is kept that is not global. `stale` is whether the CPU may hold
/// under that number what is no longer true.
///
/// The rest of the TLB is dropped afterwards: up to here what ran before may fill it, under a number that now is another's.
fn write_root(root: u64, number: Option<Switch>, stale: bool) {
    let root = PhysFrame::containing_address(PhysAddr::new_truncate(root));
    let Some(Switch { asid, flush, .. }) = number else {
        // SAFETY: the kernel's tables, or those of a space, whose upper half is the kernel's: all that runs is mapped in both.
        return unsafe { Cr3::write(root, Cr3Flags::empty()) };
    };
    let Ok(number) = Pcid::new(asid) else { unreachable!("numbers have 12 bits") };
    if stale || flush {
        // SAFETY: as above; the CPU has numbers, or none would have been given.
        unsafe { Cr3::write_pcid(root, number) };
    } else {
        // SAFETY: as above; what is kept under the number is this space's, and nothing of it is stale.
        unsafe { Cr3::write_pcid_no_flush(root, number) };
    }
    if flush {
        // SAFETY: the CPU has INVPCID, else it would have no numbers.
        unsafe { tlb::flush_pcid(InvPcidCommand::AllExceptGlobal) };
    }
}

/// Makes every CPU that has `space` loaded forget `set`.
pub(crate) fn flush(metal: &'static Metal, space: &AddressSpace, set: &FlushSet) {
    let _masked = IrqGuard::new();
    let (generation, cpus) = space.request();
    let set = set.clone().at(generation);
    ask(metal, cpus.iter(), &Request::Flush(space, &set));
}

/// Makes every CPU that has `space` loaded load the kernel's own tables.
pub(crate) fn leave(metal: &'static Metal, space: &AddressSpace) {
    let _masked = IrqGuard::new();
    ask(metal, space.loaded().iter(), &Request::Leave(space));
}

fn ask(metal: &'static Metal, cpus: impl Iterator<Item = usize>, request: &Request<'_>) {
    let number = ptr::from_ref(request).expose_provenance() as u64;
    let cpus = cpus.filter_map(|cpu| u32::try_from(cpu).ok());
    shootdown::shoot(metal, percpu::number(), cpus, Stale::Request(number));
}

/// Does what another CPU, or this one, asked for. Interrupts masked.
pub(crate) fn serve(number: u64) {
    let Ok(address) = usize::try_from(number) else { return };
    // SAFETY: `ask` exposed the address of a request, which lives until all who were asked have answered.
    let request = unsafe { &*ptr::with_exposed_provenance::<Request<'_>>(address) };
    match *request {
        Request::Flush(space, set) => {
            space.answer(percpu::number() as usize, set, |what| match what {
                Answer::Set => mmu::invalidate_loaded(mmu::stale(set)),
                Answer::All => mmu::invalidate_loaded(Stale::All),
            });
        }
        Request::Leave(space) => {
            let loaded = percpu::this().space.0.load(Relaxed).cast_const();
            if ptr::eq(loaded, space) {
                // The kernel's own has a place for every CPU.
                let _ = load(None);
            }
        }
    }
}

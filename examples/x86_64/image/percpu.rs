//! What each CPU has for itself, found through its GS base: [`Local`].
//!
//! Invariant: from [`Local::load`] on, GS of a CPU leads to its own `Local`, which lives for ever. Nothing else writes GS.

use core::arch::asm;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::Relaxed};

use kos_x86_64::layout::PAGE;
use kos_x86_64::shootdown::Slot;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::GsBase;

use crate::space;
use crate::tables::Tables;
use crate::timer::Timers;
use crate::trap::Counts;
use crate::user;
use crate::wide::Wide;

/// What a CPU has for itself.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Local {
    /// Its number; the first word, so that one load finds it.
    number: AtomicU32,
    this: AtomicPtr<Self>,
    /// What entry and exit of programs need; `user.s` knows where.
    pub(crate) user: user::Local,
    tables: Tables,
    /// What its traps have counted.
    pub(crate) counts: Counts,
    /// Its part in shootdowns.
    pub(crate) shootdown: Slot,
    /// Somebody is out of memory and wants back what rests in its caches.
    pub(crate) asked_to_drain: AtomicBool,
    /// What its timer is to come for.
    pub(crate) timers: Timers,
    /// The programs' space that it has loaded.
    pub(crate) space: space::Loaded,
    /// Its registers beyond SSE.
    pub(crate) wide: Wide,
}

/// It fits the page of data of an area.
const _: () = assert!(size_of::<Local>() as u64 <= PAGE);

impl Local {
    /// What the CPU with this number has.
    pub(crate) const fn new(number: u32) -> Self {
        Self {
            number: AtomicU32::new(number),
            this: AtomicPtr::new(ptr::null_mut()),
            user: user::Local::new(),
            tables: Tables::new(),
            counts: Counts::new(),
            shootdown: Slot::new(),
            asked_to_drain: AtomicBool::new(false),
            timers: Timers::new(),
            space: space::Loaded::new(),
            wide: Wide::new(number),
        }
    }

    /// Makes it that of the calling CPU, with segments, stacks and gates.
    pub(crate) fn load(&'static self) {
        self.this.store(ptr::from_ref(self).cast_mut(), Relaxed);
        self.tables.load(self.number.load(Relaxed));
        // After the segments: loading the selector would clear it.
        GsBase::write(VirtAddr::from_ptr(self));
    }
}

/// The number of the calling CPU. True for as long as the caller cannot be moved to another one: interrupts masked, or
/// nobody who would move it.
pub(crate) fn number() -> u32 {
    let number: u32;
    // SAFETY: loads the first word of this CPU's `Local`, by the module's invariant.
    unsafe {
        asm!(
            "mov {:e}, gs:[{}]", out(reg) number, const offset_of!(Local, number),
            options(nostack, preserves_flags, readonly)
        );
    }
    number
}

/// What the calling CPU has; as for [`number`].
pub(crate) fn this() -> &'static Local {
    let this: *const Local;
    // SAFETY: loads the second word of this CPU's `Local`, by the module's invariant.
    unsafe {
        asm!(
            "mov {}, gs:[{}]", out(reg) this, const offset_of!(Local, this),
            options(nostack, preserves_flags, readonly)
        );
    }
    // SAFETY: `load` stored its own address there, and it lives for ever.
    unsafe { &*this }
}

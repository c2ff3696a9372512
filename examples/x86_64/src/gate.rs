//! Entries of the interrupt descriptor table. Source: Intel SDM volume 3, section 7.14.1, "64-bit mode IDT".

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Gate {
    low: u64,
    high: u64,
}

/// Present, privilege level 0, 64-bit interrupt gate: the CPU masks interrupts when it enters.
const INTERRUPT_GATE: u64 = 0x8e;

impl Gate {
    /// An entry that is not present.
    pub const MISSING: Self = Self { low: 0, high: 0 };

    /// The interrupt gate to `handler` in the code segment `selector`, entered on stack `ist` (1 to 7) of the task state
    /// segment, or on the current stack (0).
    #[must_use]
    pub const fn interrupt(handler: u64, selector: u16, ist: u8) -> Self {
        let low = (handler & 0xffff)
            | (selector as u64) << 16
            | (ist as u64 & 7) << 32
            | INTERRUPT_GATE << 40
            | (handler >> 16 & 0xffff) << 48;
        Self { low, high: handler >> 32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_cpu_reads_them() {
        let gate = Gate::interrupt(0xffff_ffff_8012_3456, 0x08, 2);
        assert_eq!(gate, Gate { low: 0x8012_8e02_0008_3456, high: 0xffff_ffff });
    }

    #[test]
    fn a_stack_index_cannot_spill_into_other_fields() {
        assert_eq!(Gate::interrupt(0, 8, 0xff), Gate::interrupt(0, 8, 7));
    }
}

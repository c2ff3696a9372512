//! What the CPU and the entry stubs save at a trap, and what the numbers mean.
//!
//! [`Frame`] is the layout that `image/trap.s` pushes. Source: Intel SDM volume 3, chapter 7, "Interrupt and exception
//! handling"; AMD APM volume 2, chapter 8.

use core::fmt;

/// Vectors below this are exceptions of the CPU.
pub const EXCEPTIONS: u64 = 32;
/// The debug exception.
pub const DEBUG: u64 = 1;
/// The non-maskable interrupt.
pub const NON_MASKABLE: u64 = 2;
/// The breakpoint exception.
pub const BREAKPOINT: u64 = 3;
/// The double fault.
pub const DOUBLE_FAULT: u64 = 8;
/// The general protection fault.
pub const GENERAL_PROTECTION: u64 = 13;
/// The page fault.
pub const PAGE_FAULT: u64 = 14;
/// The machine check.
pub const MACHINE_CHECK: u64 = 18;

/// The registers at a trap, lowest address first.
#[expect(missing_docs, reason = "the fields are the registers of their names")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    /// Pushed by the stub.
    pub vector: u64,
    /// Pushed by the CPU for some exceptions, else 0 from the stub.
    pub error_code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            [("rax", self.rax), ("rbx", self.rbx), ("rcx", self.rcx), ("rdx", self.rdx)],
            [("rsi", self.rsi), ("rdi", self.rdi), ("rbp", self.rbp), ("rsp", self.rsp)],
            [("r8 ", self.r8), ("r9 ", self.r9), ("r10", self.r10), ("r11", self.r11)],
            [("r12", self.r12), ("r13", self.r13), ("r14", self.r14), ("r15", self.r15)],
            [("rip", self.rip), ("cs ", self.cs), ("ss ", self.ss), ("rfl", self.rflags)],
        ];
        for row in rows {
            for (name, value) in row {
                write!(f, "  {name} {value:016x}")?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

/// The name of an exception; `None` from vector 32 on.
#[must_use]
pub fn exception_name(vector: u64) -> Option<&'static str> {
    const NAMES: [&str; 32] = [
        "divide error",
        "debug",
        "non-maskable interrupt",
        "breakpoint",
        "overflow",
        "bound range exceeded",
        "invalid opcode",
        "device not available",
        "double fault",
        "coprocessor segment overrun",
        "invalid TSS",
        "segment not present",
        "stack segment fault",
        "general protection fault",
        "page fault",
        "reserved 15",
        "x87 floating-point error",
        "alignment check",
        "machine check",
        "SIMD floating-point error",
        "virtualization",
        "control protection",
        "reserved 22",
        "reserved 23",
        "reserved 24",
        "reserved 25",
        "reserved 26",
        "reserved 27",
        "hypervisor injection",
        "VMM communication",
        "security",
        "reserved 31",
    ];
    NAMES.get(usize::try_from(vector).ok()?).copied()
}

/// The error code of an exception, decoded when displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// Which exception.
    pub vector: u64,
    /// What the CPU pushed.
    pub code: u64,
}

/// Bit 0 of a page fault's error code: the page was present, a right was missing.
pub const PRESENT: u64 = 1;

impl ErrorCode {
    fn page_fault(code: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |bit: u32| code >> bit & 1 == 1;
        let access = if has(4) {
            "instruction fetch"
        } else if has(1) {
            "write"
        } else {
            "read"
        };
        let mode = if has(2) { "user" } else { "kernel" };
        let cause = if has(3) {
            "reserved bit set in a table"
        } else if has(5) {
            "protection key"
        } else if has(6) {
            "shadow stack"
        } else if has(0) {
            "access not permitted"
        } else {
            "page not present"
        };
        write!(f, "{mode} {access}, {cause}")
    }

    fn selector(code: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = match code >> 1 & 3 {
            0 => "GDT",
            2 => "LDT",
            _ => "IDT",
        };
        let source = if code & 1 == 1 { ", external event" } else { "" };
        write!(f, "{table} entry {}{source}", code >> 3 & 0x1fff)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.vector, self.code) {
            (PAGE_FAULT, code) => Self::page_fault(code, f),
            (10..=13, code) if code != 0 => Self::selector(code, f),
            (_, 0) => f.write_str("none"),
            (_, code) => write!(f, "{code:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use core::mem::{offset_of, size_of};

    fn decoded(vector: u64, code: u64) -> alloc::string::String {
        ErrorCode { vector, code }.to_string()
    }

    #[test]
    fn frame_ends_with_what_the_cpu_pushes() {
        assert_eq!(size_of::<Frame>(), 22 * 8);
        assert_eq!(offset_of!(Frame, vector), 15 * 8);
        assert_eq!(offset_of!(Frame, rip), 17 * 8);
        assert_eq!(offset_of!(Frame, ss), 21 * 8);
    }

    #[test]
    fn page_fault_codes() {
        assert_eq!(decoded(PAGE_FAULT, 0), "kernel read, page not present");
        assert_eq!(decoded(PAGE_FAULT, 0b11), "kernel write, access not permitted");
        assert_eq!(decoded(PAGE_FAULT, 0b10101), "user instruction fetch, access not permitted");
        assert_eq!(decoded(PAGE_FAULT, 0b1001), "kernel read, reserved bit set in a table");
        assert_eq!(decoded(PAGE_FAULT, 0b100101), "user read, protection key");
    }

    #[test]
    fn selector_codes() {
        assert_eq!(decoded(GENERAL_PROTECTION, 0), "none");
        assert_eq!(decoded(GENERAL_PROTECTION, 0x10), "GDT entry 2");
        assert_eq!(decoded(11, 0x1ffd), "LDT entry 1023, external event");
        assert_eq!(decoded(GENERAL_PROTECTION, 0x32), "IDT entry 6");
        assert_eq!(decoded(17, 0), "none");
        assert_eq!(decoded(21, 3), "0x3");
    }

    #[test]
    fn every_exception_has_a_name_and_no_interrupt_has() {
        assert!((0..EXCEPTIONS).all(|vector| exception_name(vector).is_some()));
        assert_eq!(exception_name(DOUBLE_FAULT), Some("double fault"));
        assert_eq!(exception_name(PAGE_FAULT), Some("page fault"));
        assert_eq!(exception_name(30), Some("security"));
        assert_eq!(exception_name(EXCEPTIONS), None);
        assert_eq!(exception_name(u64::MAX), None);
    }
}

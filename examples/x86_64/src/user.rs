//! The registers of a program while the kernel runs: [`UserFrame`], the layout that `image/user.s` knows.
//!
//! Invariant of every frame: `cs` and `ss` are the selectors of ring 3, and the flags are those that a program may set, with
//! interrupts enabled. Only the CPU writes others, when the program leaves, and they come from ring 3.
//!
//! Source: Intel SDM volume 3, chapter 7; volume 1, section 13.4, "XSAVE area".

use crate::trap::Frame;

/// Selector of the code of programs, with privilege level 3.
pub const USER_CODE: u64 = 0x20 | 3;
/// Selector of their data and stack.
pub const USER_DATA: u64 = 0x18 | 3;
/// The address from which on nothing is a program's: the end of the lower half, less a page, so that no instruction of a program
/// ends where the next one could not begin.
pub const USER_END: u64 = 0x7fff_ffff_f000;

/// Interrupts are enabled; and the bit that is always set.
const FLAGS_AT_START: u64 = 1 << 9 | 1 << 1;

/// Bytes of the floating-point and vector registers: x87 and SSE, the header of XSAVE, the upper halves of AVX.
pub const WIDE_BYTES: usize = 512 + 64 + 256;
/// Where FXSAVE keeps the x87 control word and MXCSR, and what they are when a program begins: all exceptions masked.
const CONTROL_WORD: (usize, [u8; 2]) = (0, 0x037f_u16.to_le_bytes());
const MXCSR: (usize, [u8; 4]) = (24, 0x1f80_u32.to_le_bytes());

/// What a program has in its registers.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct UserFrame {
    /// The general ones, and what brought it into the kernel.
    pub registers: Frame,
    /// The address of a page fault.
    pub fault_address: u64,
    /// The base of FS.
    pub thread_pointer: u64,
    /// It left by a system call (1) or otherwise (0): how it is entered again.
    pub called: u64,
    /// Which components XSAVE keeps; 0: FXSAVE keeps what there is.
    pub components: u64,
    padding: [u64; 6],
    /// What they keep.
    pub wide: [u8; WIDE_BYTES],
}

impl UserFrame {
    /// The vector that stands for a system call, behind those of the CPU.
    pub const SYSTEM_CALL: u64 = 256;

    /// A program at its first instruction; `components` as for [`UserFrame::components`].
    #[must_use]
    pub fn new(entry: u64, stack: u64, argument: u64, components: u64) -> Self {
        let registers = Frame {
            rip: entry,
            rsp: stack,
            rdi: argument,
            cs: USER_CODE,
            ss: USER_DATA,
            rflags: FLAGS_AT_START,
            ..Frame::default()
        };
        let mut wide = [0; WIDE_BYTES];
        for (place, value) in [(CONTROL_WORD.0, &CONTROL_WORD.1[..]), (MXCSR.0, &MXCSR.1)] {
            for (byte, value) in wide.iter_mut().skip(place).zip(value) {
                *byte = *value;
            }
        }
        let (fault_address, thread_pointer, called, padding) = (0, 0, 0, [0; 6]);
        Self { registers, fault_address, thread_pointer, called, components, padding, wide }
    }

    /// Whether the CPU can enter it without a fault of the kernel: an address that is none would raise it in ring 0.
    #[must_use]
    pub const fn can_be_entered(&self) -> bool {
        self.registers.rip < USER_END && self.thread_pointer < USER_END
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;

    #[test]
    fn fields_stand_where_the_assembly_looks() {
        assert_eq!(offset_of!(UserFrame, registers), 0);
        assert_eq!(offset_of!(UserFrame, wide) % 64, 0, "XSAVE wants it");
        assert_eq!(size_of::<UserFrame>() % 64, 0);
    }

    #[test]
    fn a_program_begins_in_ring_3_with_interrupts_and_nothing_else() {
        let frame = UserFrame::new(0x40_0000, 0x7000_0000, 7, 0b111);
        let registers = &frame.registers;
        assert_eq!((registers.cs & 3, registers.ss & 3), (3, 3));
        assert_eq!(registers.rflags, 0x202);
        assert_eq!((registers.rip, registers.rsp, registers.rdi), (0x40_0000, 0x7000_0000, 7));
        assert_eq!((registers.rax, registers.rcx, registers.r11), (0, 0, 0));
        assert_eq!(frame.wide[..2], [0x7f, 0x03]);
        assert_eq!(frame.wide[24..28], [0x80, 0x1f, 0, 0]);
        assert!(frame.wide[512..].iter().all(|&byte| byte == 0), "XSAVE's header says: nothing in use");
    }

    #[test]
    fn addresses_of_the_kernel_cannot_be_entered() {
        let at = |entry| UserFrame::new(entry, 0, 0, 0).can_be_entered();
        assert!(at(0) && at(USER_END - 1));
        assert!(!at(USER_END) && !at(0x8000_0000_0000) && !at(u64::MAX));
        let wild = UserFrame { thread_pointer: 1 << 63, ..UserFrame::new(0, 0, 0, 0) };
        assert!(!wild.can_be_entered());
    }
}

//! All FPU registers of this CPU as a value: [`Registers`], and what stands in them after a call.

use alloc::boxed::Box;
use core::arch::asm;

/// What x87, SSE and, where there is one, AVX hold.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    ymm: [[u8; 32]; 16],
    x87: [[u8; 10]; 8],
    mxcsr: u32,
    control_word: u16,
}

impl Registers {
    /// What a new task finds.
    pub(super) fn initial() -> Self {
        // Popping an empty x87 register gives the indefinite number.
        let empty = [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff];
        Self { ymm: [[0; 32]; 16], x87: [empty; 8], mxcsr: 0x1f80, control_word: 0x037f }
    }

    /// Values that no other `seed` below 100 has, in each register.
    #[expect(clippy::cast_possible_truncation, reason = "small numbers, and any byte will do")]
    pub(super) fn pattern(seed: u8) -> Self {
        let ymm = core::array::from_fn(|register| {
            core::array::from_fn(|byte| match Self::has_avx() || byte < 16 {
                true => seed.wrapping_mul(67).wrapping_add((register * 32 + byte) as u8 | 1),
                false => 0,
            })
        });
        // Normal numbers: the highest bit of the significand is 1.
        let x87 = core::array::from_fn(|register| [seed, register as u8, 3, 4, 5, 6, 7, 0x80, 1, 0x40]);
        let rounding = u32::from(seed % 4);
        Self { ymm, x87, mxcsr: 0x1f80 | rounding << 13, control_word: 0x037f | (rounding as u16) << 10 }
    }

    /// The same with nothing above 128 bits.
    pub(super) fn without_avx(mut self) -> Self {
        for register in &mut self.ymm {
            register[16..].fill(0);
        }
        self
    }

    /// The same with x87 and SSE of another.
    pub(super) fn with_sse_of(mut self, other: &Self) -> Self {
        for (own, other) in self.ymm.iter_mut().zip(&other.ymm) {
            own[..16].copy_from_slice(&other[..16]);
        }
        Self { ymm: self.ymm, ..*other }
    }

    fn has_avx() -> bool {
        std::arch::is_x86_feature_detected!("avx")
    }

    /// Loads the registers with `self`, calls `call(arg)`, and tells what they hold then.
    ///
    /// # Safety
    /// `call` may be called with `arg`; it uses no FPU register but to save and load them.
    pub(super) unsafe fn around<T>(&self, call: unsafe extern "C" fn(&mut T), arg: &mut T) -> Box<Self> {
        let mut after = Box::new(Self::initial());
        // SAFETY: loads and stores of the size of the fields, at the offsets asserted below; the registers that the compiler
        // wants back are given back, the control words at the end are those found.
        unsafe {
            asm!(
                "push rbp",
                "mov rbp, rsp",
                "sub rsp, 16",
                "and rsp, -16",
                "stmxcsr [rbp - 8]",
                "fnstcw [rbp - 4]",
                "test r15d, r15d",
                "jz 2f",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "vmovups ymm\\n, [r12 + 32 * \\n]",
                ".endr",
                "jmp 3f",
                "2:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "movups xmm\\n, [r12 + 32 * \\n]",
                ".endr",
                "3:",
                "fninit",
                ".irp n, 7, 6, 5, 4, 3, 2, 1, 0",
                "fld tbyte ptr [r12 + 512 + 10 * \\n]",
                ".endr",
                "ldmxcsr [r12 + 592]",
                "fldcw [r12 + 596]",
                "call r14",
                "stmxcsr [r13 + 592]",
                "fnstcw [r13 + 596]",
                "test r15d, r15d",
                "jz 4f",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "vmovups [r13 + 32 * \\n], ymm\\n",
                ".endr",
                "vzeroupper",
                "jmp 5f",
                "4:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "movups [r13 + 32 * \\n], xmm\\n",
                ".endr",
                "5:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
                "fstp tbyte ptr [r13 + 512 + 10 * \\n]",
                ".endr",
                "fninit",
                "ldmxcsr [rbp - 8]",
                "fldcw [rbp - 4]",
                "mov rsp, rbp",
                "pop rbp",
                inout("r12") &raw const *self => _,
                inout("r13") &raw mut *after => _,
                inout("r14") call => _,
                inout("r15") u64::from(Self::has_avx()) => _,
                inout("rdi") arg => _,
                clobber_abi("sysv64"),
            );
        }
        after
    }
}

const _: () = assert!(core::mem::offset_of!(Registers, x87) == 512);
const _: () = assert!(core::mem::offset_of!(Registers, mxcsr) == 592);
const _: () = assert!(core::mem::offset_of!(Registers, control_word) == 596);

unsafe extern "C" fn nothing(_: &mut ()) {}

#[test]
fn a_pattern_goes_through_the_registers() {
    for pattern in (0..5).map(Registers::pattern).chain([Registers::initial()]) {
        // SAFETY: it does nothing.
        let after = unsafe { pattern.around(nothing, &mut ()) };
        assert!(*after == pattern, "{after:x?}\n{pattern:x?}");
    }
}

//! Values of one's own in every floating-point and vector register, held for a while: whether anybody else changed them.
//!
//! This is what no thread may notice of interrupts, switches and migrations. Its host test includes this file.

use core::arch::asm;

/// What x87, SSE and, where the CPU has it, AVX hold. The assembly below knows the offsets.
#[repr(C, align(32))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registers {
    pub(crate) ymm: [[u8; 32]; 16],
    pub(crate) x87: [[u8; 10]; 8],
    mxcsr: u32,
    control_word: u16,
}

const _: () = assert!(core::mem::offset_of!(Registers, x87) == 512);
const _: () = assert!(core::mem::offset_of!(Registers, mxcsr) == 592);
const _: () = assert!(core::mem::offset_of!(Registers, control_word) == 596);

impl Registers {
    /// Values that follow from `seed`, of another seed others in each register; with AVX the upper halves, too.
    pub(crate) fn of(seed: u64, avx: bool) -> Self {
        let mut random = seed;
        let mut bytes = || {
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (random ^ random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ mixed >> 27).to_le_bytes()
        };
        let mut ymm = [[0; 32]; 16];
        for register in &mut ymm {
            let used = if avx { register.as_mut_slice() } else { register.split_at_mut(16).0 };
            used.as_chunks_mut().0.iter_mut().for_each(|word| *word = bytes());
        }
        let x87 = core::array::from_fn(|_| {
            let [a, b, c, d, e, f, g, h] = bytes();
            // A normal number: the highest bit of the significand is 1, the exponent in the middle.
            [a, b, c, d, e, f, g, h | 0x80, a, 0x40]
        });
        let [low, ..] = seed.to_le_bytes();
        let [x87_rounding, sse_rounding] = [low & 3, low >> 2 & 3].map(u16::from);
        let mxcsr = 0x1f80 | u32::from(sse_rounding) << 13;
        Self { ymm, x87, mxcsr, control_word: 0x037f | x87_rounding << 10 }
    }

    /// Loads them, counts `spins` down, and tells what they hold then. `avx`: the upper halves, too.
    ///
    /// # Safety
    /// With `avx` the CPU has AVX, and it is enabled.
    pub(crate) unsafe fn hold(&self, spins: u64, avx: bool) -> Self {
        let mut after = Self { ymm: [[0; 32]; 16], x87: [[0; 10]; 8], mxcsr: 0, control_word: 0 };
        let mut found = (0_u32, 0_u16);
        // SAFETY: loads and stores of the size of the fields, at the offsets asserted above; no stack is used. The control
        // words are those found in the end, the x87 registers are empty; all other registers are told to the compiler.
        unsafe {
            asm!(
                "stmxcsr [r10]",
                "fnstcw [r10 + 4]",
                "fninit",
                ".irp n, 7, 6, 5, 4, 3, 2, 1, 0",
                "fld tbyte ptr [rdi + 512 + 10 * \\n]",
                ".endr",
                "test r8d, r8d",
                "jz 2f",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "vmovups ymm\\n, [rdi + 32 * \\n]",
                ".endr",
                "jmp 3f",
                "2:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "movups xmm\\n, [rdi + 32 * \\n]",
                ".endr",
                "3:",
                "ldmxcsr [rdi + 592]",
                "fldcw [rdi + 596]",
                "4:",
                "dec rcx",
                "jnz 4b",
                "stmxcsr [rsi + 592]",
                "fnstcw [rsi + 596]",
                "test r8d, r8d",
                "jz 5f",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "vmovups [rsi + 32 * \\n], ymm\\n",
                ".endr",
                "vzeroupper",
                "jmp 6f",
                "5:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "movups [rsi + 32 * \\n], xmm\\n",
                ".endr",
                "6:",
                ".irp n, 0, 1, 2, 3, 4, 5, 6, 7",
                "fstp tbyte ptr [rsi + 512 + 10 * \\n]",
                ".endr",
                "fninit",
                "ldmxcsr [r10]",
                "fldcw [r10 + 4]",
                inout("rcx") spins.max(1) => _,
                inout("rdi") &raw const *self => _,
                inout("rsi") &raw mut after => _,
                inout("r8") u64::from(avx) => _,
                inout("r10") &raw mut found => _,
                clobber_abi("sysv64"),
                options(nostack),
            );
        }
        after
    }
}

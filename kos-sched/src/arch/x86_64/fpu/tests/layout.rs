//! The layout that a CPUID leads to.

use raw_cpuid::CpuIdResult;

use crate::arch::x86_64::fpu::{FpuArea, FpuAreaError, FpuLayout, FpuMethod};

/// Leaf 0xD of a machine: EAX of subleaf 1 and (size, offset, aligned) of components from 2 on.
#[derive(Clone, Copy)]
struct Machine {
    instructions: u32,
    components: [(u32, u32, bool); 8],
}

/// A server with AVX-512: bounds registers (3, 4) are there, protection keys (9) follow a gap.
const SERVER: Machine = Machine {
    instructions: 0b1111,
    components: [
        (256, 576, false),
        (64, 960, false),
        (64, 1024, false),
        (64, 1088, false),
        (512, 1152, false),
        (1024, 1664, false),
        (0, 0, false),
        (8, 2688, false),
    ],
};

const AVX512: u64 = 0b1110_0111;
const PKRU: u64 = 1 << 9;

impl Machine {
    fn layout(self, enabled: Option<u64>, privileged: bool) -> FpuLayout {
        let answer = |eax, ebx, ecx| CpuIdResult { eax, ebx, ecx, edx: 0 };
        let read = move |leaf: u32, subleaf: u32| match (leaf, subleaf) {
            (0, _) => CpuIdResult { eax: 0x16, ebx: 0x756e_6547, ecx: 0x6c65_746e, edx: 0x4965_6e69 },
            (0xd, 0) => answer(0x2ff, 2696, 2696),
            (0xd, 1) => answer(self.instructions, 0, 0),
            (0xd, number) => match self.components.get(number as usize - 2) {
                Some(&(size, offset, aligned)) => answer(size, offset, u32::from(aligned) << 1),
                None => answer(0, 0, 0),
            },
            _ => answer(0, 0, 0),
        };
        FpuLayout::from_cpuid(read, enabled, privileged)
    }

    fn with(self, instructions: u32) -> Self {
        Self { instructions, ..self }
    }
}

#[test]
fn the_best_instruction_is_taken() {
    let method =
        |instructions, privileged| SERVER.with(instructions).layout(Some(AVX512), privileged).method();
    assert_eq!(method(0b1111, true), FpuMethod::Xsaves);
    assert_eq!(method(0b1111, false), FpuMethod::Xsavec, "XSAVES faults in user mode");
    assert_eq!(method(0b0001, true), FpuMethod::Xsaveopt);
    assert_eq!(method(0b0000, true), FpuMethod::Xsave, "FXSAVE would lose AVX");
    assert_eq!(SERVER.layout(None, true).method(), FpuMethod::Fxsave, "the kernel did not enable XSAVE");
}

#[test]
fn a_standard_area_ends_with_the_last_component() {
    let size = |enabled| SERVER.with(1).layout(Some(enabled), true).size();
    assert_eq!(size(0b11), 576);
    assert_eq!(size(0b111), 576 + 256);
    assert_eq!(size(AVX512), 1664 + 1024);
    assert_eq!(size(AVX512 | PKRU), 2688 + 8);
    assert_eq!(SERVER.layout(None, true).size(), 512);
}

#[test]
fn a_packed_area_has_no_gaps_but_for_alignment() {
    assert_eq!(SERVER.layout(Some(AVX512 | PKRU), true).size(), 576 + 256 + 64 + 512 + 1024 + 8);
    let mut tiles = SERVER;
    tiles.components[0].0 = 250;
    tiles.components[3].2 = true;
    assert_eq!(tiles.layout(Some(0b10_0111), true).size(), (576_usize + 250).next_multiple_of(64) + 64);
}

#[test]
fn this_machine_agrees_about_its_size() {
    let layout = FpuLayout::detect();
    let info = raw_cpuid::CpuId::new().get_extended_state_info();
    let Some(info) = info.filter(|_| layout.method() != FpuMethod::Fxsave) else { return };
    let told = if layout.method().is_compact() {
        info.xsave_size()
    } else {
        info.xsave_area_size_enabled_features()
    };
    assert!(
        layout.size() <= told as usize,
        "{layout:?}, the CPU says {told}: it may count supervisor state, too"
    );
    assert!(layout.size() >= 576 && layout.components() & 3 == 3);
}

#[repr(align(64))]
struct Aligned([u8; 4096]);

#[test]
fn unfit_memory_is_refused_unchanged() {
    let mut memory = Aligned([0xaa; 4096]);
    let layout = FpuLayout::detect();
    let needed = layout.size();
    let short = FpuArea::new(&mut memory.0[..needed - 1], layout);
    assert_eq!(short.unwrap_err(), FpuAreaError::TooSmall { needed, given: needed - 1 });
    let address = memory.0[32..].as_ptr().addr();
    let crooked = FpuArea::new(&mut memory.0[32..], layout);
    assert_eq!(crooked.unwrap_err(), FpuAreaError::Misaligned { address });
    assert!(memory.0.iter().all(|&byte| byte == 0xaa));
    assert!(FpuArea::new(&mut memory.0[..needed], layout).is_ok());
    assert!(memory.0[needed..].iter().all(|&byte| byte == 0xaa), "no byte behind it");
}

#[test]
fn the_initial_image_of_a_packed_area_says_so() {
    for (privileged, instructions, says) in [(true, 0b1111, 1 << 63 | AVX512), (false, 0b0001, 0)] {
        let layout = SERVER.with(instructions).layout(Some(AVX512), privileged);
        let mut memory = Aligned([0xaa; 4096]);
        FpuArea::new(&mut memory.0, layout).unwrap();
        let header: [u64; 8] = core::array::from_fn(|word| {
            u64::from_le_bytes(memory.0[512 + 8 * word..][..8].try_into().unwrap())
        });
        assert_eq!(header, [0, says, 0, 0, 0, 0, 0, 0], "XRSTORS faults on any other");
    }
}

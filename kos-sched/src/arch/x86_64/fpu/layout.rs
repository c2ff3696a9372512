//! [`FpuLayout`]: how large a task's FPU state is on this machine, and which instructions move it.

use raw_cpuid::{CpuId, CpuIdReader, CpuIdReaderNative};

use super::instructions;

/// Bytes of the legacy region, all that FXSAVE writes.
const LEGACY: usize = 512;
/// Bytes of the header behind it.
const HEADER: usize = 64;
/// The CPUID leaf of the extended state.
const LEAF: u32 = 0xd;
/// x87 and SSE, whose place is the legacy region.
const LEGACY_COMPONENTS: u64 = 0b11;

/// The instruction that saves the state; the best one that the machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FpuMethod {
    /// x87 and SSE, 512 bytes: the machine or the kernel knows no more.
    Fxsave,
    /// Everything that is enabled.
    Xsave,
    /// As `Xsave`; writes only what changed since it was loaded.
    Xsaveopt,
    /// Packed, without what is in its initial state.
    Xsavec,
    /// Both `Xsaveopt` and `Xsavec`; for privileged code.
    Xsaves,
}

impl FpuMethod {
    /// Whether the components lie without gaps, in the order of their numbers.
    pub(super) const fn is_compact(self) -> bool {
        matches!(self, Self::Xsavec | Self::Xsaves)
    }
}

/// What the FPU state of a task is on a machine. CPUs that share tasks must have equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FpuLayout {
    method: FpuMethod,
    components: u64,
    size: usize,
}

impl FpuLayout {
    /// The alignment of an area, in bytes.
    pub const ALIGN: usize = 64;

    /// The layout for this CPU, of all components that are enabled (in XCR0) now.
    #[must_use]
    pub fn detect() -> Self {
        let cpuid = CpuId::with_cpuid_reader(CpuIdReaderNative);
        let xsave = cpuid.get_feature_info().is_some_and(|features| features.has_oxsave());
        let enabled = xsave.then(instructions::enabled_components);
        Self::from_cpuid(CpuIdReaderNative, enabled, instructions::is_privileged())
    }

    /// The layout for a machine with that CPUID, where `enabled` is XCR0 if there is one.
    pub(super) fn from_cpuid(read: impl CpuIdReader, enabled: Option<u64>, privileged: bool) -> Self {
        let fxsave = Self { method: FpuMethod::Fxsave, components: LEGACY_COMPONENTS, size: LEGACY };
        let Some(components) = enabled else { return fxsave };
        let Some(info) = CpuId::with_cpuid_reader(read.clone()).get_extended_state_info() else {
            return fxsave;
        };
        let method = if info.has_xsaves_xrstors() && privileged {
            FpuMethod::Xsaves
        } else if info.has_xsavec() {
            FpuMethod::Xsavec
        } else if info.has_xsaveopt() {
            FpuMethod::Xsaveopt
        } else {
            FpuMethod::Xsave
        };
        Self::of(&read, method, components)
    }

    fn of(read: &impl CpuIdReader, method: FpuMethod, components: u64) -> Self {
        Self { method, components, size: size_of_components(read, components, method.is_compact()) }
    }

    /// Its part that code which uses SSE at most leaves alone: everything but x87 and SSE; `None` if that is nothing. For a
    /// kernel that saves those two at trap entry and the rest at the switch ([`SaveAt::Switch`](super::SaveAt::Switch)): there
    /// its own code may use SSE.
    #[must_use]
    pub const fn beyond_sse(self) -> Option<Self> {
        match self.components & !LEGACY_COMPONENTS {
            0 => None,
            components => Some(Self { components, ..self }),
        }
    }

    /// The layout of this CPU with a lesser method.
    #[cfg(test)]
    pub(super) fn by(self, method: FpuMethod) -> Self {
        Self::of(&CpuIdReaderNative, method, self.components)
    }

    /// Bytes of an area.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The instruction that saves it.
    #[must_use]
    pub const fn method(&self) -> FpuMethod {
        self.method
    }

    /// The components of an area, a bit each as in XCR0: 0 x87, 1 SSE, 2 AVX and so on.
    #[must_use]
    pub const fn components(&self) -> u64 {
        self.components
    }
}

/// Where the last component ends (Intel SDM 1, 13.4.2 and 13.4.3).
fn size_of_components(read: &impl CpuIdReader, components: u64, compact: bool) -> usize {
    let mut end = LEGACY + HEADER;
    for number in (2..63).filter(|number| components >> number & 1 != 0) {
        let found = read.cpuid2(LEAF, number);
        let (size, offset, aligned) = (found.eax as usize, found.ebx as usize, found.ecx & 0b10 != 0);
        end = match (compact, aligned) {
            (false, _) => end.max(offset.saturating_add(size)),
            (true, false) => end.saturating_add(size),
            (true, true) => end.next_multiple_of(FpuLayout::ALIGN).saturating_add(size),
        };
    }
    end
}

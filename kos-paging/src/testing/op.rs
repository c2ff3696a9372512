//! Operations from bytes: what a fuzzer, a property test and the corpus share.

use super::rig::Rig;
use crate::addr::PhysAddr;
use crate::attrs::{Attrs, Flags, MemoryType};
use crate::format::Level;
use crate::policy::{HugePolicy, SplitPolicy};

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Map,
    Unmap,
    Protect,
    Touch,
}

/// One operation; each kind uses some of the fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) kind: Kind,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) phys: u64,
    pub(super) attrs: Attrs,
    pub(super) huge: HugePolicy,
    pub(super) split: SplitPolicy,
    /// This allocation fails.
    pub(super) fail: Option<u64>,
    /// The flush fails; in a touch: a store.
    pub(super) stuck: bool,
    /// A flush that failed is tried again, with success.
    pub(super) retry: bool,
}

impl Op {
    /// Bytes of one operation.
    pub(super) const BYTES: usize = 8;

    /// The operation that eight bytes stand for; missing ones are 0. Half of the operations work where the one before
    /// did, else sequences of random operations would seldom meet.
    pub(super) fn decode<F>(rig: &Rig<F>, before: Option<&Self>, bytes: &[u8]) -> Self {
        let mut take = bytes.iter().copied();
        let mut next = || take.next().unwrap_or_default();
        let [kind, base, offset, size, phys, flags, policy, fail] = core::array::from_fn(|_| next());
        let huge_bits = rig.leaf_bits.get(1).copied().unwrap_or(21);
        let page = rig.page();
        let place = base >> 4;
        let again = before.filter(|_| (6..14).contains(&place));
        let base_at = rig.bases.iter().cycle().nth((base & 0xf).into()).copied().unwrap_or_default();
        let base_at = again.map_or(base_at, |before| before.first);
        let inside = if place < 10 && again.is_some() { 0 } else { offset_of(offset, page, huge_bits) };
        let first = base_at.wrapping_add(inside) + if place == 15 { 0x123 } else { 0 };
        let last = first.wrapping_add(bytes_of(size, page, huge_bits)).wrapping_sub(1);
        let last = again.filter(|_| place < 8).map_or(last, |before| before.last);
        Self {
            kind: kind_of(kind),
            first,
            last: if place == 14 { last ^ 1 } else { last },
            phys: phys_of(rig.phys_end, page, phys, inside),
            attrs: attrs_of(rig.always, flags, policy, rig.pat.len()),
            huge: huge_of(policy >> 3),
            split: if policy & 0x20 == 0 { SplitPolicy::Refuse } else { SplitPolicy::Split },
            fail: (fail >= 0xc0).then_some((fail & 0xf).into()),
            stuck: policy & 0x40 != 0,
            retry: policy & 0x80 != 0,
        }
    }

    pub(super) const fn phys(&self) -> PhysAddr {
        PhysAddr::new(self.phys)
    }
}

const fn kind_of(byte: u8) -> Kind {
    match byte % 8 {
        0..=2 => Kind::Map,
        3 | 4 => Kind::Unmap,
        5 => Kind::Protect,
        _ => Kind::Touch,
    }
}

/// How far behind a base: often not at all, else pages, huge pages, or both.
fn offset_of(byte: u8, page: u64, huge_bits: u32) -> u64 {
    let (low, middle) = (u64::from(byte & 3), u64::from(byte >> 2 & 0xf));
    match byte >> 6 {
        0 => 0,
        1 => u64::from(byte & 0x3f) * page,
        2 => low << huge_bits,
        _ => (low << huge_bits) + middle * page,
    }
}

/// From one page to more than 1 GiB.
fn bytes_of(byte: u8, page: u64, huge_bits: u32) -> u64 {
    let count = u64::from(byte & 0x3f);
    match byte >> 6 {
        0 => count * page,
        1 => (count * 8 + 1) * page,
        2 => ((count % 4 + 1) << huge_bits) + count / 4 * page,
        _ => (1 << 30) + ((count % 2) << huge_bits) + count / 2 % 2 * page,
    }
}

/// Mostly aligned like the virtual address, sometimes off by pages, rarely off by bytes or near the end.
fn phys_of(end: u64, page: u64, byte: u8, inside: u64) -> u64 {
    let base = match byte & 3 {
        0 => 0,
        1 => 1 << 30,
        2 => 1 << 31,
        _ => end - (1 << 30),
    };
    let off = match byte >> 5 {
        0..=4 => 0,
        5 => page,
        6 => 5 * page,
        _ if byte == 0xff => 16,
        _ => 0x20_0000,
    };
    base + inside + off
}

fn attrs_of(always: Flags, flags: u8, policy: u8, types: usize) -> Attrs {
    let read = if flags & 0xe0 == 0xe0 { Flags::empty() } else { Flags::READ };
    let always = if flags & 0xe0 == 0xc0 { Flags::empty() } else { always };
    let memory = match policy & 7 {
        // Where there is one memory type, others are refused: that need not be tried half of the time.
        0..=2 if types == 1 => MemoryType::WriteBack,
        0 => MemoryType::WriteThrough,
        1 => MemoryType::Uncached,
        2 => MemoryType::WriteProtected,
        3 => MemoryType::WriteCombining,
        _ => MemoryType::WriteBack,
    };
    Attrs { flags: Flags::from_bits_truncate(flags & 0x1e) | read | always, memory }
}

const fn huge_of(bits: u8) -> HugePolicy {
    match bits & 3 {
        0 => HugePolicy::Never,
        1 => HugePolicy::UpTo(Level::new(1)),
        _ => HugePolicy::Largest,
    }
}

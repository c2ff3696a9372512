//! What the fair class keeps in a node, and the order of its tree.
//!
//! | word | queued or current | otherwise |
//! |---|---|---|
//! | `words[0]` | virtual run time | lag, in virtual time |
//! | `words[1]` | virtual deadline | what was left of the request, in virtual time; 0: nothing |
//! | `words[2]` | least virtual run time of the subtree, of a leftmost node without what is left of it | |
//! | `halves[0]` | slice in ns | the same |
//! | `halves[1]` | least slice of the subtree | |
//! | `halves[2]` | what the last division left, in 1/weight of virtual time | the same |
//! | `level` | nice + 20, or [`IDLE`]; [`BATCH`] may be set | the same |

use core::num::NonZeroU32;

use super::virtual_time::VirtualTime;
use crate::ds::Order;
use crate::task::{Nice, Node, Policy};

/// The level of `Policy::Idle`.
pub(super) const IDLE: u8 = 40;
/// Set in the level of `Policy::Batch`.
pub(super) const BATCH: u8 = 0x80;

/// The weight of nice 0, and of virtual time.
pub(super) const UNIT: u64 = 1024;

/// Weights of nice -20 to 19, each about 1.25 times the next, and of `Policy::Idle`. Source: Linux, `sched_prio_to_weight`.
const WEIGHTS: [u32; 41] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121,
    2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29,
    23, 18, 15, 3,
];

/// 2^64 divided by each weight, rounded up or one more: to divide by multiplication.
#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const RECIPROCALS: [u64; WEIGHTS.len()] = {
    let mut reciprocals = [0; WEIGHTS.len()];
    let mut level = 0;
    while level < WEIGHTS.len() {
        reciprocals[level] = u64::MAX / WEIGHTS[level] as u64 + 1;
        level += 1;
    }
    reciprocals
};

/// The largest dividend of [`Node::divide`].
pub(super) const LARGEST: u64 = (1 << 47) - 1;

impl Nice {
    /// Its weight: the CPU goes to fair tasks in proportion. That of nice 0 is 1024.
    #[must_use]
    pub fn weight(self) -> u32 {
        WEIGHTS.get(usize::from(self.get().wrapping_add(20).cast_unsigned())).copied().unwrap_or(0)
    }
}

impl Node {
    #[inline]
    pub(super) const fn vruntime(&self) -> VirtualTime {
        VirtualTime::from_bits(self.words[0])
    }

    #[inline]
    pub(super) const fn set_vruntime(&mut self, time: VirtualTime) {
        self.words[0] = time.bits();
    }

    /// How much virtual time the task was behind its share when it left, negative if before.
    #[inline]
    pub(super) const fn lag(&self) -> i64 {
        self.words[0].cast_signed()
    }

    #[inline]
    pub(super) const fn set_lag(&mut self, lag: i64) {
        self.words[0] = lag.cast_unsigned();
    }

    #[inline]
    pub(super) const fn deadline(&self) -> VirtualTime {
        VirtualTime::from_bits(self.words[1])
    }

    #[inline]
    pub(super) const fn set_deadline(&mut self, time: VirtualTime) {
        self.words[1] = time.bits();
    }

    #[inline]
    pub(super) const fn request_left(&self) -> i64 {
        self.words[1].cast_signed()
    }

    #[inline]
    pub(super) const fn set_request_left(&mut self, left: i64) {
        self.words[1] = left.cast_unsigned();
    }

    #[inline]
    pub(super) const fn least_vruntime(&self) -> VirtualTime {
        VirtualTime::from_bits(self.words[2])
    }

    #[inline]
    pub(super) const fn slice(&self) -> u32 {
        self.halves[0]
    }

    #[inline]
    pub(super) const fn least_slice(&self) -> u32 {
        self.halves[1]
    }

    #[inline]
    pub(super) const fn remainder(&self) -> u32 {
        self.halves[2]
    }

    #[inline]
    pub(super) const fn set_remainder(&mut self, remainder: u32) {
        self.halves[2] = remainder;
    }

    pub(super) const fn is_batch(&self) -> bool {
        self.level & BATCH != 0
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.level & !BATCH == IDLE
    }

    fn of_level<T: Copy>(&self, table: &[T; WEIGHTS.len()]) -> Option<T> {
        table.get(usize::from(self.level & !BATCH)).copied()
    }

    /// The weight of its level.
    #[inline]
    pub(super) fn weight(&self) -> NonZeroU32 {
        self.of_level(&WEIGHTS).and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }

    /// `value`, at most [`LARGEST`], divided by the weight, rounded down.
    ///
    /// The reciprocal is at most `weight / 2^64 / weight` too large, so the quotient at most `value * weight / 2^64 / weight`: that is
    /// less than `1 / weight`, as the weights are below 2^17, and so does not reach the next number.
    #[inline]
    pub(super) fn divide(&self, value: u64) -> u64 {
        let product = u128::from(value) * u128::from(self.of_level(&RECIPROCALS).unwrap_or(0));
        // A product of two words has no more than one above the lower.
        u64::try_from(product >> 64).unwrap_or(u64::MAX)
    }

    /// Its slice in virtual time.
    #[inline]
    pub(super) fn virtual_slice(&self) -> i64 {
        // Below 2^32 * 2^10.
        self.divide(u64::from(self.slice()) * UNIT).cast_signed()
    }

    pub(super) fn set_policy(&mut self, policy: &Policy) {
        let (level, slice) = match policy {
            Policy::Fair { nice, slice } => (nice.get().wrapping_add(20).cast_unsigned(), *slice),
            Policy::Batch(nice) => (nice.get().wrapping_add(20).cast_unsigned() | BATCH, Policy::SLICE),
            _ => (IDLE, Policy::SLICE),
        };
        self.level = level;
        // At most 100 ms: see `Policy::validate`.
        self.halves[0] = u32::try_from(slice.as_ticks()).unwrap_or(u32::MAX);
    }
}

/// By virtual deadline; of each subtree, the least virtual run time and slice. The root must know the least slice of all.
#[derive(Debug)]
pub(super) enum ByDeadline {}

impl Order for ByDeadline {
    type Summary = (VirtualTime, u32);

    #[inline]
    fn before(a: &Node, b: &Node) -> bool {
        a.deadline().is_before(b.deadline())
    }

    #[inline]
    fn summary(node: &Node, left: Option<&Node>, right: Option<&Node>, leftmost: bool) -> Self::Summary {
        let mut least = (node.vruntime(), node.slice());
        if let Some(left) = left {
            least.1 = least.1.min(left.least_slice());
            if !leftmost {
                least.0 = least.0.earlier(left.least_vruntime());
            }
        }
        if let Some(right) = right {
            least = (least.0.earlier(right.least_vruntime()), least.1.min(right.least_slice()));
        }
        least
    }

    #[inline]
    fn stored(node: &Node) -> Self::Summary {
        (node.least_vruntime(), node.least_slice())
    }

    #[inline]
    fn store(node: &mut Node, (vruntime, slice): Self::Summary) {
        node.words[2] = vruntime.bits();
        node.halves[1] = slice;
    }
}

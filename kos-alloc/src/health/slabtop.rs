//! The size classes of a heap as text: [`SlabInfo`].

use core::fmt;

use crate::heap::{ClassStats, HeapStats};

/// The size classes that have a slab: totals and a table, as `slabtop -o -s o` of the caches `heap-8` … `heap-8192`.
///
/// Sizes count objects alone: what headers and remainders of slabs take stands in
/// [`HeapStats::slab_overhead`].
#[derive(Clone, Copy, Debug)]
pub struct SlabInfo<'a>(pub &'a HeapStats);

/// A class, or all of them.
#[derive(Clone, Copy, Default)]
struct Total {
    classes: usize,
    slabs: usize,
    objects: usize,
    live: usize,
    bytes: usize,
    live_bytes: usize,
}

impl Total {
    fn of(stats: &HeapStats) -> Self {
        stats.classes.iter().filter(|class| class.slabs > 0).fold(Self::default(), |sum, class| Self {
            classes: sum.classes + 1,
            slabs: sum.slabs + class.slabs,
            objects: sum.objects + class.objects,
            live: sum.live + class.live,
            bytes: sum.bytes + class.objects * class.size,
            live_bytes: sum.live_bytes + class.live * class.size,
        })
    }
}

impl fmt::Display for SlabInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = Total::of(self.0);
        let (live, all) = (total.live_bytes.div_ceil(1024), total.bytes.div_ceil(1024));
        writeln!(f, " Active / Total Objects (% used) : {}", Used(total.live, total.objects, ""))?;
        writeln!(f, " Active / Total Caches (% used)  : {}", Used(total.classes, self.0.classes.len(), ""))?;
        writeln!(f, " Active / Total Size (% used)    : {}", Used(live, all, "K"))?;
        writeln!(f, " Slabs                           : {}\n", total.slabs)?;
        writeln!(f, "  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME")?;
        self.0.classes.iter().filter(|class| class.slabs > 0).try_for_each(|class| row(f, class))
    }
}

fn row(f: &mut fmt::Formatter<'_>, class: &ClassStats) -> fmt::Result {
    let ClassStats { size, slabs, objects, live, .. } = *class;
    let (used, cache, each) =
        (thousandths(live, objects) / 10, (objects * size).div_ceil(1024), objects / slabs.max(1));
    writeln!(f, "{objects:>6} {live:>6} {used:>3}% {size:>7}B {slabs:>6} {each:>8} {cache:>9}K heap-{size}")
}

/// So many of so many, with a unit behind each.
struct Used(usize, usize, &'static str);

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Self(part, whole, unit) = self;
        let share = thousandths(part, whole);
        write!(f, "{part}{unit} / {whole}{unit} ({}.{}%)", share / 10, share % 10)
    }
}

/// `part` of `whole` in thousandths; none of nothing.
fn thousandths(part: usize, whole: usize) -> u64 {
    (part as u64).saturating_mul(1000).checked_div(whole as u64).unwrap_or(0)
}

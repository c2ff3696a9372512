//! `alloc-bench`: the modes of the heap side by side. Ratios only: nanoseconds of an emulated machine mean nothing.

use core::alloc::Layout;
use core::fmt::Write;

use kos_alloc::{AllocError, Mode};

use super::mode::MODES;
use super::no_arguments;
use crate::Kernel;
use crate::kernel::{Heap, SharedFrames};
use crate::owned::Space;
use crate::platform::Platform;
use crate::shell::{CommandResult, Next};
use crate::text::Text;

/// Rounds, of which the fastest counts: what comes between makes a round slower, never faster.
const ROUNDS: usize = 9;
/// Live blocks in `batch` and `churn`.
const LIVE: usize = 128;
/// Allocations of a round, and as many frees.
const STEPS: usize = 8 * LIVE;
/// The mode to which the others are compared.
const UNIT: Mode = Mode::TwoTier;

/// A block, or none.
type Slot<'k, P> = Option<Space<'k, <P as Platform>::Env, SharedFrames<P>>>;

/// One way to use a heap.
struct Workload<P: Platform> {
    name: &'static str,
    run: fn(&Heap<P>) -> Result<(), AllocError>,
}

const fn workloads<P: Platform>() -> [Workload<P>; 4] {
    [
        Workload { name: "pair   64 B, freed at once", run: |heap| pair::<P>(heap, 64) },
        Workload { name: "batch  128 blocks of 64 B, then all freed", run: batch::<P> },
        Workload { name: "churn  8 B to 2 KiB, 128 live, any order", run: churn::<P> },
        Workload { name: "large  64 KiB, freed at once", run: |heap| pair::<P>(heap, 64 << 10) },
    ]
}

pub(super) fn run<P: Platform>(kernel: &Kernel<P>, arguments: &[&str], out: &mut dyn Write) -> CommandResult {
    no_arguments(arguments)?;
    let mode = kernel.heap().mode();
    let result = compare(kernel, out);
    kernel.heap().set_mode(mode)?;
    result?;
    writeln!(out, "time of the fastest of {ROUNDS} rounds as a ratio to twotier; smaller is faster")?;
    Ok(Next::Continue)
}

fn compare<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    write!(out, "{:<44}", "workload")?;
    MODES.iter().try_for_each(|mode| write!(out, "{:>10}", mode.name))?;
    writeln!(out)?;
    for workload in workloads::<P>() {
        let mut best = MODES.map(|_| u64::MAX);
        for _ in 0..ROUNDS {
            for (best, mode) in best.iter_mut().zip(&MODES) {
                *best = time(kernel, &workload, mode.mode)?.min(*best);
            }
        }
        let of = |wanted| MODES.iter().zip(best).find(|(mode, _)| mode.mode == wanted);
        let unit = of(UNIT).map_or(1, |(_, best)| best).max(1);
        write!(out, "{:<44}", workload.name)?;
        best.iter().try_for_each(|best| {
            let hundredths = best * 100 / unit;
            let ratio = Text::new(format_args!("{}.{:02}", hundredths / 100, hundredths % 100));
            write!(out, "{ratio:>10}")
        })?;
        writeln!(out)?;
    }
    Ok(Next::Continue)
}

/// Nanoseconds, by the machine's clock, of a round that follows one which warms the heap up.
fn time<P: Platform>(kernel: &Kernel<P>, workload: &Workload<P>, mode: Mode) -> Result<u64, AllocError> {
    let (heap, platform) = (kernel.heap(), kernel.platform());
    heap.set_mode(mode)?;
    (workload.run)(heap)?;
    let start = platform.now();
    (workload.run)(heap)?;
    Ok(platform.now().checked_duration_since(start).map_or(0, |took| took.as_nanos()))
}

/// The layout of a block of `bytes` bytes.
fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).unwrap_or(Layout::new::<u64>())
}

fn pair<P: Platform>(heap: &Heap<P>, bytes: usize) -> Result<(), AllocError> {
    let layout = layout(bytes);
    (0..STEPS).try_for_each(|_| Space::new(heap, layout).map(drop))
}

fn batch<P: Platform>(heap: &Heap<P>) -> Result<(), AllocError> {
    let layout = layout(64);
    let mut slots: [Slot<'_, P>; LIVE] = [const { None }; LIVE];
    for _ in 0..STEPS / LIVE {
        for slot in &mut slots {
            *slot = Some(Space::new(heap, layout)?);
        }
        slots.iter_mut().for_each(|slot| *slot = None);
    }
    Ok(())
}

fn churn<P: Platform>(heap: &Heap<P>) -> Result<(), AllocError> {
    let mut slots: [Slot<'_, P>; LIVE] = [const { None }; LIVE];
    let mut random: u32 = 0x9e37_79b9;
    for _ in 0..STEPS {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let [place, size, order, _] = random.to_be_bytes().map(usize::from);
        let Some(slot) = slots.get_mut(place % LIVE) else { continue };
        *slot = None;
        *slot = Some(Space::new(heap, layout((8 + size % 8) << (order % 8)))?);
    }
    Ok(())
}

//! Paths of the kernel whose length in instructions has a budget, and how it is found.
//!
//! Where the machine's counter counts instructions (`cargo demo bench`) the lengths are exact and the same in each run, but where a
//! timer has a part: there they differ by what it interrupts. Elsewhere they are cycles, and mean little.

mod files;
mod programs;

use core::alloc::Layout;
use core::fmt;

use kos_alloc::FrameRequest;
use kos_paging::{Attrs, HugePolicy, SplitPolicy, VirtAddr, VirtRange};

use crate::Kernel;
use crate::drill::delays::{self, Beside};
use crate::drill::masked::{self, Work};
use crate::glue::address::phys_of;
use crate::glue::rights::expressible;
use crate::owned::{Run, Space};
use crate::platform::{Access, Platform};
use crate::selftest::Failure;

/// Rounds of which the shortest counts: an interrupt makes one longer, nothing makes one shorter.
const ROUNDS: usize = 16;
/// A page that is mapped and unmapped; nothing else is near.
const SCRATCH: u64 = 0xffff_c200_0000_0000;
const PAGE: u64 = 4096;

/// One path.
pub(crate) struct Path<P: Platform> {
    /// Its name in `budgets.toml`.
    pub(crate) name: &'static str,
    /// Counts the instructions of the shortest round.
    pub(crate) count: fn(&Kernel<P>) -> Result<u64, Failure>,
}

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Path<P>] = &[
        Path { name: "page fault, taken and refused", count: page_fault },
        Path { name: "heap: 64 bytes allocated and freed", count: heap_pair },
        Path { name: "frame allocated and freed", count: frame_pair },
        Path { name: "page and its three tables mapped, unmapped and flushed", count: page_pair },
        Path { name: "shell: a command that does nothing", count: command },
        Path { name: "park to the next task", count: |kernel| Ok(delays::of_turns(kernel)?.park) },
        Path { name: "wake of a sleeper", count: |kernel| Ok(delays::of_turns(kernel)?.wake) },
        Path {
            name: "timer to the task that it wakes, cpu idle",
            count: |kernel| delays::of_sleeps(kernel, Beside::Nothing),
        },
        Path {
            name: "timer to the task that it wakes, cpu busy",
            count: |kernel| delays::of_sleeps(kernel, Beside::Computing),
        },
        Path {
            name: "longest masked: heap and frames",
            count: |kernel| masked::longest(kernel, Work::Memory),
        },
        Path {
            name: "longest masked: a thread made, changed, run, buried",
            count: |kernel| masked::longest(kernel, Work::Threads),
        },
        // Last: programs leave the machine another one than it was.
        Path { name: "file: opened and closed", count: files::open },
        Path { name: "file: 4 KiB read", count: files::read },
        Path { name: "file: 4 KiB written", count: files::write },
        Path { name: "program: a system call", count: programs::system_call },
        Path { name: "program: a page touched first", count: programs::first_touch },
        Path { name: "program: a call to another process, answered", count: programs::remote_call },
        Path { name: "program: a child forked, ended, waited for", count: programs::child },
    ];
}

/// All of them.
pub(crate) fn all<P: Platform>() -> &'static [Path<P>] {
    Table::<P>::ALL
}

/// The instructions of the shortest round of `work`, less those of reading the counter.
fn shortest<P: Platform>(
    kernel: &Kernel<P>,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let empty = least(kernel, &mut || Ok(()))?;
    Ok(least(kernel, &mut work)?.saturating_sub(empty))
}

fn least<P: Platform>(
    kernel: &Kernel<P>,
    work: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<u64, Failure> {
    (0..ROUNDS).try_fold(u64::MAX, |least, _| {
        let start = kernel.platform().cycles();
        work()?;
        Ok(kernel.platform().cycles().saturating_sub(start).min(least))
    })
}

fn page_fault<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    shortest(kernel, || match kernel.platform().probe(SCRATCH, Access::Read) {
        Ok(()) => Err(Failure::new(format_args!("{SCRATCH:#x} is mapped"))),
        Err(_) => Ok(()),
    })
}

fn heap_pair<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    let layout = Layout::from_size_align(64, 8)?;
    shortest(kernel, || Ok(Space::new(kernel.heap(), layout).map(drop)?))
}

fn frame_pair<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    shortest(kernel, || Ok(Run::new(kernel.frames(), FrameRequest::new(1)).map(drop)?))
}

fn page_pair<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    let frame = Run::new(kernel.frames(), FrameRequest::new(1))?;
    let page = VirtRange::new(VirtAddr::new(SCRATCH), PAGE)?;
    let attrs = kernel.with_tables(|tables| expressible(tables.format(), Attrs::RW));
    shortest(kernel, || {
        kernel.with_tables(|tables| {
            tables.map(page, phys_of(frame.range().start()), attrs, HugePolicy::Never)?;
            let unmapped = tables.unmap(page, SplitPolicy::Refuse)?;
            let flushed = unmapped.flush(&kernel.platform().tlb());
            flushed
                .map_err(|_| Failure::new(format_args!("a translation could not be flushed")))?
                .release(drop);
            Ok(())
        })
    })
}

fn command<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    struct Nowhere;
    impl fmt::Write for Nowhere {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            Ok(())
        }
    }
    shortest(kernel, || {
        kernel.execute("true", &mut Nowhere);
        Ok(())
    })
}

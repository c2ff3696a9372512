//! The page table that is loaded: what it allows, what it refuses, that failures change nothing.

use kos_alloc::FrameRequest;
use kos_paging::{
    AttrError, Attrs, Flags, HugePolicy, MapError, PhysAddr, SplitPolicy, TranslateError, UnmapError,
    VirtAddr, VirtRange,
};

use super::hoard::Hoard;
use super::{Failure, Test};
use crate::ensure;
use crate::glue::address::phys_of;
use crate::glue::rights::{can_forbid_execution, expressible};
use crate::owned::Run;
use crate::platform::{Access, Platform, Rights};
use crate::{Kernel, KernelFrames};

/// Kernel addresses that nothing else uses: behind the largest direct map.
const SCRATCH: u64 = 0xffff_c000_0000_0000;
const PAGE: u64 = 4096;
const HUGE: u64 = 512 * PAGE;

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "paging::mapped_pages_work_until_unmapped", run: map_and_unmap },
        Test { name: "paging::translate_finds_each_byte", run: translate },
        Test { name: "paging::mapping_over_a_mapping_is_refused", run: occupied },
        Test { name: "paging::write_and_execute_never_meet", run: write_xor_execute },
        Test { name: "paging::protected_pages_refuse_writes", run: protect },
        Test { name: "paging::part_of_a_huge_leaf_is_exact", run: part_of_huge },
        Test { name: "paging::code_and_constants_refuse_writes", run: image },
        Test { name: "paging::no_alias_of_code_or_constants_is_writable", run: aliases },
        Test { name: "paging::guard_pages_fault", run: guards },
        Test { name: "paging::kth_failure_changes_nothing", run: kth_failure },
    ]
}

fn scratch(bytes: u64) -> Result<VirtRange, Failure> {
    Ok(VirtRange::new(VirtAddr::new(SCRATCH), bytes)?)
}

/// Frames that a test maps; dropped after they are unmapped.
fn frames<P: Platform>(kernel: &Kernel<P>, count: usize) -> Result<Run<'_, KernelFrames<P>>, Failure> {
    Ok(Run::new(kernel.frames(), FrameRequest::new(count).aligned(count.next_power_of_two()))?)
}

fn map<P: Platform>(kernel: &Kernel<P>, bytes: u64, phys: PhysAddr, attrs: Attrs) -> Result<(), MapError> {
    let range = VirtRange::new(VirtAddr::new(SCRATCH), bytes)?;
    kernel.with_tables(|tables| {
        let attrs = expressible(tables.format(), attrs);
        tables.map(range, phys, attrs, HugePolicy::Largest)
    })
}

/// Unmaps from `SCRATCH` on; the bytes that were mapped.
fn unmap<P: Platform>(kernel: &Kernel<P>, range: VirtRange, split: SplitPolicy) -> Result<u64, Failure> {
    kernel.with_tables(|tables| {
        let mut bytes = 0;
        let flushed = tables.unmap(range, split)?.flush(&kernel.platform().tlb());
        let flushed = flushed.map_err(|error| Failure::new(format_args!("{error}")))?;
        flushed.release(|run| bytes += run.range.bytes());
        Ok(bytes)
    })
}

fn probe<P: Platform>(kernel: &Kernel<P>, at: u64, access: Access) -> Result<(), bool> {
    kernel.platform().probe(at, access).map_err(|refused| refused.present)
}

fn map_and_unmap<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = frames(kernel, 4)?;
    for round in 0..3 {
        ensure!(probe(kernel, SCRATCH, Access::Read) == Err(false), "mapped before round {round}");
        map(kernel, 4 * PAGE, phys_of(run.range().start()), Attrs::RW)?;
        for page in 0..4 {
            let at = SCRATCH + page * PAGE + 17;
            ensure!(probe(kernel, at, Access::Write) == Ok(()), "{at:#x} refuses a write");
        }
        let bytes = unmap(kernel, scratch(4 * PAGE)?, SplitPolicy::Refuse)?;
        ensure!(bytes == 4 * PAGE, "{bytes} bytes came back");
        ensure!(
            probe(kernel, SCRATCH + 3 * PAGE, Access::Read) == Err(false),
            "still mapped after round {round}"
        );
    }
    Ok(kernel.with_tables(|tables| tables.check())?)
}

fn translate<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = frames(kernel, 2)?;
    let phys = phys_of(run.range().start());
    map(kernel, 2 * PAGE, phys, Attrs::R)?;
    for offset in [0, 1, PAGE - 1, PAGE, 2 * PAGE - 1] {
        let found = kernel.with_tables(|tables| tables.translate(VirtAddr::new(SCRATCH + offset)))?;
        ensure!(found.phys.get() == phys.get() + offset, "offset {offset:#x} is at {}", found.phys);
        let wanted = expressible(&kernel.platform().format(), Attrs::R);
        ensure!(found.leaf.attrs == wanted, "attributes became {:?}", found.leaf.attrs);
    }
    let behind = kernel.with_tables(|tables| tables.translate(VirtAddr::new(SCRATCH + 2 * PAGE)));
    ensure!(matches!(behind, Err(TranslateError::NotMapped { .. })), "behind the end: {behind:?}");
    unmap(kernel, scratch(2 * PAGE)?, SplitPolicy::Refuse).map(drop)
}

fn occupied<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = frames(kernel, 2)?;
    let phys = phys_of(run.range().start());
    map(kernel, PAGE, phys, Attrs::R)?;
    let before = kernel.in_use();
    let answer = map(kernel, 2 * PAGE, phys, Attrs::RW);
    let named = matches!(answer, Err(MapError::Occupied { existing, .. }) if existing.phys == phys);
    ensure!(named, "{answer:?}");
    ensure!(kernel.in_use() == before, "a refused mapping took memory");
    ensure!(probe(kernel, SCRATCH, Access::Write) == Err(true), "a refused mapping changed rights");
    unmap(kernel, scratch(PAGE)?, SplitPolicy::Refuse).map(drop)
}

fn write_xor_execute<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    if !can_forbid_execution(&kernel.platform().format()) {
        return Err(Failure::skip(format_args!("no NX")));
    }
    let run = frames(kernel, 1)?;
    let answer = map(kernel, PAGE, phys_of(run.range().start()), Attrs::RWX);
    ensure!(answer == Err(MapError::Attr(AttrError::WriteAndExecute)), "{answer:?}");
    let both = Flags::WRITE | Flags::EXECUTE;
    let bad = kernel.with_tables(|tables| {
        tables.runs().find(|run| run.is_ok_and(|run| run.attrs.flags.contains(both))).map(|_| ())
    });
    ensure!(bad.is_none(), "a leaf is writable and executable");
    Ok(())
}

fn protect<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = frames(kernel, 1)?;
    map(kernel, PAGE, phys_of(run.range().start()), Attrs::RW)?;
    ensure!(probe(kernel, SCRATCH, Access::Write) == Ok(()));
    let range = scratch(PAGE)?;
    kernel.with_tables(|tables| {
        let attrs = expressible(tables.format(), Attrs::R);
        let changed = tables.protect(range, attrs, SplitPolicy::Refuse)?;
        changed.flush(&kernel.platform().tlb()).map_err(|error| Failure::new(format_args!("{error}")))
    })?;
    ensure!(probe(kernel, SCRATCH, Access::Write) == Err(true), "a read-only page took a write");
    ensure!(probe(kernel, SCRATCH, Access::Read) == Ok(()), "a read-only page refuses a read");
    unmap(kernel, range, SplitPolicy::Refuse).map(drop)
}

fn part_of_huge<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = frames(kernel, 512)?;
    map(kernel, HUGE, phys_of(run.range().start()), Attrs::RW)?;
    let leaf = kernel.with_tables(|tables| tables.translate(VirtAddr::new(SCRATCH)))?.leaf;
    ensure!(leaf.leaf_bytes == HUGE, "2 MiB became leaves of {} bytes", leaf.leaf_bytes);
    let page = VirtRange::new(VirtAddr::new(SCRATCH + 7 * PAGE), PAGE)?;
    let refused = kernel.with_tables(|tables| tables.unmap(page, SplitPolicy::Refuse).err());
    ensure!(matches!(refused, Some(UnmapError::PartOfHuge { .. })), "{refused:?}");
    let gone = unmap(kernel, page, SplitPolicy::Split)?;
    ensure!(gone == PAGE, "{gone} bytes were unmapped");
    ensure!(probe(kernel, SCRATCH + 7 * PAGE, Access::Read) == Err(false), "the page is still there");
    for neighbour in [0, 6, 8, 511] {
        ensure!(
            probe(kernel, SCRATCH + neighbour * PAGE, Access::Write) == Ok(()),
            "page {neighbour} is gone"
        );
    }
    let rest = unmap(kernel, scratch(HUGE)?, SplitPolicy::Refuse)?;
    ensure!(rest == HUGE - PAGE, "{rest} bytes were left");
    Ok(())
}

fn image<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for piece in kernel.platform().mappings() {
        let allowed = match piece.rights {
            Rights::ReadExecute | Rights::Read => Err(true),
            Rights::ReadWrite => Ok(()),
            Rights::Device | Rights::Guard => continue,
        };
        for at in [piece.virt, piece.virt + (piece.length - 1)] {
            ensure!(probe(kernel, at, Access::Read) == Ok(()), "'{}' refuses a read at {at:#x}", piece.name);
            let answer = probe(kernel, at, Access::Write);
            ensure!(answer == allowed, "a write to '{}' at {at:#x}: {answer:?}", piece.name);
        }
    }
    Ok(())
}

/// The same frames, through the direct map: page by page, with the pages around them writable as before.
fn aliases<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let platform = kernel.platform();
    for piece in platform.mappings() {
        let allowed = match piece.rights {
            Rights::ReadExecute | Rights::Read => Err(true),
            Rights::ReadWrite => Ok(()),
            Rights::Device | Rights::Guard => continue,
        };
        for offset in (0..piece.length).step_by(4096) {
            let at = platform.direct_map_base() + piece.phys + offset;
            if probe(kernel, at, Access::Read).is_ok() {
                let answer = probe(kernel, at, Access::Write);
                ensure!(answer == allowed, "'{}' at {at:#x} of the direct map: {answer:?}", piece.name);
            }
        }
    }
    Ok(())
}

fn guards<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut guards = 0;
    for guard in kernel.platform().mappings().filter(|piece| piece.rights == Rights::Guard) {
        guards += 1;
        for at in [guard.virt, guard.virt + (guard.length - 1)] {
            let answer = probe(kernel, at, Access::Write);
            ensure!(answer == Err(false), "'{}' at {at:#x}: {answer:?}", guard.name);
        }
    }
    ensure!(guards > 0, "no stack has a guard page");
    Ok(())
}

/// With only k frames left, a mapping that needs more fails and changes nothing, for every k.
fn kth_failure<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let run = frames(kernel, 1)?;
    let phys = phys_of(run.range().start());
    kernel.heap().shrink();
    let mut hoard = Hoard::<P>::new(kernel.frames(), 8)?;
    for k in 0..8 {
        let before = kernel.in_use();
        match map(kernel, PAGE, phys, Attrs::RW) {
            Ok(()) => {
                ensure!(k > 0, "a new table cost no frame");
                return unmap(kernel, scratch(PAGE)?, SplitPolicy::Refuse).map(drop);
            }
            Err(MapError::OutOfTables { needed }) => {
                ensure!(needed > k, "{needed} tables needed, {k} frames were there");
                ensure!(
                    kernel.in_use() == before,
                    "failure {k} kept memory: {} then {before}",
                    kernel.in_use()
                );
                kernel.with_tables(|tables| tables.check())?;
            }
            Err(error) => return Err(error.into()),
        }
        hoard.release_one();
    }
    Err(Failure::new(format_args!("8 frames were not enough for a page")))
}

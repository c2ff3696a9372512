//! Many CPUs at once: each is who it says, wakes when called, forgets translations when told, allocates beside the others.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use kos_alloc::{CpuIndex, Env, FrameRequest};
use kos_paging::{Attrs, HugePolicy, SplitPolicy, VirtAddr, VirtRange};
use kos_sched::Resume;

use super::patience::PATIENCE;
use super::{Failure, Test};
use crate::ensure;
use crate::glue::address::phys_of;
use crate::glue::rights::expressible;
use crate::owned::Run;
use crate::platform::{Access, CpuState, Platform};
use crate::storm;
use crate::threads::{How, Member};
use crate::time::Duration;
use crate::{Kernel, KernelFrames};

/// Pages that each CPU maps and unmaps, one a CPU; nothing else is near.
const SCRATCH: u64 = 0xffff_c100_0000_0000;
const PAGE: u64 = 4096;
/// How often a CPU maps and unmaps its page: of few CPUs each more often, as every time all the others are called.
fn rounds(cpus: usize) -> u64 {
    (512 / cpus.max(1) as u64).clamp(4, 40)
}
/// Pages of others at which a CPU looks in each round.
const LOOKS: usize = 5;
/// Allocations and frees of a CPU: of more than 256 CPUs fewer each, as emulated ones take turns.
fn operations(cpus: usize) -> u64 {
    ((1 << 20) / cpus.max(1) as u64).min(4_000)
}

pub(super) fn tests<P: Platform>() -> &'static [Test<P>] {
    &[
        Test { name: "smp::every_cpu_runs_under_its_number", run: numbers },
        Test { name: "smp::every_cpu_wakes_when_called", run: round_trips },
        Test { name: "smp::who_asks_all_cpus_waits_for_his_turn", run: turns },
        Test { name: "smp::no_cpu_uses_a_translation_that_was_shot_down", run: shootdown_storm },
        Test { name: "smp::all_cpus_allocate_at_once", run: allocator_storm },
        Test { name: "smp::every_cpu_ends_its_sleeps_and_never_early", run: naps },
    ]
}

fn numbers<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let listed = kernel.platform().cpus().filter(|cpu| matches!(cpu.state, CpuState::Online)).count();
    ensure!(listed > 0, "not even this CPU is online");
    kernel.everywhere(|kernel, cpu| {
        let platform = kernel.platform();
        // A machine in a process need not tell its allocators.
        let same = platform.cpu() == cpu && platform.env().cpu().is_none_or(|seen| seen == cpu);
        u64::from(same) * (1000 + cpu.0 as u64)
    })?;
    for cpu in kernel.online() {
        let answer = kernel.answer(cpu);
        ensure!(answer == 1000 + cpu.0 as u64, "cpu {} answers {answer}", cpu.0);
        ensure!(cpu.0 < kernel.platform().env().cpus(), "the allocators do not expect cpu {}", cpu.0);
    }
    Ok(())
}

/// One by one, twice: awake again after it fell asleep.
fn round_trips<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    for round in 1..=2 {
        for cpu in kernel.online() {
            kernel.on(|one| one == cpu, |kernel, cpu| if kernel.platform().cpu() == cpu { 7 } else { 0 })?;
            ensure!(kernel.answer(cpu) == 7, "round {round}: another CPU did the work of cpu {}", cpu.0);
        }
    }
    Ok(())
}

/// Threads that move between CPUs ask at the same time: each asks every CPU, and nobody waits for a job that was another's.
fn turns<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const TIMES: u32 = 10;
    let (asked, answered) = (AtomicU32::new(0), AtomicU32::new(0));
    let work = || {
        for _ in 0..TIMES {
            asked.fetch_add(1, SeqCst);
            let all = kernel.everywhere(|kernel, _| {
                // Others would come in between.
                kernel.threads.runtime().yield_now();
                1
            });
            answered.fetch_add(u32::from(all.is_ok()), SeqCst);
        }
    };
    let members = [Member::new(How::new("asks"), &work); 4];
    let started = kernel.platform().now();
    kernel.with_team(&members, |tasks| tasks.iter().try_for_each(|&task| kernel.join(task).map(drop)))??;
    let took = kernel.platform().now().checked_duration_since(started);
    ensure!([&asked, &answered].map(|count| count.load(SeqCst)) == [4 * TIMES; 2], "not all were answered");
    ensure!(took < Some(PATIENCE), "somebody waited for what never came");
    Ok(())
}

fn shootdown_storm<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    storm(kernel).map(drop)
}

/// Every CPU maps and unmaps its page, all at once; the shootdowns that this took.
pub(crate) fn storm<P: Platform>(kernel: &Kernel<P>) -> Result<u64, Failure> {
    kernel.everywhere(shoot)?;
    for cpu in kernel.online() {
        match kernel.answer(cpu) {
            0 => {}
            FAILED => return Err(Failure::new(format_args!("cpu {} could not map or unmap", cpu.0))),
            stale => {
                return Err(Failure::new(format_args!("cpu {} used {stale} stale translations", cpu.0)));
            }
        }
    }
    kernel.with_tables(|tables| tables.check())?;
    Ok(rounds(kernel.platform().env().cpus()) * kernel.online().count() as u64)
}

/// The answer of a CPU whose page could not be mapped or unmapped.
const FAILED: u64 = u64::MAX;

fn page(cpu: CpuIndex) -> u64 {
    SCRATCH + cpu.0 as u64 * PAGE
}

/// Maps the CPU's page and unmaps it, again and again, and looks at those of the others, between both to remember them and
/// afterwards; the stale translations that it used. The CPU's note is even only while its page is unmapped everywhere.
fn shoot<P: Platform>(kernel: &Kernel<P>, own: CpuIndex) -> u64 {
    let count = kernel.platform().env().cpus();
    let (Ok(frames), Some(note)) = (Run::new(kernel.frames(), FrameRequest::new(1)), kernel.crew.note(own))
    else {
        return FAILED;
    };
    let near = || (0..=LOOKS).map(|step| CpuIndex((own.0 + step) % count));
    let look = || near().filter(|&cpu| uses_stale(kernel, cpu)).count() as u64;
    let mut stale = 0;
    for round in 0..rounds(count) {
        note.store(2 * round + 1, SeqCst);
        if map(kernel, own, &frames).is_none() {
            return FAILED;
        }
        stale += look();
        if unmap(kernel, own).is_none() {
            return FAILED;
        }
        note.store(2 * round + 2, SeqCst);
        stale += look();
    }
    stale
}

fn map<P: Platform>(kernel: &Kernel<P>, own: CpuIndex, frames: &Run<'_, KernelFrames<P>>) -> Option<()> {
    let range = VirtRange::new(VirtAddr::new(page(own)), PAGE).ok()?;
    kernel.with_tables(|tables| {
        let attrs = expressible(tables.format(), Attrs::RW);
        tables.map(range, phys_of(frames.range().start()), attrs, HugePolicy::Never).ok()
    })?;
    kernel.platform().probe(page(own), Access::Write).ok()
}

fn unmap<P: Platform>(kernel: &Kernel<P>, own: CpuIndex) -> Option<()> {
    let range = VirtRange::new(VirtAddr::new(page(own)), PAGE).ok()?;
    kernel.with_tables(|tables| {
        let unmapped = tables.unmap(range, SplitPolicy::Refuse).ok()?;
        unmapped.flush(&kernel.platform().tlb()).ok()?.release(drop);
        Some(())
    })
}

/// Whether this CPU still reaches the page of `cpu` although it is unmapped everywhere, before the look and after it.
fn uses_stale<P: Platform>(kernel: &Kernel<P>, cpu: CpuIndex) -> bool {
    let Some(note) = kernel.crew.note(cpu) else { return false };
    let before = note.load(SeqCst);
    let reached = kernel.platform().probe(page(cpu), Access::Read).is_ok();
    reached && before.is_multiple_of(2) && note.load(SeqCst) == before
}

fn allocator_storm<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    kernel.everywhere(|kernel, cpu| storm::crowd(kernel, cpu, operations(kernel.platform().env().cpus())))?;
    for cpu in kernel.online() {
        let damaged = kernel.answer(cpu);
        ensure!(damaged == 0, "cpu {} found {damaged} blocks overwritten", cpu.0);
    }
    Ok(kernel.check()?)
}

/// How long a CPU sleeps.
const NAP: Duration = Duration::from_micros(500);
/// Naps on each CPU.
const NAPS: u64 = 3;

fn naps<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    kernel.everywhere(|kernel, _| {
        let early = |_: &u64| {
            let until = kernel.platform().now() + NAP;
            let resume = kernel.threads.sleep_until(Some(until));
            resume == Resume::Interrupted || kernel.platform().now() < until
        };
        (0..NAPS).filter(early).count() as u64
    })?;
    for cpu in kernel.online() {
        let early = kernel.answer(cpu);
        ensure!(early == 0, "cpu {} was awake too early {early} times", cpu.0);
    }
    Ok(())
}

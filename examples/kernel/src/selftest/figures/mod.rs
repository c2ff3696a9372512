//! Tests of figures: the page is OpenMetrics, its sums are those of `free`; pressure; the picture.

mod openmetrics;

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use kos_sched::CpuSet;

use super::hoard::Hoard;
use super::lines::told;
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::pressure::{Resource, is_low};
use crate::threads::{How, Member, TEAM};
use crate::time::{Duration, after};
use openmetrics::Read;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often one looks meanwhile.
const LOOK: Duration = Duration::from_millis(20);

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "figures::the_page_is_open_metrics", run: page },
        Test { name: "figures::sums_are_those_of_free", run: sums },
        Test { name: "figures::pressure_is_a_share_of_the_time", run: pressure },
        Test { name: "figures::more_threads_than_cpus_is_pressure", run: busy },
        Test { name: "figures::a_zone_below_its_mark_is_low", run: low },
        Test { name: "figures::limits_of_pressure_can_be_set", run: limits },
        Test { name: "figures::a_frame_of_view_shows_zones_queues_and_cache", run: view },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

fn page<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let text = told(kernel, "metrics", 0)?;
    let families = openmetrics::check(&text)?;
    ensure!(families >= 16, "{families} families");
    for name in
        ["kos_zone_free_blocks{", "kos_slab_objects{", "kos_cpu_seconds_total{", "kos_pressure_ratio{"]
    {
        ensure!(text.lines().any(|line| line.starts_with(name)), "no {name}");
    }
    Ok(())
}

/// The number behind a word in a line of `free -b`, where digits stand in groups.
fn number(text: &str, line: &str, column: usize) -> Option<u64> {
    let line = text.lines().find(|other| other.starts_with(line))?;
    let word = line.split_whitespace().nth(column)?;
    word.split(',').try_fold(0_u64, |sum, group| Some(sum * 1000 + group.parse::<u64>().ok()?))
}

fn sums<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (text, free) = (told(kernel, "metrics", 0)?, told(kernel, "free -b", 0)?);
    let read = Read(&text);
    let state = |state| read.value("kos_memory_bytes", ("state", state));
    let [used, rest, reserved, firmware] =
        [state("used")?, state("free")?, state("reserved")?, state("firmware")?];
    let total = number(&free, "memory", 1);
    ensure!(total == Some(used + rest + reserved), "{total:?}: {used} + {rest} + {reserved}");
    let kept = number(&free, "memory", 4);
    ensure!(kept == Some(reserved), "{kept:?} reserved, not {reserved}");
    let map = number(&free, "map", 1);
    ensure!(map == Some(used + rest + reserved + firmware), "the map has {map:?}");
    let owners = read.sum("kos_memory_used_bytes");
    ensure!(owners == used, "owners have {owners}, {used} are used");
    let programs = read.value("kos_memory_used_bytes", ("owner", "programs"))?;
    let parts = ["kos_process_resident_bytes", "kos_process_kernel_bytes", "kos_programs_shared_bytes"];
    let found: u64 = parts.iter().map(|name| read.sum(name)).sum();
    // Nobody runs, so nothing is counted twice.
    ensure!(found == programs, "programs have {programs}, {found} were found");
    let zones = read.sum_of("kos_zone_bytes", ("state", "managed"));
    ensure!(zones == used + rest, "zones have {zones}, not {}", used + rest);
    Ok(())
}

fn pressure<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let text = told(kernel, "pressure", 0)?;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (name, kind) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        ensure!(matches!((name, kind), ("cpu" | "io", "some") | ("memory", "low")), "{line}");
        for window in ["avg10=", "avg60=", "avg300="] {
            let share = words.next().and_then(|word| word.strip_prefix(window)?.parse::<f32>().ok());
            ensure!(share.is_some_and(|share| (0.0..=100.0).contains(&share)), "{line}");
        }
        let total = words.next().and_then(|word| word.strip_prefix("total=")?.parse::<u64>().ok());
        ensure!(total.is_some() && words.next().is_none(), "{line}");
    }
    ensure!(text.starts_with("cpu ") && text.contains("\nmemory low"), "{text}");
    if kernel.files().is_some() {
        told(kernel, "cat /proc/pressure | grep cpu", 0)?;
    }
    Ok(())
}

/// The time in which more threads wanted to run than there are CPUs.
fn waited<P: Platform>(kernel: &Kernel<P>) -> u64 {
    let mut shares = kernel.pressure.shares();
    shares.find(|(resource, _)| *resource == Resource::Cpu).map_or(0, |(_, share)| share.total_ns())
}

fn busy<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let cpus = kernel.threads.runtime().scheduler().online_cpus().count() as usize;
    if cpus + 2 > TEAM {
        return Err(Failure::skip(format_args!("no team is larger than {cpus} CPUs")));
    }
    kernel.watch_pressure()?;
    let (before, end) = (waited(kernel), AtomicBool::new(false));
    let spin = || {
        while !end.load(Relaxed) && !kernel.is_told_to_end() {
            kernel.threads.breathe();
        }
    };
    let mut members = heapless::Vec::<Member<'_>, TEAM>::new();
    for _ in 0..cpus + 2 {
        // There is room.
        let _ = members.push(Member::new(How::new("busy"), &spin));
    }
    let until = after(kernel.threads.runtime().now(), PATIENCE);
    let seen = kernel.with_team(&members, |_| {
        while waited(kernel) == before && kernel.threads.runtime().now() < until {
            let _ = kernel.threads.sleep(LOOK);
        }
        end.store(true, Relaxed);
        waited(kernel)
    })?;
    ensure!(seen > before, "{} threads on {cpus} CPUs, and nobody waits", cpus + 2);
    Ok(())
}

fn low<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    ensure!(!is_low(kernel), "a zone is low from the start");
    let hoard = Hoard::<P>::new(kernel.frames(), 0)?;
    let seen = is_low(kernel);
    drop(hoard);
    ensure!(seen && !is_low(kernel), "all frames were taken, and no zone was low");
    Ok(())
}

fn limits<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let before = told(kernel, "pressure limits", 0)?;
    let changed = told(kernel, "pressure limit io 33; pressure limits; pressure limit io 80", 0)?;
    ensure!(changed.contains("io     33.00 %\n"), "{changed}");
    ensure!(told(kernel, "pressure limits", 0)? == before, "{before}");
    told(kernel, "pressure limit tea 5", 2)?;
    told(kernel, "pressure limit cpu 101", 2)?;
    Ok(())
}

fn view<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let text = told(kernel, "view -n 2 1", 0)?;
    let frames = text.lines().filter(|line| line.starts_with("kos  frame ")).count();
    ensure!(frames == 2 && !text.contains('\x1b'), "{frames} frames: {text}");
    ensure!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let zone = text.lines().find(|line| line.starts_with("DMA")).map(|line| line.split_whitespace().count());
    // A name, an order each, what is free.
    ensure!(zone.is_some_and(|words| words > 19 + 1), "{text}");
    ensure!(text.contains("cpu 0   busy ") && text.contains("runs "), "{text}");
    ensure!(text.contains("page cache "), "{text}");
    told(kernel, "view -n 0", 2)?;
    told(kernel, "view 0", 2)?;
    Ok(())
}

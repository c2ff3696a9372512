//! Memory: all of it by state, what is used by owner, by process, by zone, by size class, and the page cache.

use core::fmt;

use kos_alloc::Inventory;
use kos_alloc::frame::MAX_ORDER;

use super::page::{Kind, Page};
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::owners::{self, Owners};
use crate::platform::Platform;
use crate::process::census::{Census, Figures};

const fn bytes(frames: u64) -> u64 {
    frames * FRAME_BYTES
}

pub(super) fn write<P: Platform>(kernel: &Kernel<P>, page: &mut Page) -> fmt::Result {
    // Counted before any of it is written: the page takes memory, too.
    let census = Census::new(kernel).and_then(|mut census| {
        let owners = owners::of_programs(kernel, &mut census).ok()?;
        Some((owners, census))
    });
    if let Some((owners, census)) = &census {
        sums(kernel, owners, page)?;
        processes(kernel, census, page)?;
    }
    zones(kernel, page)?;
    classes(kernel, page)?;
    cache(kernel, page)
}

/// What `free` says.
fn sums<P: Platform>(kernel: &Kernel<P>, owners: &Owners, page: &mut Page) -> fmt::Result {
    let (accounts, managed) = (kernel.accounts(), kernel.frames().stats().managed as u64);
    page.family("kos_memory_bytes", Kind::Gauge, "All memory that the map lists, by state.")?;
    for (state, value) in [
        ("used", bytes(owners.used)),
        ("free", bytes(managed.saturating_sub(owners.used))),
        ("reserved", bytes(accounts.reserved_frames() as u64)),
        ("firmware", accounts.firmware_bytes()),
    ] {
        page.sample(&[("state", &state)], value)?;
    }
    page.family("kos_memory_used_bytes", Kind::Gauge, "Memory in use, by owner.")?;
    for (owner, frames) in owners.of_kernel().iter().chain(&[("programs", owners.programs)]) {
        page.sample(&[("owner", owner)], bytes(*frames))?;
    }
    Ok(())
}

/// What each program has; with what several have, all that programs have.
fn processes<P: Platform>(kernel: &Kernel<P>, census: &Census, page: &mut Page) -> fmt::Result {
    let resident = "Resident memory of a process, by whether others have it, too.";
    page.family("kos_process_resident_bytes", Kind::Gauge, resident)?;
    each(kernel, census, page, &[("alone", |figures| figures.own), ("shared", |figures| figures.shared)])?;
    page.family("kos_process_kernel_bytes", Kind::Gauge, "Memory of the kernel for a process.")?;
    each(kernel, census, page, &[("tables", |figures| figures.tables), ("lists", |figures| figures.lists)])?;
    page.family("kos_programs_shared_bytes", Kind::Gauge, "What several programs have, counted once.")?;
    page.sample(&[("part", &"memory")], bytes(census.shared))?;
    page.sample(&[("part", &"lists")], bytes(census.lists))
}

type Part = (&'static str, fn(&Figures) -> u64);

fn each<P: Platform>(kernel: &Kernel<P>, census: &Census, page: &mut Page, parts: &[Part]) -> fmt::Result {
    for figures in &census.processes {
        let process = kernel.processes.of_number(figures.id);
        let name = process.as_ref().map(|process| process.name());
        let name = name.as_deref().unwrap_or("(ended)");
        for (part, of) in parts {
            page.sample(&[("pid", &figures.id), ("name", &name), ("part", part)], bytes(of(figures)))?;
        }
    }
    Ok(())
}

fn zones<P: Platform>(kernel: &Kernel<P>, page: &mut Page) -> fmt::Result {
    let zones = || (0..).map_while(|index| kernel.frames().zone(index)).filter(|zone| zone.managed > 0);
    page.family("kos_zone_bytes", Kind::Gauge, "Memory of a zone: all of it, free, and of that with CPUs.")?;
    for zone in zones() {
        for (state, frames) in [("managed", zone.managed), ("free", zone.free), ("cached", zone.cached)] {
            page.sample(&[("zone", &zone.name), ("state", &state)], bytes(frames as u64))?;
        }
    }
    page.family("kos_zone_mark_bytes", Kind::Gauge, "Marks of a zone: below low it is under pressure.")?;
    for zone in zones() {
        for (mark, frames) in [("min", zone.min), ("low", zone.low), ("high", zone.high)] {
            page.sample(&[("zone", &zone.name), ("mark", &mark)], bytes(frames as u64))?;
        }
    }
    page.family("kos_zone_free_blocks", Kind::Gauge, "Free blocks of 2^order frames.")?;
    for zone in zones() {
        for order in (0..=MAX_ORDER).filter(|&order| zone.blocks.of(order) > 0) {
            page.sample(&[("zone", &zone.name), ("order", &order)], zone.blocks.of(order))?;
        }
    }
    Ok(())
}

fn classes<P: Platform>(kernel: &Kernel<P>, page: &mut Page) -> fmt::Result {
    let stats = kernel.heap().stats();
    page.family("kos_slab_objects", Kind::Gauge, "Objects of a size class, by state.")?;
    for class in stats.classes.iter().filter(|class| class.slabs > 0) {
        let free = class.objects.saturating_sub(class.live).saturating_sub(class.cached);
        for (state, value) in [("live", class.live), ("cached", class.cached), ("free", free)] {
            page.sample(&[("size", &class.size), ("state", &state)], value)?;
        }
    }
    page.family("kos_slabs", Kind::Gauge, "Slabs of a size class.")?;
    for class in stats.classes.iter().filter(|class| class.slabs > 0) {
        page.sample(&[("size", &class.size)], class.slabs)?;
    }
    page.family("kos_heap_large_bytes", Kind::Gauge, "Blocks that are whole frames.")?;
    page.sample(&[], bytes(stats.large.frames as u64))?;
    page.family("kos_heap_failures", Kind::Counter, "Allocations that found no memory.")?;
    page.sample(&[], stats.failed.no_memory)
}

fn cache<P: Platform>(kernel: &Kernel<P>, page: &mut Page) -> fmt::Result {
    let Some(files) = kernel.files() else { return Ok(()) };
    let cache = files.vfs().stats().cache;
    page.family("kos_page_cache_pages", Kind::Gauge, "Pages of files, by state.")?;
    let busy = cache.uninit + cache.writeback;
    for (state, value) in
        [("clean", u64::from(cache.clean)), ("dirty", u64::from(cache.dirty)), ("busy", u64::from(busy))]
    {
        page.sample(&[("state", &state)], value)?;
    }
    for (name, help, value) in [
        ("kos_page_cache_hits", "Pages that were there when they were read.", cache.hits),
        ("kos_page_cache_misses", "Pages that were not.", cache.misses),
        ("kos_page_cache_written", "Pages written back.", cache.written),
    ] {
        page.family(name, Kind::Counter, help)?;
        page.sample(&[], value)?;
    }
    Ok(())
}

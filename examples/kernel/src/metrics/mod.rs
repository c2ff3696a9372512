//! Figures of the kernel for who gathers them: `metrics`, `/proc/metrics`, `/metrics` over HTTP. OpenMetrics 1.0.
//!
//! Each figure is a component's own; one that cannot be had, or whose sums do not hold, is left out.

mod memory;
pub mod page;

use alloc::string::String;
use core::fmt;

use kos_sched::CpuSet;

use crate::Kernel;
use crate::platform::Platform;
use crate::pressure::average::WINDOWS;
use page::{Kind, Page, ratio, seconds};

/// The page as it is now.
///
/// # Errors
/// There is no memory for it.
pub(crate) fn gather<P: Platform>(kernel: &Kernel<P>) -> Result<String, fmt::Error> {
    let mut page = Page::default();
    memory::write(kernel, &mut page)?;
    cpus(kernel, &mut page)?;
    pressure(kernel, &mut page)?;
    network(kernel, &mut page)?;
    page.finish()
}

fn cpus<P: Platform>(kernel: &Kernel<P>, page: &mut Page) -> fmt::Result {
    let (sched, threads) = (kernel.threads.runtime().scheduler(), &kernel.threads);
    page.family("kos_cpu_seconds", Kind::Counter, "Where the time of each CPU went.")?;
    for cpu in sched.online_cpus().iter() {
        let times = threads.account(cpu);
        page.sample(&[("cpu", &cpu), ("mode", &"busy")], seconds(times.busy))?;
        page.sample(&[("cpu", &cpu), ("mode", &"idle")], seconds(times.idle))?;
    }
    let stats = sched.stats();
    page.family("kos_threads_runnable", Kind::Gauge, "Threads that want to run, running ones included.")?;
    page.sample(&[], stats.runnable)?;
    for (name, help, value) in [
        ("kos_switches", "Times that a CPU went from one thread to another.", stats.switches),
        ("kos_migrations", "Threads that were given another CPU.", stats.migrations),
    ] {
        page.family(name, Kind::Counter, help)?;
        page.sample(&[], value)?;
    }
    Ok(())
}

fn pressure<P: Platform>(kernel: &Kernel<P>, page: &mut Page) -> fmt::Result {
    page.family("kos_pressure_seconds", Kind::Counter, "Time in which somebody waited, or a zone was low.")?;
    for (resource, share) in kernel.pressure.shares() {
        let (name, kind) = resource.words();
        page.sample(&[("resource", &name), ("kind", &kind)], seconds(share.total_ns()))?;
    }
    page.family("kos_pressure_ratio", Kind::Gauge, "Its share of the time lately, by seconds.")?;
    for (resource, share) in kernel.pressure.shares() {
        let (name, kind) = resource.words();
        for (window, ppm) in WINDOWS.iter().zip(share.ppm()) {
            page.sample(&[("resource", &name), ("kind", &kind), ("window", window)], ratio(ppm))?;
        }
    }
    Ok(())
}

fn network<P: Platform>(kernel: &Kernel<P>, page: &mut Page) -> fmt::Result {
    let Some(net) = kernel.net() else { return Ok(()) };
    let (stats, sockets, answered) =
        net.with(kernel, |state| (state.stack.stats(), state.stack.sockets(), state.web.answered));
    for (name, help, value) in [
        ("kos_net_frames_in", "Frames that came.", stats.frames_in),
        ("kos_net_in_bytes", "Bytes of them.", stats.bytes_in),
        ("kos_net_frames_out", "Frames that went.", stats.frames_out),
        ("kos_net_out_bytes", "Bytes of them.", stats.bytes_out),
        ("kos_net_delivered", "Packets for a socket.", stats.delivered),
        ("kos_net_consumed", "Packets for the stack itself.", stats.consumed),
        ("kos_net_http_answers", "Requests that were answered whole.", answered),
    ] {
        page.family(name, Kind::Counter, help)?;
        page.sample(&[], value)?;
    }
    page.family("kos_net_dropped", Kind::Counter, "Packets that nobody got, by reason.")?;
    for (reason, count) in stats.dropped.iter() {
        page.sample(&[("reason", &format_args!("{reason:?}"))], count)?;
    }
    page.family("kos_net_sockets", Kind::Gauge, "Sockets that are open.")?;
    page.sample(&[], sockets)
}

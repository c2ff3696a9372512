//! `/metrics`: counters of the network.

use alloc::string::String;
use core::fmt::{self, Write};

use kos_net::services::http::Status;

use super::PAGE;
use super::answer::Answer;
use crate::Kernel;
use crate::platform::Platform;

/// The page.
pub(super) fn page<'k, P: Platform>(kernel: &Kernel<P>) -> Result<Answer<'k, P>, Status> {
    let mut out = String::new();
    out.try_reserve(PAGE).map_err(|_| Status::UNAVAILABLE)?;
    network(kernel, &mut out).map_err(|_| Status::UNAVAILABLE)?;
    out.push_str("# EOF\n");
    Ok(Answer::Text(out))
}

fn network<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
    let Some(net) = kernel.net() else { return Ok(()) };
    let (stats, sockets, answered) =
        net.with(kernel, |state| (state.stack.stats(), state.stack.sockets(), state.web.answered));
    for (name, value) in [
        ("frames_in", stats.frames_in),
        ("bytes_in", stats.bytes_in),
        ("frames_out", stats.frames_out),
        ("bytes_out", stats.bytes_out),
        ("delivered", stats.delivered),
        ("consumed", stats.consumed),
        ("dropped", stats.dropped.total()),
        ("http_answers", answered),
    ] {
        writeln!(out, "# TYPE kos_net_{name} counter\nkos_net_{name}_total {value}")?;
    }
    writeln!(out, "# TYPE kos_net_dropped_by_reason counter")?;
    for (reason, count) in stats.dropped.iter() {
        writeln!(out, "kos_net_dropped_by_reason_total{{reason=\"{reason:?}\"}} {count}")?;
    }
    writeln!(out, "# TYPE kos_net_sockets gauge\nkos_net_sockets {sockets}")
}

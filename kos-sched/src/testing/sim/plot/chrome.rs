//! [`write_chrome`]: the trace-event format that `chrome://tracing` and Perfetto show.
//!
//! Source: Trace Event Format, Google. A CPU is a thread of process 0; times are microseconds, here with three digits after the
//! point.

use core::fmt::{Result, Write};

use super::super::record::{Mark, Trace};
use super::super::workload::Workload;
use super::text;

/// Writes the trace as one JSON object.
///
/// # Errors
/// Those of `out`.
pub fn write_chrome(out: &mut impl Write, load: &Workload, trace: &Trace) -> Result {
    out.write_str("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
    out.write_str(
        "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"tid\":0,\"args\":{\"name\":\"kos-sched\"}}",
    )?;
    for cpu in 0..trace.cpus() {
        let name = format_args!("{{\"name\":\"CPU {cpu}\"}}");
        write!(out, ",\n{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":{cpu},\"args\":{name}}}")?;
    }
    for slice in trace.slices() {
        let (name, since) = (text::json(&load.name(slice.task)), text::micros(slice.since));
        let length = text::micros(slice.until - slice.since);
        write!(
            out,
            ",\n{{\"name\":\"{name}\",\"cat\":\"run\",\"ph\":\"X\",\"pid\":0,\"tid\":{},",
            slice.cpu
        )?;
        write!(out, "\"ts\":{since},\"dur\":{length},\"args\":{{\"task\":{}}}}}", slice.task)?;
    }
    for (at, mark) in trace.marks() {
        let (what, task) = match mark {
            Mark::Woken { task } => ("wake", task),
            Mark::Late { task } => ("deadline missed", task),
        };
        let (name, at) = (text::json(&load.name(*task)), text::micros(*at));
        write!(
            out,
            ",\n{{\"name\":\"{what} {name}\",\"cat\":\"mark\",\"ph\":\"i\",\"s\":\"p\",\"pid\":0,\"tid\":0,"
        )?;
        write!(out, "\"ts\":{at}}}")?;
    }
    out.write_str("\n]}\n")
}

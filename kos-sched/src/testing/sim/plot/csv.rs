//! [`write_csv`]: the slices as a table.

use core::fmt::{Result, Write};

use super::super::record::Trace;
use super::super::watch::Left;
use super::super::workload::Workload;
use super::text;

/// Writes one line a slice: CPU, task, its name, start, end, why it ended; times in nanoseconds.
///
/// # Errors
/// Those of `out`.
pub fn write_csv(out: &mut impl Write, load: &Workload, trace: &Trace) -> Result {
    out.write_str("cpu,task,name,start_ns,end_ns,why\r\n")?;
    for slice in trace.slices() {
        let why = match slice.why {
            Left::Preempted => "preempted",
            Left::Blocked => "blocked",
            Left::Exited => "exited",
        };
        let name = text::csv_field(&load.name(slice.task));
        write!(out, "{},{},{name},{},{},{why}\r\n", slice.cpu, slice.task, slice.since, slice.until)?;
    }
    Ok(())
}

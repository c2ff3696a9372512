//! What each process got while one watched, and what it has: the part of `top` that is about programs.

use core::fmt::Write;

use super::words::{percent, state};
use crate::Kernel;
use crate::accounts::FRAME_BYTES;
use crate::owners::Owners;
use crate::platform::Platform;
use crate::process::{MOST, Process};
use crate::shell::CommandError;
use crate::text::{Bytes, Grouped, Text};
use crate::threads::View;
use crate::time::Duration;

/// CPU time of each process when one began to watch, in nanoseconds.
pub(super) struct Shares(heapless::Vec<(u32, u64), MOST>);

/// The thread of a process as it is now.
fn thread<P: Platform>(kernel: &Kernel<P>, process: &Process<P>) -> Option<View> {
    let task = kernel.thread_of(process.id)?;
    kernel.threads.view(task.index().as_usize()).filter(|view| view.task == task)
}

impl Shares {
    /// Begins to watch.
    pub(super) fn begin<P: Platform>(kernel: &Kernel<P>) -> Self {
        let ran = |process: &Process<P>| thread(kernel, process).map_or(0, |view| view.ran.as_ticks());
        Self(kernel.processes.all().iter().map(|process| (process.id, ran(process))).take(MOST).collect())
    }

    /// Shows what each got since: of `busy` nanoseconds that all threads got, the rest is the kernel's own.
    pub(super) fn show<P: Platform>(
        &self,
        kernel: &Kernel<P>,
        busy: u64,
        length: Duration,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let share = |got: u64| percent(got.saturating_mul(1000).checked_div(length.as_ticks()).unwrap_or(0));
        writeln!(
            out,
            "{:>7} {:<24} {:>9} {:>12} {:>11} {:>11}  state",
            "process", "name", "of a cpu", "time us", "resident", "tables"
        )?;
        let mut all = 0;
        for process in kernel.processes.all() {
            let view = thread(kernel, &process);
            let ran = view.as_ref().map_or(0, |view| view.ran.as_ticks());
            let before = self.0.iter().find(|(id, _)| *id == process.id).map_or(0, |(_, ran)| *ran);
            let got = ran.saturating_sub(before);
            all += got;
            let stats = process.space().map(|space| space.stats()).unwrap_or_default();
            let [resident, tables] = [stats.resident(), stats.tables + stats.vma_frames].map(bytes);
            let (name, micros, got) = (process.name(), Grouped(ran / 1000), share(got));
            write!(out, "{:>7} {name:<24} {got:>9} {micros:>12} {resident:>11} {tables:>11}  ", process.id)?;
            match (process.end(), view) {
                (None, Some(view)) => writeln!(out, "{}", state(view.state, view.reason))?,
                _ => writeln!(out, "ended")?,
            }
        }
        let owners = Owners::of(kernel)?;
        let (own, tables) = (bytes(owners.kernel() - owners.tables), bytes(owners.tables));
        let got = share(busy.saturating_sub(all));
        writeln!(out, "{:>7} {:<24} {got:>9} {:>12} {own:>11} {tables:>11}", "-", "kernel", "")?;
        Ok(())
    }
}

/// Frames as bytes.
fn bytes(frames: u64) -> Text {
    Text::new(format_args!("{}", Bytes(frames * FRAME_BYTES)))
}

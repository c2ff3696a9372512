//! The run queues: what each CPU runs, how busy it was since the frame before, and who waits for it.

use core::fmt::{self, Write};

use kos_sched::core::TaskState;
use kos_sched::{CpuId, CpuSet};

use crate::Kernel;
use crate::platform::Platform;
use crate::text::Text;
use crate::threads::{Accounts, View};

/// CPUs that are shown each.
const CPUS: usize = 8;
/// Who waits is a character each, as long as there is room.
const ROOM: usize = 30;

/// What the CPUs had done when one last looked.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    before: heapless::Vec<(CpuId, Accounts), CPUS>,
}

/// Whether a thread wants a CPU and has none.
const fn waits(view: &View) -> bool {
    matches!(view.state, TaskState::Runnable | TaskState::Waking | TaskState::Migrating)
}

impl Queues {
    pub(super) fn show<P: Platform>(&mut self, kernel: &Kernel<P>, out: &mut dyn Write) -> fmt::Result {
        let online = kernel.threads.runtime().scheduler().online_cpus();
        for cpu in online.iter().take(CPUS) {
            self.line(kernel, cpu, out)?;
        }
        let others = kernel.threads.views().filter(|view| waits(view) && self.is_past(view.cpu)).count();
        match (online.count() as usize).checked_sub(CPUS + 1) {
            None => Ok(()),
            Some(more) => writeln!(out, "and {} CPUs more, for which {others} threads wait", more + 1),
        }
    }

    /// Whether a CPU is none of those that are shown.
    fn is_past(&self, cpu: CpuId) -> bool {
        !self.before.iter().any(|(known, _)| *known == cpu)
    }

    fn line<P: Platform>(&mut self, kernel: &Kernel<P>, cpu: CpuId, out: &mut dyn Write) -> fmt::Result {
        let now = kernel.threads.account(cpu);
        let passed = now.since(self.replace(cpu, now));
        let busy = passed.per_mille(passed.busy);
        let runs = kernel.threads.views().find(|view| view.cpu == cpu && view.state == TaskState::Running);
        let name = runs.as_ref().map_or("-", |view| view.name.as_str());
        let waiting = kernel.threads.views().filter(|view| view.cpu == cpu && waits(view)).count();
        let share = Text::new(format_args!("{}.{} %", busy / 10, busy % 10));
        write!(out, "cpu {cpu:<3} busy {share:>7}  runs {name:<16} ")?;
        (0..waiting.min(ROOM)).try_for_each(|_| out.write_char('#'))?;
        match waiting {
            0 => writeln!(out, "nobody waits"),
            waiting => writeln!(out, " {waiting} wait"),
        }
    }

    /// Remembers what a CPU has done; what it had done before, nothing at first.
    fn replace(&mut self, cpu: CpuId, now: Accounts) -> Accounts {
        if let Some((_, before)) = self.before.iter_mut().find(|(known, _)| *known == cpu) {
            return core::mem::replace(before, now);
        }
        // There is room for all that are shown.
        let _ = self.before.push((cpu, now));
        Accounts::default()
    }
}

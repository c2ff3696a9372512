//! What people write and read: threads, policies, sets of CPUs, shares.

use core::fmt::{self, Write};

use kos_sched::core::TaskState;
use kos_sched::{BlockReason, CpuId, CpuSet, Policy};

use crate::Kernel;
use crate::platform::Platform;
use crate::shell::CommandError;
use crate::text::Text;
use crate::threads::View;

/// A refusal of what was written.
pub(super) fn usage(what: fmt::Arguments<'_>) -> CommandError {
    CommandError::Usage(Text::new(what))
}

/// The thread that a word names: by its whole number, or by what stands before the point.
pub(super) fn thread<P: Platform>(kernel: &Kernel<P>, word: &str) -> Result<View, CommandError> {
    let named = |view: &View| {
        let whole = Text::new(format_args!("{}", view.task));
        let short = whole.as_str().split_once('.').map_or("", |(index, _)| index);
        word == whole.as_str() || word == short
    };
    let found = kernel.threads.views().find(named);
    found.ok_or_else(|| CommandError::Failed(Text::new(format_args!("no thread '{word}'; 'ps' lists them"))))
}

/// How a thread is scheduled.
pub(super) fn policy(policy: Policy) -> Text {
    Text::new(match policy {
        Policy::Stop => format_args!("stop"),
        Policy::Deadline(params) => {
            let [runtime, period] = [params.runtime(), params.period()].map(|length| length.as_micros());
            return Text::new(format_args!("dl {runtime}/{period} us"));
        }
        Policy::Fifo(priority) => return Text::new(format_args!("fifo {}", priority.get())),
        Policy::RoundRobin(priority, _) => return Text::new(format_args!("rr {}", priority.get())),
        Policy::Fair { nice, .. } => return Text::new(format_args!("fair {}", nice.get())),
        Policy::Batch(nice) => return Text::new(format_args!("batch {}", nice.get())),
        Policy::Idle => format_args!("idle"),
        _ => format_args!("other"),
    })
}

/// What a thread does.
pub(super) const fn state(state: TaskState, reason: BlockReason) -> &'static str {
    match (state, reason) {
        (TaskState::Running | TaskState::Blocking, _) => "runs",
        (TaskState::Blocked, BlockReason::Sleep) => "sleeps until a time",
        (TaskState::Blocked, BlockReason::Lock) => "sleeps for a lock",
        (TaskState::Blocked, BlockReason::Wait) => "sleeps for an event",
        (TaskState::Blocked, BlockReason::Io) => "sleeps for input",
        (TaskState::Blocked, BlockReason::Child) => "sleeps for another's end",
        (TaskState::Blocked, BlockReason::Stopped) => "stopped",
        (TaskState::Blocked, _) => "parked",
        (TaskState::Exiting | TaskState::Zombie, _) => "ended",
        _ => "waits for a CPU",
    }
}

/// Where a thread may run, of the CPUs that there are; nothing if it is gone.
pub(super) fn places<P: Platform>(kernel: &Kernel<P>, view: &View, all: &P::Cpus) -> Text {
    let allowed = kernel.threads.runtime().scheduler().affinity(view.task);
    allowed.map_or_else(Text::default, |allowed| cpus(&allowed, all))
}

/// Runs of numbers: `0-3,6`.
fn cpus<M: CpuSet>(mask: &M, all: &M) -> Text {
    let mut text = Text::default();
    let set = mask.and(all);
    if set == *all {
        return Text::new(format_args!("all"));
    }
    let (mut from, mut last) = (None::<CpuId>, None::<CpuId>);
    let mut say = |from: CpuId, to: CpuId| {
        let mark = if text.as_str().is_empty() { "" } else { "," };
        // What does not fit the line is cut.
        let _ = if from == to { write!(text, "{mark}{from}") } else { write!(text, "{mark}{from}-{to}") };
    };
    for cpu in set.iter() {
        match (from, last) {
            (Some(_), Some(before)) if before.get() + 1 == cpu.get() => {}
            (Some(start), Some(before)) => {
                say(start, before);
                from = Some(cpu);
            }
            _ => from = Some(cpu),
        }
        last = Some(cpu);
    }
    if let (Some(start), Some(end)) = (from, last) {
        say(start, end);
    }
    text
}

/// The set that a word like `0-3,6` names.
pub(super) fn parse_cpus<M: CpuSet>(word: &str) -> Result<M, CommandError> {
    let bad = || usage(format_args!("'{word}' is no list of CPUs like 0-3,6"));
    let mut mask = M::EMPTY;
    for part in word.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let [first, last] = [first, last].map(|number| number.parse::<u32>().ok());
        let (Some(first), Some(last)) = (first, last) else { return Err(bad()) };
        if first > last || last >= M::CAPACITY {
            return Err(bad());
        }
        (first..=last).for_each(|cpu| mask.insert(CpuId::new(cpu)));
    }
    Ok(mask)
}

/// Tenths of a percent: `12.5 %`.
pub(super) fn percent(per_mille: u64) -> Text {
    Text::new(format_args!("{}.{} %", per_mille / 10, per_mille % 10))
}

/// Nanoseconds as milliseconds with three places: `12.345 ms`.
pub(super) fn millis(nanoseconds: u64) -> Text {
    let micros = nanoseconds / 1000;
    Text::new(format_args!("{}.{:03} ms", micros / 1000, micros % 1000))
}

#[cfg(test)]
mod tests {
    use kos_sched::CpuMask;

    use super::*;

    type Mask = CpuMask<4>;

    fn shown(mask: &Mask) -> alloc::string::String {
        cpus(mask, &Mask::first_cpus(64)).as_str().into()
    }

    #[test]
    fn lists_of_cpus_are_read_and_shown_alike() {
        for list in ["0", "0-3", "0-3,6", "1,3,5", "62-63"] {
            assert_eq!(shown(&parse_cpus(list).unwrap()), list);
        }
        assert_eq!(shown(&parse_cpus("3,1,2").unwrap()), "1-3");
        assert_eq!(shown(&parse_cpus("0-63").unwrap()), "all");
        assert_eq!(shown(&Mask::EMPTY), "");
        for bad in ["", "x", "3-1", "1,,2", "-", "256", "0-256", "4294967296"] {
            assert!(parse_cpus::<Mask>(bad).is_err(), "{bad}");
        }
        let wide: CpuMask<16> = parse_cpus("0-1023").unwrap();
        assert_eq!(wide.count(), 1024);
        assert!(parse_cpus::<CpuMask<16>>("1024").is_err());
    }

    #[test]
    fn shares_and_times_have_their_places() {
        assert_eq!(percent(1000).as_str(), "100.0 %");
        assert_eq!(percent(7).as_str(), "0.7 %");
        assert_eq!(millis(1_234_567).as_str(), "1.234 ms");
    }
}

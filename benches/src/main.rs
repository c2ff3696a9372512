//! Our crates and their peers: the same work, interleaved in one process, with instruction counts beside the times.
//!
//! One file per question; see `RESULTS.md` for how to read the figures.

extern crate alloc;

mod frame;
mod harness;
mod heap;
mod ipc;
mod kos;
mod lock;
mod net;
mod options;
mod paging;
mod peers;
mod sched;
mod txn;
mod vfs;

use std::io::{self, Write};
use std::process::ExitCode;

use harness::question::{Question, run_once};
use harness::report::Style;
use harness::{instructions, measure, report};
use options::{Options, USAGE};
use paging::Leaf;

/// Every question, in the order in which it is asked.
fn questions() -> Vec<Question> {
    let mut all = vec![
        heap::pair::question("heap-pair-64", 64),
        heap::batch::question("heap-batch-64", 64, 8, 4096),
        heap::churn::question(),
        heap::fragmented::question(),
        heap::pair::question("heap-pair-8k", 8192),
        heap::batch::question("heap-batch-8k", 8192, 8, 1024),
        heap::batch::question("heap-over-aligned", 64, 4096, 1024),
        heap::realloc::question(),
        heap::threads::question("heap-two-threads", heap::threads::Job::Own),
        heap::threads::question("heap-cross-free", heap::threads::Job::Cross),
        txn::commit(),
        txn::rollback(),
        frame::pair::question("frame-pair", 1),
        frame::shuffled::question(),
        frame::pair::question("frame-contiguous-512", 512),
        frame::churn::question(),
        frame::free_cost::question("frame-free-100", 100),
        frame::free_cost::question("frame-free-100k", 100_000),
        paging::map::question("map-4k", Leaf::Page),
        paging::map::question("map-2m", Leaf::Huge),
        paging::unmap::question("unmap-4k", Leaf::Page),
        paging::unmap::question("unmap-2m", Leaf::Huge),
        paging::translate::question("translate-4k", Leaf::Page),
        paging::translate::question("translate-2m", Leaf::Huge),
        paging::protect::question("protect-4k", Leaf::Page),
        paging::protect::question("protect-2m", Leaf::Huge),
        paging::protect::live("live-protect-4k", Leaf::Page),
        sched::policy::rt::fifo("sched-fifo-10", 10),
        sched::policy::rt::fifo("sched-fifo-1k", 1_000),
        sched::policy::rt::fifo("sched-fifo-100k", 100_000),
        sched::policy::rt::round_robin("sched-rr-10", 10),
        sched::policy::rt::round_robin("sched-rr-1k", 1_000),
        sched::policy::rt::round_robin("sched-rr-100k", 100_000),
        sched::policy::levels::question("sched-levels-10", 10),
        sched::policy::levels::question("sched-levels-1k", 1_000),
        sched::policy::levels::question("sched-levels-100k", 100_000),
        sched::policy::fair::question("sched-fair-10", 10, 0),
        sched::policy::fair::question("sched-fair-1k", 1_000, 0),
        sched::policy::fair::question("sched-fair-100k", 100_000, 0),
        sched::policy::fair::question("sched-fair-mixed-10", 10, 5),
        sched::policy::fair::question("sched-fair-mixed-1k", 1_000, 5),
        sched::policy::fair::question("sched-fair-mixed-100k", 100_000, 5),
        sched::timer::cancel("sched-timer-cancel-10", 10),
        sched::timer::cancel("sched-timer-cancel-1k", 1_000),
        sched::timer::cancel("sched-timer-cancel-100k", 100_000),
        sched::timer::expire("sched-timer-expire-10", 10),
        sched::timer::expire("sched-timer-expire-1k", 1_000),
        sched::timer::expire("sched-timer-expire-100k", 100_000),
        sched::wait::question("sched-wait-wake-1", 1),
        sched::wait::question("sched-wait-wake-1k", 1_000),
        sched::core_turn::decisions("sched-core-turn"),
        sched::core_turn::ping_pong("sched-core-switch"),
        sched::switch::question("sched-stack-switch-2", 1),
        sched::switch::question("sched-stack-switch-10k", 10_000),
    ];
    all.extend(vfs::questions());
    all.extend(net::questions());
    all.extend(ipc::questions());
    all
}

/// Whether a body is made in no time: a million connections take half a minute to open, and 2 GB.
fn is_short(question: &Question) -> bool {
    !question.name.ends_with("-1m")
}

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "kos-bench: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let out = &mut io::stdout().lock();
    match if options.gate { gate(out) } else { answer(&options, out).map(|()| true) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

/// Counts what has a limit; whether nothing is above it.
fn gate(out: &mut dyn Write) -> io::Result<bool> {
    let mut kept = true;
    for (name, limit) in ipc::GATES {
        for question in questions().iter().filter(|question| question.name == name) {
            match instructions::count(question, &[options::COUNT]).as_deref() {
                Ok([Some(found), ..]) => {
                    kept &= *found <= limit;
                    writeln!(out, "{name}: {found:.2} instructions of {limit}")?;
                }
                Ok(_) => kept = false,
                Err(reason) => {
                    kept &= reason == instructions::MISSING;
                    writeln!(out, "{name}: not counted: {reason}")?;
                }
            }
        }
    }
    Ok(kept)
}

fn answer(options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut questions = questions();
    questions.retain(|question| question.name.contains(&options.only));
    for question in &mut questions {
        question
            .subjects
            .retain(|subject| subject.name.starts_with("kos-") || subject.name.contains(&options.subject));
    }
    if let Some(name) = &options.count {
        questions.iter().filter(|question| question.name == name).for_each(instructions::run_counted);
        return Ok(());
    }
    if options.help {
        return writeln!(out, "{USAGE}");
    }
    if options.quick {
        return questions.iter().filter(|question| is_short(question)).try_for_each(|question| {
            run_once(question);
            writeln!(out, "{}: {} bodies ran once", question.name, question.subjects.len())
        });
    }
    let style = if options.markdown { Style::Markdown } else { Style::Text };
    report::print_preface(out, style, options.rounds)?;
    for question in &questions {
        let times = measure::measure(question, options.rounds);
        let counts = if options.instructions {
            instructions::count(question, &[options::SUBJECT, &options.subject, options::COUNT])
        } else {
            Err("switched off".to_owned())
        };
        report::print(out, style, question, &times, &counts)?;
    }
    if heap::efficiency::NAME.contains(&options.only) {
        heap::efficiency::print(out, style)?;
    }
    if vfs::kosfs::DISK.contains(&options.only) {
        vfs::kosfs::print(out, style)?;
    }
    net::goodput::print(out, style, &options.only)?;
    net::tun::print(out, style, &options.only)?;
    report::print_left_out(out, style)
}

#[cfg(test)]
mod tests {
    use super::{is_short, questions, run_once};

    /// One test for all: buddy-slab-allocator is a singleton.
    #[test]
    fn each_body_runs_once() {
        questions().iter().filter(|question| is_short(question)).for_each(run_once);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = questions().iter().map(|question| question.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

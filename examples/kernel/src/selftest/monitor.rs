//! Tests of what tells of the kernel: whose the memory is.

use kos_alloc::FrameRequest;
use kos_vfs::Ctx;

use super::lines::told;
use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::owned::Run;
use crate::owners::{self, Owners};
use crate::platform::Platform;
use crate::process::census::Census;
use crate::process::trace::{Record, Trace};
use crate::process::{End, StartError};
use crate::shell::Status;
use crate::svc::quota::Quota;
use crate::text::Text;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "monitor::frames_in_use_are_all_somebodys", run: sums },
        Test { name: "monitor::a_frame_of_nobody_shows", run: lost },
        Test { name: "monitor::memory_of_a_program_adds_up", run: program },
        Test { name: "monitor::memory_that_programs_share_is_counted_once", run: sharing },
        Test { name: "monitor::top_shows_the_kernel_and_each_process", run: top },
        Test { name: "monitor::proc_has_a_directory_for_each_process", run: proc },
        Test { name: "monitor::calls_of_a_program_are_seen", run: calls },
        Test { name: "monitor::who_does_not_read_calls_stops_nobody", run: unread },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

fn sums<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut census =
        Census::new(kernel).ok_or_else(|| Failure::new(format_args!("no memory to count in")))?;
    let owners = owners::of_programs(kernel, &mut census)?;
    ensure!(owners.heap > 0 && owners.tables > 0 && owners.stacks > 0, "{owners:?}");
    ensure!(census.processes.is_empty() && census.frames() == 0, "{:?}", census.processes);
    Ok(())
}

fn lost<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    Owners::of(kernel)?;
    let run = Run::new(kernel.frames(), FrameRequest::new(3))?;
    let seen = Owners::of(kernel);
    drop(run);
    let Err(wrong) = seen else {
        return Err(Failure::new(format_args!("three frames of nobody were not seen")));
    };
    ensure!(wrong.left + 3 == wrong.right, "{wrong}");
    Owners::of(kernel)?;
    Ok(())
}

/// What is found while a program runs, as often as somebody looks, and after its end.
fn counted<P: Platform>(
    kernel: &Kernel<P>,
    words: &[&str],
    mut look: impl FnMut(&Census) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    if let Err(StartError::NoPrograms) = kernel.processes.ports(kernel) {
        return Err(Failure::skip(format_args!("this machine runs no programs")));
    }
    let mut census =
        Census::new(kernel).ok_or_else(|| Failure::new(format_args!("no memory to count in")))?;
    let begun = kernel.begin_job(Ctx::root(), words, &Quota::default())?;
    let mut counted = owners::of_programs(kernel, &mut census).map_err(Failure::from);
    let mut seen = look(&census);
    let go_on = |_| {
        if counted.is_ok() && matches!(seen, Ok(true)) {
            counted = owners::of_programs(kernel, &mut census).map_err(Failure::from);
            seen = look(&census);
        }
        counted.is_ok() && matches!(seen, Ok(true))
    };
    kernel.finish_job(begun, |_| (), go_on, |_| ());
    counted?;
    seen?;
    let owners = owners::of_programs(kernel, &mut census)?;
    ensure!(owners.programs == 0 && census.frames() == 0, "{owners:?}");
    Ok(())
}

fn program<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut looks = 0;
    counted(kernel, &["spin"], |census| {
        looks += 1;
        let [one] = &census.processes[..] else {
            return Err(Failure::new(format_args!("{:?}", census.processes)));
        };
        // A stack with its words, the tables to it, the list of what is mapped; the program itself is a file's.
        ensure!(one.own > 0 && one.tables > 1 && one.lists > 0 && census.lists > 0, "{one:?}");
        Ok(looks < 3)
    })
}

fn sharing<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // A parent and its child that call each other, and change nothing of what they have meanwhile.
    let mut looks = 0;
    counted(kernel, &["pingpong", "10000000"], |census| {
        looks += 1;
        let [one, other] = &census.processes[..] else { return Ok(looks < 1000) };
        looks = 1000;
        let most = one.shared.max(other.shared);
        ensure!(one.shared > 0 && other.shared > 0 && census.shared >= most, "{one:?} {other:?}");
        ensure!(census.shared < one.shared + other.shared, "{} of {one:?} {other:?}", census.shared);
        ensure!(one.share_bytes < one.shared * 4096, "{one:?}");
        Ok(false)
    })?;
    ensure!(looks == 1000, "the two were never seen");
    Ok(())
}

/// Traces a program that says its words, with room for so many calls; `each` gets them when it has ended. How many were lost.
fn traced<P: Platform>(
    kernel: &Kernel<P>,
    room: usize,
    mut each: impl FnMut(Record),
) -> Result<u64, Failure> {
    if let Err(StartError::NoPrograms) = kernel.processes.ports(kernel) {
        return Err(Failure::skip(format_args!("this machine runs no programs")));
    }
    let trace = Trace::of(kernel.platform().env(), room);
    let trace = trace.ok_or_else(|| Failure::new(format_args!("no memory for calls")))?;
    let words = ["hello", "a", "b", "c", "d", "e", "f"];
    let begun = kernel.begin_traced_job(Ctx::root(), (&words).into(), &Quota::default(), Some(trace))?;
    let job = begun.job();
    let ended = kernel.finish_job(begun, |_| (), |_| true, |_| ());
    ensure!(ended.end == End::Exited(0), "{}", ended.end);
    while let Some(record) = job.trace.as_ref().and_then(Trace::next) {
        each(record);
    }
    Ok(job.trace.as_ref().map_or(0, Trace::lost))
}

fn calls<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (mut wrote, mut last) = (0, Text::default());
    let lost = traced(kernel, 64, |record| {
        last = Text::new(format_args!("{record}"));
        wrote +=
            u32::from(last.as_str().contains("] write(1, \"  ") && last.as_str().ends_with("\\n\", 4) = 4"));
    })?;
    ensure!(lost == 0 && wrote == 6, "{wrote} words were seen, {lost} calls not");
    ensure!(last.as_str().ends_with("] exit(0) = ?"), "{last}");
    Ok(())
}

fn unread<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let (mut all, mut few) = (0, 0);
    let lost = traced(kernel, 64, |_| all += 1)?;
    ensure!(lost == 0 && all > 8, "{all} calls");
    let lost = traced(kernel, 4, |_| few += 1)?;
    ensure!(few == 4 && lost + 4 == all, "{few} of {all} calls were kept, {lost} were not");
    Ok(())
}

fn top<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let has = |text: &str, name| text.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
    let text = told(kernel, "top -n 2 5", 0)?;
    let rows = text.lines().filter(|line| line.split_whitespace().nth(1) == Some("kernel")).count();
    ensure!(rows == 2, "{rows} looks at the kernel");
    counted(kernel, &["spin"], |census| {
        let text = told(kernel, "top -n 1 5", 0)?;
        ensure!(has(&text, "kernel") && has(&text, "spin"), "{text}");
        Ok(census.processes.is_empty())
    })
}

fn proc<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    let mut path = Text::default();
    counted(kernel, &["spin"], |census| {
        let [one] = &census.processes[..] else { return Err(Failure::new(format_args!("nobody runs"))) };
        path = Text::new(format_args!("/proc/{}", one.id));
        let text =
            told(kernel, Text::new(format_args!("ls {path}; cat {path}/memory {path}/maps")).as_str(), 0)?;
        ensure!(text.starts_with("maps  memory\n") || text.starts_with("maps\nmemory\n"), "{text}");
        ensure!(text.contains("'spin', child of 0: runs") && text.contains(" stack\n"), "{text}");
        Ok(false)
    })?;
    let mut text = heapless::String::<256>::new();
    let (status, _) = kernel.execute(Text::new(format_args!("ls {path}")).as_str(), &mut text);
    ensure!(status != Status::SUCCESS, "{path} is still there");
    // Names that are remembered take memory.
    kernel.files().map(|files| files.vfs().shrink(0)).unwrap_or_default();
    Ok(())
}

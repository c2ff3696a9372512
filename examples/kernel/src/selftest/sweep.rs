//! Memory that runs out at each place of a line of the shell: the first frame that it asks for is refused and all after it, then the
//! second and all after it, until the line no longer comes so far. It may fail; the kernel goes on, and what the line took comes back.

use core::num::NonZeroUsize;

use super::lines::{in_scratch, told, try_in};
use super::{Failure, Test, process};
use crate::Kernel;
use crate::ensure;
use crate::files::Files;
use crate::platform::Platform;
use crate::process::End;
use crate::shell::Session;
use crate::text::Text;

/// More than any line here asks for.
const MOST: usize = 500;
/// Each so many frames one is refused.
const STEPS: [usize; 5] = [3, 5, 7, 11, 13];

/// A test of one line, which succeeds if nothing is refused; it may use `/mnt`, which is empty.
macro_rules! survives {
    ($name:literal, $line:literal) => {
        Test { name: $name, run: |kernel| sweep(kernel, $line) }
    };
}

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        survives!("sweep::a_pipe_of_three", "echo a b c | cat | wc"),
        survives!("sweep::a_job_in_the_background", "sleep 0 & wait"),
        survives!(
            "sweep::a_file_that_grows_and_is_copied",
            "yes | head 20000 > /mnt/f && cp /mnt/f /mnt/g && wc < /mnt/g"
        ),
        survives!(
            "sweep::jobs_of_pipes_at_the_same_time",
            "yes | head 5000 | wc > /mnt/f & echo b | cat > /mnt/g & wait"
        ),
        Test { name: "sweep::a_program_that_becomes_another", run: becomes },
        Test { name: "sweep::one_process_alone_misses_frames", run: alone },
        Test { name: "sweep::commands_go_on_where_some_frames_are_missing", run: some },
        Test { name: "sweep::what_is_to_fail_is_said", run: rules },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

fn becomes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // Skips a machine without programs.
    process::run(kernel, &["hello"], || true)?;
    sweep(kernel, "run exec-demo 1")
}

/// A program that gets no frame from the k-th on may end; one that comes after it, while that still holds, meets nothing.
fn alone<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const HELLO: &[&str] = &["hello"];
    // Skips a machine without programs.
    process::run(kernel, HELLO, || true)?;
    for k in 1..MOST {
        let before = kernel.in_use();
        told(kernel, Text::new(format_args!("inject oom {k} next")).as_str(), 0)?;
        let (first, other) = (process::run(kernel, HELLO, || true), process::run(kernel, HELLO, || true));
        let refused = kernel.injector().disarm();
        let ended = (first?.0, other?.0);
        ensure!(refused > 0 || ended.0 == End::Exited(0), "'hello', refused nothing: {}", ended.0);
        ensure!(ended.1 == End::Exited(0), "'hello' beside one without frame {k}: {}", ended.1);
        let after = kernel.in_use();
        ensure!(after == before, "'hello' without frame {k} leaks: before {before}, after {after}");
        kernel.check().map_err(|what| Failure::new(format_args!("'hello' without frame {k}: {what}")))?;
        if refused == 0 {
            ensure!(k > 1, "'hello' asks for no frame");
            return Ok(());
        }
    }
    Err(Failure::new(format_args!("'hello' asks for more than {MOST} frames")))
}

fn sweep<P: Platform>(kernel: &Kernel<P>, line: &str) -> Result<(), Failure> {
    // What is kept from then on is kept by the first.
    attempt(kernel, line, MOST)?;
    for k in 0..MOST {
        let before = kernel.in_use();
        let refused = attempt(kernel, line, k)?;
        let after = kernel.in_use();
        ensure!(after == before, "'{line}' without frame {k} leaks: before {before}, after {after}");
        if refused == 0 {
            ensure!(k > 0, "'{line}' asks for no frame");
            return Ok(());
        }
    }
    Err(Failure::new(format_args!("'{line}' asks for more than {MOST} frames")))
}

/// Runs the line where all frames but the first `passing` are refused; how many were.
fn attempt<P: Platform>(kernel: &Kernel<P>, line: &str, passing: usize) -> Result<usize, Failure> {
    let mut refused = 0;
    in_scratch(kernel, |kernel| {
        let mut session = Session::new(kernel);
        kernel.injector().arm(passing);
        let (ended, said) = try_in(&mut session, line);
        refused = kernel.injector().disarm();
        // Nobody is left behind who has not ended yet.
        try_in(&mut session, "wait");
        ensure!(refused > 0 || ended.0 == 0, "'{line}' ends with {}: {said}", ended.0);
        Ok(())
    })?;
    kernel.check().map_err(|what| Failure::new(format_args!("'{line}' without frame {passing}: {what}")))?;
    Ok(refused)
}

/// Commands that fail and commands that succeed take turns for a while; nobody else is the worse for it.
fn some<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    const LINE: &str = "yes | head 5000 > /mnt/f && cp /mnt/f /mnt/g";
    in_scratch(kernel, |kernel| {
        let mut session = Session::new(kernel);
        let (mut refused, mut good) = (0, 0);
        // What a line takes may be a multiple of one of them: then the same frame is missing each time.
        for n in STEPS.into_iter().filter_map(NonZeroUsize::new) {
            kernel.injector().arm_each(n);
            good += (0..4).map(|_| try_in(&mut session, LINE).0).filter(|status| status.0 == 0).count();
            refused += kernel.injector().disarm();
        }
        ensure!(refused > 0, "no frame was refused");
        ensure!(good < 4 * STEPS.len(), "{refused} frames were refused, and no command failed");
        kernel.check().map_err(|what| Failure::new(format_args!("{what}")))?;
        told(kernel, LINE, 0).map(drop)
    })
}

fn rules<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    if kernel.files().is_some_and(Files::has_disk) {
        return Err(Failure::skip(format_args!("a disk that others use")));
    }
    let result = told(kernel, "inject eio @3; inject enospc 1/2; inject drop 1/50; inject slow 20", 0)
        .and_then(|_| {
            let said = told(kernel, "inject", 0)?;
            let expected = "disk request: number 3 from now, and all after it\n\
                        disk write for lack of room: one in 2, the next after 1\n\
                        packet sent: one in 50, the next after 49\n\
                        disk request: each 20 ms late\n";
            ensure!(said == expected, "{said}");
            Ok(())
        });
    let off = told(kernel, "inject off", 0)?;
    ensure!(off == "nothing is to fail\n", "{off}");
    result
}

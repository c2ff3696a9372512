//! Tests of a file system that a program serves, on machines without programs a thread.

use kos_vfs::{At, AtFlags, Ctx, Errno};

use super::{Failure, Test};
use crate::Kernel;
use crate::ensure;
use crate::platform::Platform;
use crate::srv::SrvError;
use crate::srv::drill::Seen;
use crate::text::Text;
use crate::time::Duration;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "srv::files_of_a_program_come_and_go", run: commands },
        Test { name: "srv::a_server_killed_in_the_middle_is_replaced", run: drill },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

/// Operations through a server that is killed after half of them; the command `srv drill` does ten times as many.
const OPERATIONS: u32 = 1000;

/// How long a caller may hang on a dead server.
const AT_ONCE: Duration = Duration::from_millis(100);

/// Does `work` while the service is up. Its directory stays: a new one each time would be in another part of the tmpfs, whose table
/// grows for good.
fn with_srv<P: Platform>(
    kernel: &Kernel<P>,
    work: impl FnOnce(&Kernel<P>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let forget = || kernel.files().map(|files| files.vfs().shrink(0)).unwrap_or_default();
    kernel.start_srv()?;
    let result = work(kernel);
    kernel.stop_srv()?;
    // Names that are remembered take memory.
    forget();
    let frames = kernel.processes.frames();
    ensure!(frames == 0, "programs kept {frames} frames");
    ensure!(kernel.processes.all().is_empty(), "a process is left");
    result
}

/// What a command says.
fn said<P: Platform>(kernel: &Kernel<P>, line: &str) -> Result<Text, Failure> {
    let mut text = Text::default();
    let (status, _) = kernel.execute(line, &mut text);
    ensure!(status.0 == 0, "'{line}' ends with {}: {text}", status.0);
    Ok(text)
}

fn commands<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_srv(kernel, |kernel| {
        for line in
            ["mkdir /srv/dir", "echo hello > /srv/dir/a", "ln /srv/dir/a /srv/b", "mv /srv/b /srv/dir/c"]
        {
            said(kernel, line)?;
        }
        let text = said(kernel, "cat /srv/dir/c")?;
        ensure!(text.as_str() == "hello\n", "{text}");
        let text = said(kernel, "ls /srv/dir")?;
        ensure!(text.as_str().contains('a') && text.as_str().contains('c'), "{text}");
        said(kernel, "chmod 600 /srv/dir/a")?;
        let view = kernel.files().and_then(|files| files.view()).ok_or(SrvError::Errno(Errno::EIO))?;
        let stat = view.call(&Ctx::root()).stat_at(At::Cwd, b"/srv/dir/c", AtFlags::empty())?;
        ensure!(stat.attr.links == 2 && stat.attr.size == 6 && stat.attr.mode.bits() == 0o600, "{stat:?}");
        drop(view);
        said(kernel, "rm -r /srv/dir")?;
        let text = said(kernel, "ls /srv")?;
        ensure!(text.as_str().is_empty(), "{text}");
        Ok(())
    })
}

fn drill<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    with_srv(kernel, |kernel| {
        let seen = kernel.drill_srv(OPERATIONS).map_err(|wrong| Failure::new(format_args!("{wrong}")))?;
        let Seen { good, refused, told, .. } = seen;
        ensure!(good >= OPERATIONS && refused > 0, "{seen:?}");
        ensure!(told <= AT_ONCE || !kernel.platform().is_punctual(), "told after {} us", told.as_micros());
        Ok(())
    })
}

//! `srv`: the file system that a program serves.

use core::fmt::Write;

use kos_vfs::{At, Ctx};

use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next};
use crate::srv::drill::{OPERATIONS, Seen};
use crate::srv::{PLACE, SrvError};
use crate::text::{Grouped, Text};

pub(in super::super) fn srv<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    match arguments {
        ["start"] => kernel.start_srv()?,
        ["stop"] => kernel.stop_srv()?,
        ["kill"] => kill(kernel)?,
        [] | ["status"] => return status(kernel, out),
        ["drill"] => return drill(kernel, out),
        _ => return Err(CommandError::Usage(Text::new(format_args!("start, stop, kill, status or drill")))),
    }
    status(kernel, out)
}

fn kill<P: Platform>(kernel: &Kernel<P>) -> Result<(), SrvError> {
    let service = kernel.srv.service().ok_or(SrvError::State("it is not up"))?;
    if service.kill(kernel) { Ok(()) } else { Err(SrvError::State("nobody serves now")) }
}

fn status<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    let Some(service) = kernel.srv.service() else {
        writeln!(out, "{PLACE} is not served")?;
        return Ok(Next::Continue);
    };
    let starts = service.starts.load(core::sync::atomic::Ordering::Relaxed);
    match service.link.server() {
        Some(0) => write!(out, "{PLACE} is served by a thread of the kernel")?,
        Some(process) => write!(out, "{PLACE} is served by process {process}")?,
        None => write!(out, "{PLACE} is served by nobody that is known yet")?,
    }
    writeln!(out, "; servers started: {starts}, met: {}", service.link.incarnation())?;
    if let Some(view) = kernel.files().and_then(|files| files.view()) {
        let ctx = Ctx::root();
        let call = view.call(&ctx);
        let room = call.resolve(At::Cwd, PLACE.as_bytes(), kos_vfs::AtFlags::empty());
        // Who was just killed does not answer.
        if let Ok(Ok(room)) = room.map(|place| call.statfs(&place)) {
            writeln!(
                out,
                "{} of {} blocks free, {} of {} files",
                room.free, room.blocks, room.files_free, room.files
            )?;
        }
    }
    Ok(Next::Continue)
}

fn drill<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> CommandResult {
    let before = kernel.processes.frames();
    let Seen { good, refused, told, back } = kernel.drill_srv(OPERATIONS).map_err(CommandError::Failed)?;
    let (told, back) = (Grouped(told.as_micros()), Grouped(back.as_micros()));
    writeln!(out, "{} operations went well; the server was killed in the middle", Grouped(good.into()))?;
    writeln!(out, "EIO after {told} us, {refused} refused; the next server after {back} us")?;
    writeln!(out, "frames of programs: {before} before, {} after", kernel.processes.frames())?;
    Ok(Next::Continue)
}

//! `svc`: services.

use alloc::sync::Arc;
use core::fmt::Write;

use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Output, Session, Streams};
use crate::svc::{self, Life, PLACE, Service};
use crate::text::Text;

pub(super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let kernel = session.kernel;
    match arguments {
        [] | ["list"] => list(kernel, streams)?,
        ["start"] => kernel.start_services_of(None)?,
        ["start", name] => kernel.start_services_of(Some(name))?,
        ["stop", name] => kernel.stop_service(name)?,
        ["restart", name] => {
            // One that does not run is started all the same.
            let _ = kernel.stop_service(name);
            kernel.start_services_of(Some(name))?;
        }
        ["forget", name] => {
            known(kernel, name)?;
            kernel.forget_service(name);
        }
        ["ready", name] => {
            known(kernel, name)?.ready(kernel);
        }
        ["status", name] => status(&*known(kernel, name)?, kernel, streams)?,
        ["log", name] => return log(&*known(kernel, name)?, streams),
        _ => {
            return Err(CommandError::Usage(Text::new(format_args!(
                "what is to be done with which service?"
            ))));
        }
    }
    Ok(Next::Continue)
}

fn known<P: Platform>(kernel: &Kernel<P>, name: &str) -> Result<Arc<Service<P>>, CommandError> {
    let text = || Text::new(format_args!("{name} was not started; 'svc list' knows which there are"));
    kernel.svc.named(name).ok_or_else(|| CommandError::Failed(text()))
}

/// The thread of a service as `ps` and `kill` have it.
fn thread<P: Platform>(service: &Service<P>, kernel: &Kernel<P>) -> Text {
    let task = match service.life() {
        Some(Life::Thread(task)) => Some(task),
        Some(Life::Process(id)) => kernel.thread_of(id),
        None => None,
    };
    task.map_or_else(|| Text::new(format_args!("-")), |task| Text::new(format_args!("{task}")))
}

fn list<P: Platform>(kernel: &Kernel<P>, out: &mut dyn Write) -> Result<(), CommandError> {
    writeln!(out, "{:<24} {:<8} {:>6} {:>6}  runs", "service", "state", "id", "starts")?;
    for service in kernel.svc.all() {
        row(&service, kernel, out)?;
    }
    for name in svc::names(kernel)? {
        if kernel.svc.named(&name).is_none() {
            writeln!(out, "{name:<24} {:<8} {:>6} {:>6}  {PLACE}/{name}.svc", "-", "-", 0)?;
        }
    }
    Ok(())
}

fn row<P: Platform>(service: &Service<P>, kernel: &Kernel<P>, out: &mut dyn Write) -> core::fmt::Result {
    let (name, state, starts) = (&service.name, service.state(), service.starts());
    writeln!(out, "{name:<24} {state:<8} {:>6} {starts:>6}  {}", thread(service, kernel), service.unit.exec)
}

fn status<P: Platform>(
    service: &Service<P>,
    kernel: &Kernel<P>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    row(service, kernel, out)?;
    write!(out, "{}", service.unit)?;
    Ok(())
}

fn log<'k, P: Platform>(service: &Service<P>, streams: &mut Streams<'_, 'k, P>) -> CommandResult {
    let dropped = service.with_log(|log| log.dropped());
    if dropped > 0 {
        writeln!(streams, "-- {dropped} bytes before this are kept no more")?;
    }
    service.with_log(|log| {
        let (older, newer) = log.pieces();
        streams.write_bytes(older)?;
        streams.write_bytes(newer)
    })?;
    Ok(Next::Continue)
}

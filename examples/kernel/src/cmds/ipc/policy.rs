//! `policy`: what programs may do to each other, whatever capabilities they have; something else.

use core::fmt::Write;

use crate::audit::What;
use crate::ipc::policy::{self, PATH, Plan};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams};
use crate::text::Text;

pub(in super::super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    match *arguments {
        [] => {
            let plan = session.kernel.ipc()?.plan();
            write!(streams, "{plan}")?;
        }
        ["load"] => load(session, PATH)?,
        ["load", path] => load(session, path)?,
        ["reset"] => set(session, "as it is built in", &Plan::new())?,
        _ => return Err(CommandError::Usage(Text::new(format_args!("nothing, load or reset")))),
    }
    Ok(Next::Continue)
}

fn load<P: Platform>(session: &mut Session<'_, P>, path: &str) -> Result<(), CommandError> {
    let failed =
        |why: &dyn core::fmt::Display| CommandError::Failed(Text::new(format_args!("{path}: {why}")));
    let bytes = policy::read(&session.call()?, path).map_err(|errno| failed(&errno.meaning()))?;
    let plan = Plan::parse(&bytes).map_err(|error| failed(&error))?;
    set(session, path, &plan)
}

fn set<P: Platform>(session: &Session<'_, P>, name: &str, plan: &Plan) -> Result<(), CommandError> {
    let kernel = session.kernel;
    kernel.record(session.ctx().cred.uid, What::Policy, &name, true)?;
    let done = kernel.ipc()?.set_plan(plan);
    done.map_err(|error| CommandError::Failed(Text::new(format_args!("{error}"))))
}

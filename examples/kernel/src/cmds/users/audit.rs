//! `audit`: what people did, and what programs were refused.

use core::fmt::Write;

use super::super::ipc;
use crate::audit::{PATH, What};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Session, Streams};
use crate::text::Text;

pub(in super::super) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let (kernel, uid) = (session.kernel, session.ctx().cred.uid);
    let all = match arguments {
        [] => None,
        ["all"] => Some(true),
        ["denied"] => Some(false),
        [word @ ("open" | "closed")] => {
            // That it opens is recorded while it is closed.
            kernel.record(uid, What::Audit, word, true)?;
            kernel.audit.close(*word == "closed");
            None
        }
        _ => {
            let wanted = format_args!("nothing, all, denied, open or closed");
            return Err(CommandError::Usage(Text::new(wanted)));
        }
    };
    kernel.audit.each(|record| writeln!(streams, "{record}"))?;
    let (lost, closed) = (kernel.audit.lost(), kernel.audit.is_closed());
    let rest = if closed { "does not happen" } else { "happens all the same" };
    writeln!(streams, "people: {lost} records are not in {PATH}; what cannot be recorded {rest}")?;
    ipc::audit(kernel, all, streams)
}

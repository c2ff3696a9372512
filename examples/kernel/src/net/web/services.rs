//! Services over HTTP: what they are at, and starting and stopping them.

use alloc::string::String;
use core::fmt::Write;

use kos_net::services::http::{Status, query};

use super::answer::Answer;
use super::json::Quoted;
use super::{Grant, PAGE};
use crate::Kernel;
use crate::platform::Platform;
use crate::shell::{CommandError, Session};
use crate::svc::{self, Service, SvcError};
use crate::text::Text;
use crate::user::roles::Role;

/// All services that were started, and the units that were not.
pub(super) fn list<'k, P: Platform>(kernel: &Kernel<P>) -> Result<Answer<'k, P>, Status> {
    let mut text = String::new();
    text.try_reserve_exact(PAGE).map_err(|_| Status::UNAVAILABLE)?;
    let mut said = text.write_str("{\"services\":[");
    let mut comma = "";
    for service in kernel.svc.all() {
        said = said.and_then(|()| write!(text, "{comma}{}", Shown(&service)));
        comma = ",";
    }
    for name in svc::names(kernel).map_err(|error| status(&error))? {
        if kernel.svc.named(&name).is_none() {
            let name = Quoted(name.as_bytes());
            said = said.and_then(|()| write!(text, "{comma}{{\"name\":{name},\"state\":\"never started\"}}"));
            comma = ",";
        }
    }
    said.and_then(|()| text.write_str("]}\n")).map_err(|_| Status::UNAVAILABLE)?;
    Ok(Answer::Json(Status::OK, text))
}

/// What one is at.
pub(super) fn show<'k, P: Platform>(kernel: &Kernel<P>, name: &str) -> Result<Answer<'k, P>, Status> {
    let service = kernel.svc.named(name).ok_or(Status::NOT_FOUND)?;
    json(Status::OK, format_args!("{}\n", Shown(&service)))
}

/// Does with one what the query says: `action=start`, `stop` or `restart`. Waits until it is ready, or has ended.
/// The user of the grant needs the role for it; that he was asked is recorded.
pub(super) fn act<'k, P: Platform>(
    kernel: &Kernel<P>,
    grant: &Grant,
    name: &str,
    asked: &str,
) -> Result<Answer<'k, P>, Status> {
    let mut session = Session::new(kernel);
    session.become_user(grant.cred);
    session.require(Role::Svc, "svc").map_err(|error| match error {
        CommandError::Refused(_) => Status::FORBIDDEN,
        _ => Status::UNAVAILABLE,
    })?;
    let mut actions = query(asked).filter(|(key, _)| *key == "action").map(|(_, action)| action);
    let done = match (actions.next(), actions.next()) {
        (Some("start"), None) => kernel.start_services_of(Some(name)),
        (Some("stop"), None) => kernel.stop_service(name),
        (Some("restart"), None) => {
            // One that does not run is started all the same.
            let _ = kernel.stop_service(name);
            kernel.start_services_of(Some(name))
        }
        _ => return Err(Status::BAD_REQUEST),
    };
    match done {
        Ok(()) => show(kernel, name),
        Err(error) => {
            let why = Text::new(format_args!("{error}"));
            json(status(&error), format_args!("{{\"error\":{}}}\n", Quoted(why.as_str().as_bytes())))
        }
    }
}

const fn status(error: &SvcError) -> Status {
    match error {
        SvcError::Unknown(_) => Status::NOT_FOUND,
        SvcError::BadName => Status::BAD_REQUEST,
        SvcError::NoMemory | SvcError::Thread(_) => Status::UNAVAILABLE,
        _ => Status::CONFLICT,
    }
}

/// An answer of at most 1 KiB.
pub(super) fn json<'k, P: Platform>(
    status: Status,
    what: core::fmt::Arguments<'_>,
) -> Result<Answer<'k, P>, Status> {
    let mut text = String::new();
    text.try_reserve_exact(1024).map_err(|_| Status::UNAVAILABLE)?;
    text.write_fmt(what).map_err(|_| Status::UNAVAILABLE)?;
    Ok(Answer::Json(status, text))
}

/// A service as an object of JSON.
struct Shown<'a, P: Platform>(&'a Service<P>);

impl<P: Platform> core::fmt::Display for Shown<'_, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Service { name, unit, .. } = self.0;
        let exec = Text::new(format_args!("{}", unit.exec));
        write!(
            f,
            "{{\"name\":{},\"state\":\"{}\",\"starts\":{},\"exec\":{}}}",
            Quoted(name.as_bytes()),
            self.0.state(),
            self.0.starts(),
            Quoted(exec.as_str().as_bytes())
        )
    }
}

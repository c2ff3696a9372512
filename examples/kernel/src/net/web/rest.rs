//! Files and services over HTTP, for who has the token: what there is, who is admitted, and as which user it is done.
//!
//! | path | what |
//! |---|---|
//! | `/v1/files/{path}` | GET, PUT, DELETE: a file below the directory that is served; a directory is listed as JSON |
//! | `/v1/svc`, `/v1/svc/{name}` | GET: services as JSON; POST with `?action=start`, `stop` or `restart` |
//!
//! Without a [`Grant`] all of it is 404, with the reason in JSON; with one, who does not say its token in `Authorization: Bearer …`
//! (RFC 6750) is told 401, whatever he asks for. What the token opens is what the grant's user may: modes of files and roles
//! are asked, as they are of somebody at the shell. A body has 16 MiB at most, else 413.

use kos_net::services::http::{Matched, Method, Request, Route, Router, Status};
use kos_vfs::Cred;

use super::answer::Answer;
use super::files::Root;
use super::{Found, Token, services};
use crate::Kernel;
use crate::platform::Platform;

/// Where all of it is.
const BELOW: &str = "/v1";
const FILES: &str = "/v1/files/{*path}";
const OFF: &str = "files and services are off: httpd was given no token";

/// What is given to who has the token.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) token: Token,
    /// As whom files are opened and services are started.
    pub(crate) cred: Cred<'static>,
    /// The directory of the files.
    pub(crate) root: heapless::String<64>,
}

#[derive(Clone, Copy)]
enum Page {
    Get,
    Put,
    Delete,
    Services,
    Service,
    Act,
}

const ROUTES: [Route<'static, Page>; 6] = [
    Route { method: Method::Get, pattern: FILES, handler: Page::Get },
    Route { method: Method::Put, pattern: FILES, handler: Page::Put },
    Route { method: Method::Delete, pattern: FILES, handler: Page::Delete },
    Route { method: Method::Get, pattern: "/v1/svc", handler: Page::Services },
    Route { method: Method::Get, pattern: "/v1/svc/{name}", handler: Page::Service },
    Route { method: Method::Post, pattern: "/v1/svc/{name}", handler: Page::Act },
];

/// Whether a path is one of these, or would be.
pub(super) fn is_of(path: &str) -> bool {
    path.strip_prefix(BELOW).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The answer to a request, or the file that it brings.
pub(super) fn find<'k, P: Platform>(kernel: &'k Kernel<P>, request: &Request<'_>) -> Found<'k, P> {
    let grant = kernel.net().and_then(|net| net.with(kernel, |state| state.web.grant.clone()));
    let Some(grant) = grant else {
        let off = services::json(Status::NOT_FOUND, format_args!("{{\"error\":\"{OFF}\"}}\n"));
        return Found::Answer(off.unwrap_or_else(Answer::Refused));
    };
    // Who has no token is not told what there is.
    if !grant.token.admits(request.header("authorization")) {
        return Found::Answer(Answer::Refused(Status::UNAUTHORIZED));
    }
    let (page, parameters) = match Router::new(&ROUTES).route(request) {
        Matched::Found(page, parameters) => (page, parameters),
        Matched::NotAllowed(methods) => return Found::Answer(Answer::NotAllowed(methods)),
        Matched::NotFound => return Found::Answer(Answer::Refused(Status::NOT_FOUND)),
    };
    let parameter = parameters.first().map_or("", |(_, value)| value);
    act(kernel, &grant, page, (parameter, request.query))
        .unwrap_or_else(|status| Found::Answer(Answer::Refused(status)))
}

fn act<'k, P: Platform>(
    kernel: &'k Kernel<P>,
    grant: &Grant,
    page: Page,
    (name, query): (&str, &str),
) -> Result<Found<'k, P>, Status> {
    let root = || Root::open(kernel, grant);
    let answer = match page {
        Page::Get => root()?.get(name)?,
        Page::Put => return root()?.put(name).map(Found::Upload),
        Page::Delete => root()?.delete(name).map(|()| Answer::Done(Status::NO_CONTENT))?,
        Page::Services => services::list(kernel)?,
        Page::Service => services::show(kernel, name)?,
        Page::Act => services::act(kernel, grant, name, query)?,
    };
    Ok(Found::Answer(answer))
}

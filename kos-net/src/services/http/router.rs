//! Which handler a request is for: [`Router`].

use heapless::Vec;

use super::head::{Method, Request};

/// The most `{names}` in a pattern.
pub const MAX_PARAMETERS: usize = 4;

/// A way to a handler.
#[derive(Clone, Copy, Debug)]
pub struct Route<'r, H> {
    /// What is to be done. A route for GET also answers HEAD.
    pub method: Method,
    /// With what: `/v1/{id}` matches `/v1/7`; `/files/{*rest}` matches all below.
    pub pattern: &'r str,
    /// Whatever handles it.
    pub handler: H,
}

/// The names in a pattern, with what stood in their place; not decoded.
pub type Parameters<'a> = Vec<(&'a str, &'a str), MAX_PARAMETERS>;

/// What a path led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched<'a, H> {
    /// A handler.
    Found(H, Parameters<'a>),
    /// 405: there are handlers for these methods only, to be named in `Allow`.
    NotAllowed(Vec<Method, 7>),
    /// 404.
    NotFound,
}

/// Routes, looked at in their order; the first that fits is taken.
#[derive(Clone, Copy, Debug)]
pub struct Router<'r, H> {
    routes: &'r [Route<'r, H>],
}

impl<'r, H: Copy> Router<'r, H> {
    /// A router over `routes`.
    #[must_use]
    pub const fn new(routes: &'r [Route<'r, H>]) -> Self {
        Self { routes }
    }

    /// Where `request` leads to.
    #[must_use]
    pub fn route<'a>(&self, request: &Request<'a>) -> Matched<'a, H>
    where
        'r: 'a,
    {
        let mut allowed = Vec::<Method, 7>::new();
        for route in self.routes {
            let Some(parameters) = matches(route.pattern, request.path) else { continue };
            if answers(route.method, request.method) {
                return Matched::Found(route.handler, parameters);
            }
            let both: &[Method] =
                if route.method == Method::Get { &[Method::Get, Method::Head] } else { &[route.method] };
            for &method in both {
                if !allowed.contains(&method) {
                    let _full = allowed.push(method); // Each method once: there are seven.
                }
            }
        }
        if allowed.is_empty() { Matched::NotFound } else { Matched::NotAllowed(allowed) }
    }
}

fn answers(route: Method, request: Method) -> bool {
    route == request || (route, request) == (Method::Get, Method::Head)
}

/// What stands in place of the names of `pattern` in `path`, if it fits.
fn matches<'a>(pattern: &'a str, path: &'a str) -> Option<Parameters<'a>> {
    let (mut parameters, mut rest) = (Parameters::new(), path);
    for piece in pattern.strip_prefix('/')?.split('/') {
        rest = rest.strip_prefix('/')?;
        let name = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
        if let Some(name) = name.and_then(|name| name.strip_prefix('*')) {
            parameters.push((name, rest)).ok()?;
            return Some(parameters);
        }
        let (segment, behind) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
        match name {
            Some(name) if !segment.is_empty() => parameters.push((name, segment)).ok()?,
            None if piece == segment => {}
            _ => return None,
        }
        rest = behind;
    }
    rest.is_empty().then_some(parameters)
}

//! Tests of the HTTP server: files and services for who has the token, nobody else, and nothing outside of what is served.

mod client;
mod memory;

use kos_vfs::Cred;

use super::{Failure, Test, needs};
use crate::Kernel;
use crate::ensure;
use crate::net::web::{CONNECTIONS, Grant, Token};
use crate::platform::Platform;
use crate::shell::Status;
use client::{Said, ask, bearer, connect, expect, hear, open};

/// As whom is served, unless something else is said.
const ALICE: Cred<'static> = Cred::user(1000, 1000, &[]);
const TOKEN: &str = "0123456789abcdef";
/// What is served, and what is beside it: some of it is Alice's, some is not.
const PLACE: [&str; 4] = [
    "mkdir /mnt/www /mnt/www/d /mnt/www/root; echo hi > /mnt/www/a; echo secret > /mnt/s; ln -s ../s /mnt/www/out",
    "echo hers > /mnt/www/own; echo no > /mnt/www/root/f; echo no > /mnt/www/closed; chmod 600 /mnt/www/closed",
    "chmod 600 /mnt/www/own; chown 1000:1000 /mnt/www /mnt/www/d /mnt/www/a /mnt/www/own",
    "chmod 755 /mnt/www /mnt/www/d /mnt/www/root",
];

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        Test { name: "web::files_are_for_who_has_the_token", run: files },
        Test { name: "web::without_a_token_files_and_services_are_off", run: off },
        Test { name: "web::who_serves_may_what_the_modes_say", run: modes },
        Test { name: "web::no_path_leads_out_of_what_is_served", run: confined },
        Test { name: "web::a_body_that_nobody_takes_is_not_awaited", run: bodies },
        Test { name: "web::a_file_that_comes_in_part_leaves_nothing", run: cut },
        Test { name: "web::services_are_told_and_refused_by_name", run: services },
        Test { name: "web::one_connection_too_many_is_told_so", run: full },
        Test { name: "web::each_failure_of_a_request_leaves_nothing", run: memory::sweep },
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

fn shell<P: Platform>(kernel: &Kernel<P>, line: &str) -> Result<(), Failure> {
    let mut text = Said::new();
    let (status, _) = kernel.execute(line, &mut text);
    ensure!(status == Status::SUCCESS, "'{line}': {text}");
    Ok(())
}

/// Makes the place that is served, for the time of `work`.
fn placed<P: Platform>(
    kernel: &Kernel<P>,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if kernel.files().is_none() {
        return Err(Failure::skip(format_args!("no files")));
    }
    shell(kernel, "mount -t tmpfs none /mnt")?;
    let result = PLACE.iter().try_for_each(|line| shell(kernel, line)).and_then(|()| work());
    shell(kernel, "umount /mnt")?;
    // Names that are remembered take memory.
    kernel.files().map(|files| files.vfs().shrink(0)).unwrap_or_default();
    result
}

fn grant(cred: Cred<'static>) -> Option<Grant> {
    let root = heapless::String::try_from("/mnt/www").ok()?;
    Some(Grant { token: Token::given(TOKEN)?, cred, root })
}

/// Serves it to who has the token while `work` asks.
fn served<P: Platform>(
    kernel: &Kernel<P>,
    cred: Cred<'static>,
    work: impl Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    placed(kernel, || open(kernel, 1, grant(cred), work))
}

fn files<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    served(kernel, ALICE, || {
        for more in
            ["", "authorization: Bearer 0123456789abcdee\r\n", "authorization: Basic 0123456789abcdef\r\n"]
        {
            for path in
                ["GET /v1/files/a", "GET /v1/nothing", "DELETE /v1/files/a", "POST /v1/svc/x?action=stop"]
            {
                let said = ask(kernel, path, more, "")?;
                let told = said.starts_with("HTTP/1.1 401 ") && said.contains("www-authenticate: Bearer");
                ensure!(told, "{path}: {said}");
            }
        }
        expect(kernel, ("GET /v1/files/a", ""), 200, "\r\n\r\nhi\n")?;
        expect(kernel, ("GET /v1/files/none", ""), 404, "")?;
        expect(kernel, ("PUT /v1/files/d/b%20c", "first"), 201, "")?;
        expect(kernel, ("PUT /v1/files/d/b%20c", "second"), 204, "")?;
        expect(kernel, ("GET /v1/files/d/b%20c", ""), 200, "\r\n\r\nsecond")?;
        let listed = r#"{"entries":[{"name":"b c","kind":"file"}],"more":false}"#;
        expect(kernel, ("GET /v1/files/d", ""), 200, listed)?;
        expect(kernel, ("PUT /v1/files/d", "x"), 409, "")?;
        expect(kernel, ("DELETE /v1/files/d/b%20c", ""), 204, "")?;
        expect(kernel, ("GET /v1/files/d", ""), 200, r#"{"entries":[],"more":false}"#)?;
        expect(kernel, ("POST /v1/files/a", ""), 405, "allow: GET, HEAD, PUT, DELETE")?;
        Ok(())
    })
}

fn off<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    placed(kernel, || {
        open(kernel, 1, None, || {
            for path in ["GET /v1/files/a", "PUT /v1/files/a", "GET /v1/svc", "GET /v1"] {
                expect(kernel, (path, ""), 404, "files and services are off: httpd was given no token")?;
            }
            let said = ask(kernel, "GET /", "", "")?;
            ensure!(said.starts_with("HTTP/1.1 200 "), "{said}");
            Ok(())
        })
    })
}

fn modes<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    served(kernel, ALICE, || {
        expect(kernel, ("GET /v1/files/closed", ""), 403, "content-length: 0")?;
        expect(kernel, ("PUT /v1/files/root/f", "mine"), 403, "")?;
        expect(kernel, ("PUT /v1/files/root/new", "mine"), 403, "")?;
        expect(kernel, ("DELETE /v1/files/root/f", ""), 403, "")?;
        // What is put is hers, and as closed as what was there before.
        expect(kernel, ("PUT /v1/files/own", "new"), 204, "")?;
        shell(
            kernel,
            "ls -l /mnt/www/own > /mnt/l; grep rw------- < /mnt/l; grep 1000 < /mnt/l; grep new < /mnt/www/own",
        )?;
        shell(kernel, "grep no < /mnt/www/root/f; ls /mnt/www/root > /mnt/l; grep f < /mnt/l")?;
        Ok(())
    })
}

fn confined<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // Not even for whom no mode holds.
    served(kernel, Cred::ROOT, || {
        for path in ["out", "../s", "d/../../s", "%2e%2e/s", "/../s", "d/..%2f../s"] {
            let mut line = heapless::String::<64>::new();
            core::fmt::Write::write_fmt(&mut line, format_args!("GET /v1/files/{path}"))?;
            expect(kernel, (&line, ""), 403, "content-length: 0")?;
        }
        expect(kernel, ("PUT /v1/files/../s", "mine"), 403, "")?;
        expect(kernel, ("DELETE /v1/files/d/../../s", ""), 403, "")?;
        // What takes the place of a link is a file; what it led to stays as it was.
        expect(kernel, ("PUT /v1/files/out", "mine"), 204, "")?;
        shell(kernel, "grep secret < /mnt/s; grep mine < /mnt/www/out")?;
        Ok(())
    })
}

fn bodies<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    served(kernel, ALICE, || {
        let said = ask(kernel, "PUT /v1/files/long", bearer("content-length: 16777217")?.as_str(), "")?;
        ensure!(said.starts_with("HTTP/1.1 413 "), "{said}");
        // A chunk of a byte more than there may be: only its length came.
        let chunked = bearer("transfer-encoding: chunked")?;
        let said = ask(kernel, "PUT /v1/files/long", &chunked, "1000001\r\n")?;
        ensure!(said.starts_with("HTTP/1.1 413 "), "{said}");
        let said = ask(kernel, "PUT /v1/files/a", "content-length: 16777216\r\n", "some of it")?;
        ensure!(said.starts_with("HTTP/1.1 401 ") && said.contains("connection: close"), "{said}");
        let said = ask(kernel, "PUT /v1/files/root/f", bearer("content-length: 16777216")?.as_str(), "some")?;
        ensure!(said.starts_with("HTTP/1.1 403 "), "{said}");
        expect(kernel, ("GET /v1/files/long", ""), 404, "")?;
        expect(kernel, ("GET /v1/files/a", ""), 200, "\r\n\r\nhi\n")?;
        // One that comes whole in chunks does.
        let said = ask(kernel, "PUT /v1/files/a", &chunked, "3\r\nin \r\n2\r\ntwo\r\n")?;
        ensure!(said.starts_with("HTTP/1.1 400 "), "{said}");
        let said = ask(kernel, "PUT /v1/files/a", &chunked, "3\r\nin \r\n3\r\ntwo\r\n0\r\n\r\n")?;
        ensure!(said.starts_with("HTTP/1.1 204 "), "{said}");
        expect(kernel, ("GET /v1/files/a", ""), 200, "\r\n\r\nin two")?;
        expect(kernel, ("GET /v1/files/d", ""), 200, r#"{"entries":[],"more":false}"#)
    })
}

fn cut<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    served(kernel, ALICE, || {
        for path in ["d/f", "own"] {
            let stream = connect(kernel)?;
            let more = bearer("content-length: 9\r\nexpect: 100-continue")?;
            for part in ["PUT /v1/files/", path, " HTTP/1.1\r\nhost: here\r\n", &more, "\r\n"] {
                stream.write(part.as_bytes())?;
            }
            // It is taken from now on.
            let (mut leave, mut length) = ([0; 25], 0);
            while length < leave.len() {
                let count = stream.read(leave.get_mut(length..).unwrap_or_default())?;
                ensure!(count > 0, "it is not taken");
                length += count;
            }
            ensure!(leave == *b"HTTP/1.1 100 Continue\r\n\r\n");
            stream.write(b"some")?;
            stream.finish()?;
            let said = hear(&stream)?;
            ensure!(said.is_empty(), "{said}");
        }
        expect(kernel, ("GET /v1/files/own", ""), 200, "\r\n\r\nhers\n")?;
        expect(kernel, ("GET /v1/files/d", ""), 200, r#"{"entries":[],"more":false}"#)
    })
}

fn services<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    served(kernel, Cred::ROOT, || {
        expect(kernel, ("GET /v1/svc", ""), 200, r#"{"services":["#)?;
        expect(kernel, ("GET /v1/svc/no-such", ""), 404, "")?;
        expect(kernel, ("POST /v1/svc/no-such?action=start", ""), 404, r#"{"error":"no-such: there is no "#)?;
        expect(kernel, ("POST /v1/svc/no-such?action=stop", ""), 409, "does not run")?;
        expect(kernel, ("POST /v1/svc/no-such?action=dance", ""), 400, "")?;
        expect(kernel, ("POST /v1/svc/no-such", ""), 400, "")
    })?;
    // Who has not the role is told neither what there is nor what runs.
    served(kernel, ALICE, || {
        expect(kernel, ("POST /v1/svc/no-such?action=start", ""), 403, "content-length: 0")?;
        expect(kernel, ("POST /v1/svc/no-such?action=stop", ""), 403, "content-length: 0")
    })
}

fn full<P: Platform>(kernel: &Kernel<P>) -> Result<(), Failure> {
    // Each end of each connection has its queues.
    needs(kernel, 12)?;
    // Nobody serves: all of them wait.
    open(kernel, 0, None, || {
        let mut all = heapless::Vec::<_, CONNECTIONS>::new();
        for _ in 0..CONNECTIONS {
            // There is room for as many.
            let _ = all.push(connect(kernel)?);
            // Where many come at once some are let in by a cookie; and of them, who says nothing and whose last packet was lost is
            // not known to be there.
            client::until_inside(kernel, all.len())?;
        }
        // Who is slow to ask hears a reset, as his question comes when the answer was given.
        let is_told = || ask(kernel, "GET /", "", "").is_ok_and(|said| said.starts_with("HTTP/1.1 503 "));
        ensure!((0..4).any(|_| is_told()), "one too many is not told so");
        drop(all);
        Ok(())
    })
}

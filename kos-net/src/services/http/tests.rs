use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{
    ClientConnection, ClientError, ClientEvent, Event, Length, Limits, Matched, Method, Response, Route,
    Router, ServerConnection, Status, decode, query, write_request,
};
use crate::time::Instant;

const NOW: Instant = Instant::from_ticks(0);
const fn at(seconds: u64) -> Instant {
    Instant::from_ticks(seconds * 1_000_000_000)
}

/// A server that answers each request with its path and the length of its body; what it heard and said.
fn serve(limits: Limits, pieces: &[&[u8]]) -> (Vec<String>, String) {
    let (mut head, mut heard, mut said) = (vec![0; 8192], Vec::new(), Vec::new());
    let mut server = ServerConnection::new(NOW, &mut head[..], limits);
    let (mut path, mut body, mut pending) = (String::new(), Vec::new(), Vec::new());
    for piece in pieces {
        pending.extend_from_slice(piece);
        loop {
            let mut out = [0; 512];
            let (taken, event) = server.on_bytes(NOW, &pending);
            let stop = taken == 0 && event == Event::More;
            match event {
                Event::More => {}
                Event::Request(request) => {
                    path = format!(
                        "{} {}?{} {:?}",
                        request.method.name(),
                        request.path,
                        request.query,
                        request.framing
                    );
                    body.clear();
                    let written = server.leave(&mut out).unwrap();
                    said.extend_from_slice(&out[..written]);
                }
                Event::Body(data) => body.extend_from_slice(data),
                Event::End => {
                    heard.push(format!("{path} {}", String::from_utf8_lossy(&body)));
                    let answer = Response::new(Status::OK, "text/plain", 2);
                    let mut written = server.respond(NOW, &answer, &mut out).unwrap();
                    written += server.body(NOW, b"ok!", &mut out[written..]).1;
                    said.extend_from_slice(&out[..written]);
                }
                Event::Refused(status) => {
                    heard.push(format!("refused {}", status.0));
                    let written = server.respond(NOW, &Response::new(status, "", 0), &mut out).unwrap();
                    said.extend_from_slice(&out[..written]);
                    assert!(server.is_closed());
                }
            }
            pending.drain(..taken);
            if stop {
                break;
            }
        }
    }
    (heard, String::from_utf8(said).unwrap())
}

fn heard(request: &[u8]) -> Vec<String> {
    serve(Limits::default(), &[request]).0
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let (heard, said) = serve(
        Limits::default(),
        &[b"\r\nGET /a?b=c HTTP/1.1\r\nHost: kos\r\n\r\nPOST /p HTTP/1.1\r\nhost: kos\r\nContent-Length: 5\r\n\r\nhelloHEAD / HTTP/1.1\r\nHost:\r\n\r\nGET http://kos HTTP/1.1\r\nHost: kos\r\nConnection: x, Close\r\n\r\nGET /never"],
    );
    assert_eq!(heard, ["GET /a?b=c None ", "POST /p? Length(5) hello", "HEAD /? None ", "GET /? None "]);
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n";
    assert_eq!(said, format!("{ok}\r\nok{ok}\r\nok{ok}\r\n{ok}connection: close\r\n\r\nok"));
}

#[test]
fn old_clients_are_closed_unless_they_ask() {
    let (heard, said) = serve(
        Limits::default(),
        &[b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"],
    );
    assert_eq!((heard.len(), said.matches("keep-alive").count()), (2, 1));
}

#[test]
fn chunks_are_put_together() {
    let heard = heard(b"POST / HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n00a\r\n, world.. \r\n0\r\nX-Sum: 1\r\n\r\nGET /2 HTTP/1.1\r\nHost: k\r\n\r\n");
    assert_eq!(heard, ["POST /? Chunked hello, world.. ", "GET /2? None "]);
}

#[test]
fn leave_is_given_once() {
    let (heard, said) = serve(
        Limits::default(),
        &[b"PUT / HTTP/1.1\r\nHost: k\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n", b"hi"],
    );
    assert_eq!(heard, ["PUT /? Length(2) hi"]);
    assert!(said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{said}");
    assert_eq!(self::heard(b"PUT / HTTP/1.1\r\nHost: k\r\nExpect: cake\r\n\r\n"), ["refused 417"]);
}

/// tiny-http#173, and its kin: each could hide a request in another.
#[test]
fn request_smuggling_forms_refused() {
    let with = |headers: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: k\r\n{headers}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: k\r\n\r\n"
        )
    };
    let lengths = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let forms = [
        format!("{lengths}{chunked}"),
        format!("{chunked}{lengths}"),
        format!("{lengths}Content-Length: 6\r\n"),
        format!("{lengths}{lengths}"),
        "Content-Length: 5, 5\r\n".into(),
        "Content-Length: +5\r\n".into(),
        "Content-Length: -1\r\n".into(),
        "Content-Length: 0x5\r\n".into(),
        "Content-Length: 5 6\r\n".into(),
        "Content-Length:\r\n".into(),
        "Content-Length : 5\r\n".into(),
        "Transfer-Encoding : chunked\r\n".into(),
        "Transfer-Encoding\t: chunked\r\n".into(),
        "Transfer-Encoding: chunked, identity\r\n".into(),
        "Transfer-Encoding: identity, chunked\r\n".into(),
        "Transfer-Encoding: xchunked\r\n".into(),
        "Transfer-Encoding: \x0bchunked\r\n".into(),
        format!("{chunked}{chunked}"),
        "Transfer-Encoding:\r\n chunked\r\n".into(),
        "X: y\r\n\tContent-Length: 5\r\n".into(),
        " X: y\r\n".into(),
        "X: y\nContent-Length: 5\r\n".into(),
        "X: y\rContent-Length: 5\r\n".into(),
        "X: y\0\r\n".into(),
        "Content-Length\0: 5\r\n".into(),
        "no colon\r\n".into(),
        ": empty\r\n".into(),
        "Host: other\r\n".into(),
    ];
    for form in &forms {
        assert_eq!(heard(with(form).as_bytes()), ["refused 400"], "{form:?}");
    }
}

/// As above: heads that two readers could end at different places.
#[test]
fn heads_that_can_be_read_in_two_ways_are_refused() {
    for raw in [
        &b"GET / HTTP/1.1\nHost: k\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: k\r\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: k\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: k\r\n\r\n",
        b"GET /\r\nHost: k\r\n\r\n",
        b"GET nowhere HTTP/1.1\r\nHost: k\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: k\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(heard(raw), ["refused 400"], "{:?}", String::from_utf8_lossy(raw));
    }
}

/// As above: bodies likewise.
#[test]
fn chunks_that_can_be_read_in_two_ways_are_refused() {
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "+5\r\nhello\r\n",
        " 5\r\n",
        "\r\n",
        "0x5\r\n",
        "5 \r\n",
        ";a\r\n",
        "5;a\nb\r\nhello\r\n",
        "5;\rb\r\n",
        "00000000000000005\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX\r\r\n\r\n",
        "5\r\nhello!\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(heard(request.as_bytes()), ["refused 400"], "{chunks:?}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let small = Limits { body: 10, ..Limits::default() };
    let post = |headers: &str| format!("POST / HTTP/1.1\r\nHost: k\r\n{headers}");
    for (request, status) in [
        (post("Content-Length: 11\r\n\r\n"), 413),
        (post("Content-Length: 99999999999999999999999\r\n\r\n"), 413),
        (post("Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n"), 413),
        (post("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), 413),
        (post("Transfer-Encoding: gzip\r\n\r\n"), 501),
        (post(&format!("X: {}\r\n\r\n", "x".repeat(8192))), 431),
        (post(&format!("{}\r\n", "X: y\r\n".repeat(64))), 431),
        ("BREW / HTTP/1.1\r\nHost: k\r\n\r\n".into(), 501),
        ("GET / HTTP/2.0\r\nHost: k\r\n\r\n".into(), 505),
    ] {
        assert_eq!(serve(small, &[request.as_bytes()]).0, [format!("refused {status}")], "{request:.80}");
    }
    assert_eq!(
        serve(
            small,
            &[post(&format!("Content-Length: 10\r\n{}\r\n0123456789", "X: y\r\n".repeat(62))).as_bytes()]
        )
        .0
        .len(),
        1
    );
}

#[test]
fn a_slow_head_is_not_waited_for() {
    let mut head = [0; 256];
    let mut server = ServerConnection::new(NOW, &mut head[..], Limits::default());
    assert_eq!(server.deadline(), Some(at(10)));
    assert_eq!(server.on_bytes(at(9), b"GET / HT"), (8, Event::More));
    assert_eq!(
        (server.on_timer(at(9)), server.on_timer(at(10))),
        (Event::More, Event::Refused(Status::REQUEST_TIMEOUT))
    );
    assert!(server.is_closed() && server.deadline().is_none());
    let mut head = [0; 256];
    let mut server = ServerConnection::new(NOW, &mut head[..], Limits::default());
    assert!(matches!(server.on_bytes(at(5), b"GET / HTTP/1.1\r\nhost: k\r\n\r\n").1, Event::Request(_)));
    assert_eq!(server.on_bytes(at(5), b"").1, Event::End);
    assert_eq!(server.deadline(), None, "we may take our time");
    server.respond(at(60), &Response::new(Status::OK, "", 0), &mut [0; 200]).unwrap();
    assert_eq!(
        (server.deadline(), server.on_timer(at(70)), server.is_closed()),
        (Some(at(70)), Event::End, true)
    );
}

#[test]
fn a_slow_body_is_not_waited_for() {
    let (mut head, mut out) = ([0; 256], [0; 200]);
    let mut server = ServerConnection::new(NOW, &mut head[..], Limits::default());
    let request = b"POST / HTTP/1.1\r\nhost: k\r\ncontent-length: 9\r\n\r\n";
    assert!(matches!(server.on_bytes(at(5), request).1, Event::Request(_)));
    // A byte now and then does not help.
    assert_eq!(server.on_bytes(at(60), b"x"), (1, Event::Body(b"x")));
    assert_eq!((server.deadline(), server.on_timer(at(64))), (Some(at(65)), Event::More));
    assert_eq!(server.on_timer(at(65)), Event::Refused(Status::REQUEST_TIMEOUT));
    let written = server.respond(at(65), &Response::new(Status::REQUEST_TIMEOUT, "", 0), &mut out).unwrap();
    assert!(out[..written].starts_with(b"HTTP/1.1 408 "));
    assert!(server.is_closed() && server.deadline().is_none());
}

#[test]
fn bodies_of_unknown_length_go_in_chunks() {
    let answer = Response {
        length: Length::Unknown,
        headers: &[("x-a", "b"), ("x-bad", "a\r\nb: c")],
        ..Response::new(Status::OK, "", 0)
    };
    for (version, wanted) in [
        ("1.1", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("1.0", "HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nhello"),
    ] {
        let (mut head, mut out) = ([0; 256], [0; 256]);
        let mut server = ServerConnection::new(NOW, &mut head[..], Limits::default());
        server.on_bytes(NOW, format!("GET / HTTP/{version}\r\nHost: k\r\n\r\n").as_bytes());
        server.on_bytes(NOW, b"");
        assert!(server.respond(NOW, &answer, &mut [0; 20]).is_err());
        let mut written = server.respond(NOW, &answer, &mut out).unwrap();
        written += server.body(NOW, b"hello", &mut out[written..]).1;
        assert_eq!(server.body(NOW, b"no room", &mut []), (0, 0));
        written += server.finish(NOW, &mut out[written..]).unwrap();
        assert_eq!(core::str::from_utf8(&out[..written]), Ok(wanted));
        assert_eq!(server.is_closed(), version == "1.0");
    }
}

#[test]
fn a_response_that_stays_short_ends_the_connection() {
    let (mut head, mut out) = ([0; 256], [0; 256]);
    let mut server = ServerConnection::new(NOW, &mut head[..], Limits::default());
    server.on_bytes(NOW, b"GET / HTTP/1.1\r\nHost: k\r\n\r\n");
    server.on_bytes(NOW, b"");
    server.respond(NOW, &Response::new(Status::OK, "", 9), &mut out).unwrap();
    server.body(NOW, b"12345", &mut out);
    assert!(!server.is_closed() && server.finish(NOW, &mut out) == Ok(0) && server.is_closed());
}

#[test]
fn routes_lead_to_handlers() {
    let route = |method, pattern, handler| Route { method, pattern, handler };
    let routes = [
        route(Method::Get, "/", 0),
        route(Method::Get, "/v1/{id}", 1),
        route(Method::Put, "/v1/{id}", 2),
        route(Method::Get, "/v1/{id}/of/{other}", 3),
        route(Method::Get, "/files/{*rest}", 4),
    ];
    let router = Router::new(&routes);
    let routed = |line: &str| {
        let head = format!("{line} HTTP/1.0\r\n\r\n");
        match router.route(&super::head::parse(head.as_bytes()).unwrap()) {
            Matched::Found(handler, parameters) => format!("{handler} {parameters:?}"),
            Matched::NotAllowed(methods) => format!("{methods:?}"),
            Matched::NotFound => "none".into(),
        }
    };
    assert_eq!(routed("GET /"), "0 []");
    assert_eq!(routed("HEAD /v1/7?x=y"), "1 [(\"id\", \"7\")]");
    assert_eq!(routed("PUT /v1/7"), "2 [(\"id\", \"7\")]");
    assert_eq!(routed("DELETE /v1/7"), "[Get, Head, Put]");
    assert_eq!(routed("GET /v1/7/of/9"), "3 [(\"id\", \"7\"), (\"other\", \"9\")]");
    assert_eq!(routed("GET /files/a/b"), "4 [(\"rest\", \"a/b\")]");
    assert_eq!(routed("POST /files/"), "[Get, Head]");
    for nowhere in ["GET /v1", "GET /v1/", "GET /v1/7/", "GET /V1/7", "GET /files", "GET //"] {
        assert_eq!(routed(nowhere), "none", "{nowhere}");
    }
}

#[test]
fn paths_and_queries_are_taken_apart() {
    let mut out = [0; 8];
    assert_eq!(decode("/a%20%2Fb", &mut out), Some(&b"/a /b"[..]));
    for bad in ["%", "%2", "%g0", "%00", "123456789", "%+1"] {
        assert_eq!(decode(bad, &mut out), None, "{bad}");
    }
    assert_eq!(query("a=1&&b&c=d=e").collect::<Vec<_>>(), [("a", "1"), ("b", ""), ("c", "d=e")]);
}

fn fetch(method: Method, pieces: &[&[u8]]) -> Result<String, ClientError> {
    let (mut head, mut read) = ([0; 512], String::new());
    let mut client = ClientConnection::new(method, &mut head, 100);
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (taken, event) = client.on_bytes(rest)?;
            match event {
                ClientEvent::Head(status, framing) => read += &format!("{} {framing:?} ", status.0),
                ClientEvent::Body(data) => read += &String::from_utf8_lossy(data),
                ClientEvent::More | ClientEvent::End => {}
            }
            rest = &rest[taken..];
            if taken == 0 {
                break;
            }
        }
    }
    client.on_close().map(|()| read)
}

#[test]
fn clients_read_every_framing() {
    let fetch = |bytes: &[u8]| fetch(Method::Get, &[bytes]);
    assert_eq!(fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap(), "200 Length(2) hi");
    assert_eq!(fetch(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").unwrap(), "200 Chunked hi");
    assert_eq!(fetch(b"HTTP/1.0 404 Nothing\r\n\r\nno").unwrap(), "404 UntilClose no");
    assert_eq!(fetch(b"HTTP/1.1 204 \r\n\r\n").unwrap(), "204 None ");
    assert_eq!(
        super::tests::fetch(Method::Head, &[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"]).unwrap(),
        "200 None "
    );
    assert_eq!(fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"), Err(ClientError::Cut));
    assert_eq!(fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"), Err(ClientError::BodyTooLong));
    assert_eq!(
        fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n"),
        Err(ClientError::Malformed)
    );
    assert_eq!(fetch(b"SSH-2.0-x\r\n\r\n"), Err(ClientError::Malformed));
    assert_eq!(fetch(&[b'x'; 513]), Err(ClientError::HeadTooLong));
    let mut out = [0; 128];
    let length = write_request(Method::Post, "kos", "/a", b"hi", &mut out).unwrap();
    assert_eq!(heard(&out[..length]), ["POST /a? Length(2) hi"]);
    assert!(write_request(Method::Post, "kos", "/a", b"hi", &mut out[..length - 1]).is_err());
}

/// Parts of requests, good and bad, in any order.
fn parts() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        &b"GET / HTTP/1.1\r\nHost: k\r\n\r\n"[..],
        b"POST /p HTTP/1.1\r\nHost: k\r\n",
        b"Content-Length: 4\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"4\r\nbody\r\n",
        b"body",
        b"0\r\n\r\n",
        b"Connection: close\r\n",
        b"GET / HTTP/1.0\r\n",
        b"\n",
        b" ",
        b"\0",
        b"\xff",
    ]);
    prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(crate::testing::config())]
    /// Wherever the bytes are cut, the server hears and says the same; in one piece, in two, and byte by byte.
    #[test]
    fn cuts_do_not_matter(bytes in parts()) {
        let whole = serve(Limits::default(), &[&bytes]);
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            prop_assert_eq!(&serve(Limits::default(), &[first, second]), &whole);
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&serve(Limits::default(), &single), &whole);
    }

    #[test]
    fn cuts_do_not_matter_to_clients(bytes in parts(), head in prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])) {
        let bytes = [head.as_bytes(), &bytes].concat();
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(fetch(Method::Get, &single), fetch(Method::Get, &[&bytes]));
    }
}

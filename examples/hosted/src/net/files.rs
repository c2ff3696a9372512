//! Files over HTTP: [`Exchange`], a connection of the server.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use kos_net::services::http::{Event, Limits, Method, Response, ServerConnection, Status, decode};
use kos_net::time::Instant;
use kos_net::{SocketId, StreamError};

use super::HostStack;
use super::apps::{Next, after};

const HEAD: usize = 8192;
const PIECE: usize = 64 * 1024;

pub(super) struct Exchange {
    connection: ServerConnection<Vec<u8>>,
    method: Method,
    path: String,
    /// What was written and has not gone out.
    bytes: Vec<u8>,
    /// What follows.
    file: Option<File>,
}

impl Exchange {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            connection: ServerConnection::new(now, vec![0; HEAD], Limits::default()),
            method: Method::Get,
            path: String::new(),
            bytes: Vec::new(),
            file: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.connection.deadline()
    }

    /// Goes on as far as it goes.
    pub(super) fn run(&mut self, stack: &mut HostStack, now: Instant, id: SocketId, folder: &Path) -> Next {
        if let Event::Refused(status) = self.connection.on_timer(now) {
            self.answer(now, status, 0);
        }
        loop {
            if let Err(error) = self.send(stack, now, id) {
                return after(error);
            }
            if self.connection.is_closed() {
                return Next::Close;
            }
            match self.receive(stack, now, id, folder) {
                Ok(true) => {}
                Ok(false) => return Next::Wait,
                Err(error) => return after(error),
            }
        }
    }

    /// Takes what came; whether there is more to do at once.
    fn receive(
        &mut self,
        stack: &mut HostStack,
        now: Instant,
        id: SocketId,
        folder: &Path,
    ) -> Result<bool, StreamError> {
        let mut asked = None;
        let went = stack.tcp_receive(id, |data| {
            let (taken, event) = self.connection.on_bytes(now, data);
            match event {
                Event::Request(request) => {
                    (self.method, self.path) = (request.method, request.path.to_owned());
                }
                Event::End => asked = Some(Status::OK),
                Event::Refused(status) => asked = Some(status),
                Event::More | Event::Body(_) => {}
            }
            (taken, taken > 0)
        });
        // What ends a request may be known without another byte.
        let went = match went {
            Err(StreamError::NotNow) => {
                if self.connection.on_bytes(now, &[]).1 == Event::End {
                    asked = Some(Status::OK);
                }
                false
            }
            went => went?,
        };
        match asked {
            None => Ok(went),
            Some(Status::OK) => {
                self.open(now, folder);
                Ok(true)
            }
            Some(status) => {
                self.answer(now, status, 0);
                Ok(true)
            }
        }
    }

    /// Answers with the file that was asked for.
    fn open(&mut self, now: Instant, folder: &Path) {
        if !matches!(self.method, Method::Get | Method::Head) {
            return self.answer(now, Status::METHOD_NOT_ALLOWED, 0);
        }
        let mut room = [0; HEAD];
        let path = decode(&self.path, &mut room).and_then(|path| below(folder, path));
        let file = path.and_then(|path| File::open(path).ok());
        let length = file.as_ref().and_then(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file);
        let Some(length) = length else { return self.answer(now, Status::NOT_FOUND, 0) };
        self.file = file.filter(|_| self.method == Method::Get);
        self.answer(now, Status::OK, length.len());
    }

    fn answer(&mut self, now: Instant, status: Status, length: u64) {
        let kind = if status == Status::OK { "application/octet-stream" } else { "" };
        let mut response = Response::new(status, kind, length);
        if status == Status::METHOD_NOT_ALLOWED {
            response.headers = &[("allow", "GET, HEAD")];
        }
        let mut out = [0; 512];
        let written = self.connection.respond(now, &response, &mut out).unwrap_or(0);
        self.bytes.extend_from_slice(out.get(..written).unwrap_or_default());
    }

    /// Moves what was written into the socket, and reads on in the file, until neither goes on.
    fn send(&mut self, stack: &mut HostStack, now: Instant, id: SocketId) -> Result<(), StreamError> {
        loop {
            if self.bytes.is_empty() && !self.read(now) {
                return Ok(());
            }
            let sent = stack.tcp_send(id, |room| {
                let count = room.len().min(self.bytes.len());
                room.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
                (count, count)
            })?;
            self.bytes.drain(..sent);
        }
    }

    /// Reads a piece of the file; whether there was one.
    fn read(&mut self, now: Instant) -> bool {
        let Some(file) = &mut self.file else { return false };
        let mut piece = vec![0; PIECE];
        let count = file.read(&mut piece).unwrap_or(0);
        self.bytes.resize(PIECE, 0);
        let (_, written) = self.connection.body(now, piece.get(..count).unwrap_or_default(), &mut self.bytes);
        self.bytes.truncate(written);
        if written == 0 {
            let _ended = self.connection.finish(now, &mut []); // A file that became shorter ends the connection.
            self.file = None;
        }
        written > 0
    }
}

/// The file below `folder` that `path` names, if it stays below it.
fn below(folder: &Path, path: &[u8]) -> Option<PathBuf> {
    let path = Path::new(core::str::from_utf8(path).ok()?.strip_prefix('/')?);
    let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    plain.then(|| if path.as_os_str().is_empty() { folder.join("index.html") } else { folder.join(path) })
}

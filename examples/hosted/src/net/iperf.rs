//! A server for iperf3, one test with one stream at a time: [`Iperf`].
//!
//! A control connection and one for data, both begun by the client with the same cookie. On the first, states go both ways as one
//! byte, and JSON behind its length in four. Source: the behaviour of iperf3 3.12 to 3.16, as `tshark` shows it.

use std::collections::{HashMap, HashSet};

use kos_net::SocketId;
use kos_net::StreamError;
use kos_net::time::Instant;

use super::HostStack;
use super::apps::{Next, after, discard};

/// Where clients look for it.
pub(super) const PORT: u16 = 5201;
/// Bytes of what both connections begin with.
const COOKIE: usize = 37;
/// The most bytes of what a client says at a time.
const MOST: usize = 64 << 10;

const TEST_START: u8 = 1;
const TEST_RUNNING: u8 = 2;
const TEST_END: u8 = 4;
const PARAM_EXCHANGE: u8 = 9;
const CREATE_STREAMS: u8 = 10;
const EXCHANGE_RESULTS: u8 = 13;
const DISPLAY_RESULTS: u8 = 14;
const ACCESS_DENIED: u8 = 0xff;

/// What is awaited on the control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Parameters,
    Stream,
    End,
    Results,
    Done,
}

/// The test that runs.
#[derive(Debug)]
struct Test {
    control: SocketId,
    cookie: Vec<u8>,
    phase: Phase,
    data: Option<SocketId>,
    /// Whether it is we who send.
    reverse: bool,
    bytes: u64,
    began: Instant,
}

/// The server.
#[derive(Debug, Default)]
pub(super) struct Iperf {
    test: Option<Test>,
    /// What came of connections that data do not go over, and was not understood yet.
    heard: HashMap<SocketId, Vec<u8>>,
    /// Connections for data whose test is over: what is still under way is read to its end.
    rest: HashSet<SocketId>,
}

impl Iperf {
    /// Deals with news of a connection.
    pub(super) fn run(&mut self, stack: &mut HostStack, now: Instant, id: SocketId) -> Next {
        let next = match &mut self.test {
            Some(test) if test.data == Some(id) => test.on_data(stack, id),
            _ if self.rest.contains(&id) => discard(stack, id),
            _ => self.listen(stack, now, id),
        };
        if next == Next::Close {
            self.heard.remove(&id);
            self.rest.remove(&id);
            if let Some(test) = self.test.take_if(|test| test.control == id) {
                self.rest.extend(test.data);
            } else if let Some(test) = self.test.as_mut().filter(|test| test.data == Some(id)) {
                test.data = None;
            }
        }
        next
    }

    fn listen(&mut self, stack: &mut HostStack, now: Instant, id: SocketId) -> Next {
        let heard = self.heard.entry(id).or_default();
        let end = loop {
            if heard.len() > MOST {
                return Next::Close;
            }
            let taken = stack.tcp_receive(id, |bytes| {
                heard.extend_from_slice(bytes);
                (bytes.len(), ())
            });
            if let Err(error) = taken {
                break after(error);
            }
        };
        match &mut self.test {
            Some(test) if test.control == id => while test.on_control(stack, now, heard) {},
            _ if heard.len() < COOKIE => {}
            test => {
                let cookie: Vec<u8> = heard.drain(..COOKIE).collect();
                return Self::begin(test, stack, now, id, cookie);
            }
        }
        end
    }

    /// A connection has said what it belongs to.
    fn begin(
        test: &mut Option<Test>,
        stack: &mut HostStack,
        now: Instant,
        id: SocketId,
        cookie: Vec<u8>,
    ) -> Next {
        match test {
            None => {
                let (phase, data, reverse, bytes) = (Phase::Parameters, None, false, 0);
                *test = Some(Test { control: id, cookie, phase, data, reverse, bytes, began: now });
                say(stack, id, &[PARAM_EXCHANGE]);
                Next::Wait
            }
            Some(test) if test.phase == Phase::Stream && test.cookie == cookie => {
                (test.data, test.phase, test.began) = (Some(id), Phase::End, now);
                say(stack, test.control, &[TEST_START, TEST_RUNNING]);
                test.on_data(stack, id)
            }
            Some(_) => {
                say(stack, id, &[ACCESS_DENIED]);
                Next::Close
            }
        }
    }
}

impl Test {
    fn on_data(&mut self, stack: &mut HostStack, id: SocketId) -> Next {
        loop {
            let received = stack.tcp_receive(id, |bytes| (bytes.len(), bytes.len() as u64));
            match received {
                Ok(count) => self.bytes += count,
                Err(StreamError::NotNow) => break,
                Err(error) => return after(error),
            }
        }
        while self.reverse && self.phase == Phase::End {
            let sent = stack.tcp_send(id, |room| {
                room.fill(b'k');
                (room.len(), room.len() as u64)
            });
            match sent {
                Ok(count) => self.bytes += count,
                Err(error) => return after(error),
            }
        }
        Next::Wait
    }

    /// Takes the next thing the client says, if it is complete; whether there may be more.
    fn on_control(&mut self, stack: &mut HostStack, now: Instant, heard: &mut Vec<u8>) -> bool {
        match self.phase {
            Phase::Stream => false,
            Phase::Parameters => {
                let Some(text) = json(heard) else { return false };
                self.reverse = text.contains("\"reverse\":true");
                self.phase = Phase::Stream;
                say(stack, self.control, &[CREATE_STREAMS]);
                true
            }
            Phase::Results => {
                if json(heard).is_none() {
                    return false;
                }
                let results = self.results(now);
                let length = u32::try_from(results.len()).unwrap_or_default().to_be_bytes();
                say(stack, self.control, &[&length[..], results.as_bytes(), &[DISPLAY_RESULTS]].concat());
                self.phase = Phase::Done;
                true
            }
            Phase::End | Phase::Done if heard.is_empty() => false,
            Phase::End | Phase::Done => {
                // What ends it all needs no answer: the client closes both connections.
                if heard.remove(0) == TEST_END && self.phase == Phase::End {
                    self.phase = Phase::Results;
                    say(stack, self.control, &[EXCHANGE_RESULTS]);
                }
                true
            }
        }
    }

    fn results(&self, now: Instant) -> String {
        let took = now.checked_duration_since(self.began).map_or(0, |took| took.as_millis());
        let (bytes, seconds) = (self.bytes, format!("{}.{:03}", took / 1000, took % 1000));
        format!(
            "{{\"cpu_util_total\":0,\"cpu_util_user\":0,\"cpu_util_system\":0,\"sender_has_retransmits\":0,\"streams\":[{{\"id\":1,\
             \"bytes\":{bytes},\"retransmits\":-1,\"jitter\":0,\"errors\":0,\"packets\":0,\"start_time\":0,\"end_time\":{seconds}}}]}}"
        )
    }
}

/// Text behind its length, if it is complete.
fn json(heard: &mut Vec<u8>) -> Option<String> {
    let length = usize::try_from(u32::from_be_bytes(*heard.first_chunk()?)).ok()?;
    let text = String::from_utf8_lossy(heard.get(4..length.checked_add(4)?)?).into_owned();
    heard.drain(..length + 4);
    Some(text)
}

/// Says a little; a client that lets it pile up is not served.
fn say(stack: &mut HostStack, id: SocketId, bytes: &[u8]) {
    let _gone = stack.tcp_send(id, |room| {
        let count = room.len().min(bytes.len());
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        (count, ())
    });
}

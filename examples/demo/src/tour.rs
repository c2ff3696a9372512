//! The host's side of `cargo demo net`: a server of one name, a server of pages that the guest asks for, and curl, which asks the
//! guest. All of it on 127.0.0.1, where the guest finds it as 10.0.2.2.
//!
//! The guest asks for `/tour` when it serves itself. While that answer lasts, curl fetches from it; each second a line of the
//! answer says how far it is. So the guest waits for no time, but for the end of the tour.

use core::hash::Hasher as _;
use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use siphasher::sip::SipHasher13;

/// The name that the server of names knows.
pub const NAME: &str = "kos.test";
/// What it stands for: the host, as the guest sees it.
const ADDRESS: [u8; 4] = [10, 0, 2, 2];
/// Bytes that curl fetches at a time, and that the guest fetches once.
pub const PIECE: usize = 1 << 20;
/// A byte is its place modulo this.
const MODULUS: usize = 251;
const LINE: Duration = Duration::from_secs(1);

/// What curl did.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// How often it fetched a piece that was right.
    pub pieces: u32,
    /// How long that took.
    pub took: Duration,
    /// What went wrong, if something did.
    pub fault: Option<String>,
}

/// The servers of one tour; they end with the process.
#[derive(Debug)]
pub struct Tour {
    /// Where names are answered.
    pub names: u16,
    /// Where pages are.
    pub pages: u16,
    fetched: Receiver<Fetched>,
}

impl Tour {
    /// Starts the servers; curl will fetch `count` pieces from `guest`, a port of 127.0.0.1.
    ///
    /// # Errors
    /// There are no ports.
    pub fn start(guest: u16, count: u32) -> io::Result<Self> {
        let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let pages = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let ports = (names.local_addr()?.port(), pages.local_addr()?.port());
        let (sender, fetched) = mpsc::channel();
        thread::spawn(move || answer_names(&names));
        thread::spawn(move || {
            for client in pages.incoming().flatten() {
                // A guest that goes away ends its answer; that it failed shows in what it says.
                let _ = serve(client, guest, count, &sender);
            }
        });
        Ok(Self { names: ports.0, pages: ports.1, fetched })
    }

    /// What curl did, if the guest came as far as asking for the tour.
    #[must_use]
    pub fn fetched(&self) -> Option<Fetched> {
        self.fetched.try_recv().ok()
    }
}

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Errors
/// There is none.
pub fn free_port() -> io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| Ok(listener.local_addr()?.port()))
}

/// The bytes from `0` to `length`.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % MODULUS).to_le_bytes()[0]).collect()
}

/// The hash that the guest's `wget -s` says of the bytes from `0` to `length`.
#[must_use]
pub fn hash_of(length: u64) -> u64 {
    let mut hash = SipHasher13::new();
    let (round, mut left) = (pattern(MODULUS), length);
    while left > 0 {
        let count = left.min(MODULUS as u64);
        hash.write(round.get(..usize::try_from(count).unwrap_or(MODULUS)).unwrap_or_default());
        left -= count;
    }
    hash.finish()
}

fn answer_names(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question) {
        if let Some(answer) = question.get(..length).and_then(answer) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// The answer to a question (RFC 1035, section 4.1): the address, or that there is no such name.
fn answer(message: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while let length @ 1.. = usize::from(*message.get(at)?) {
        labels.push(String::from_utf8_lossy(message.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    let question = message.get(HEADER..at + 5)?;
    let known = labels.join(".") == NAME;
    let found = known && question.ends_with(&[0, 1, 0, 1]);
    let code = if known { 0 } else { 3 };
    let mut answer = message.get(..2)?.to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    answer.extend(question);
    if found {
        // The name of the question, an address, for a minute.
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(ADDRESS);
    }
    Some(answer)
}

fn serve(mut client: TcpStream, guest: u16, count: u32, done: &Sender<Fetched>) -> io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = asked.split(' ').nth(1).unwrap_or_default();
    match path {
        "/piece" => {
            write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {PIECE}\r\nconnection: close\r\n\r\n")?;
            client.write_all(&pattern(PIECE))
        }
        "/tour" => {
            client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            let fetched = fetch_all(guest, count, &mut client);
            let words = match &fetched.fault {
                None => format!("curl fetched {count} pieces of 1 MiB, each right\n"),
                Some(fault) => format!("curl: {fault}\n"),
            };
            let _ = done.send(fetched);
            client.write_all(words.as_bytes())
        }
        _ => client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    }
}

fn fetch_all(guest: u16, count: u32, progress: &mut impl io::Write) -> Fetched {
    let (started, wanted) = (Instant::now(), pattern(PIECE));
    let (mut pieces, mut spoke, mut fault) = (0, started, None);
    for (path, holds) in
        [("/", "kos"), ("/metrics", "kos_net_frames_in_total "), ("/proc/net/tcp", "Listener")]
    {
        match curl(guest, path) {
            Ok(page) if String::from_utf8_lossy(&page).contains(holds) => {}
            Ok(_) => fault = Some(format!("{path} does not say '{holds}'")),
            Err(error) => fault = Some(error),
        }
    }
    while fault.is_none() && pieces < count {
        match curl(guest, &format!("/bytes/{PIECE}")) {
            Ok(piece) if piece == wanted => pieces += 1,
            Ok(piece) => fault = Some(format!("piece {pieces}: {} bytes, or others", piece.len())),
            Err(error) => fault = Some(format!("piece {pieces}: {error}")),
        }
        if spoke.elapsed() >= LINE {
            spoke = Instant::now();
            // A guest that does not listen any more fails by itself.
            let _ = writeln!(progress, "{pieces} of {count} pieces");
        }
    }
    Fetched { pieces, took: started.elapsed(), fault }
}

fn curl(guest: u16, path: &str) -> Result<Vec<u8>, String> {
    let mut command = Command::new("curl");
    // Slower than the guest's patience is too slow.
    command.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "60"]);
    let output = command.arg(format!("http://127.0.0.1:{guest}{path}")).output();
    let output = output.map_err(|error| format!("cannot be run: {error}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_and_no_other_is_known() {
        let question =
            |name: &[u8]| [&[7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &[0, 0, 1, 0, 1]].concat();
        let known = answer(&question(b"\x03kOs\x04tesT")).unwrap();
        assert!(known.starts_with(&[7, 9, 0x81, 0x80, 0, 1, 0, 1]) && known.ends_with(&ADDRESS));
        let other = answer(&question(b"\x03kos\x03org")).unwrap();
        assert_eq!(other.get(2..8), Some(&[0x81, 0x83, 0, 1, 0, 0][..]));
        assert_eq!((answer(b"short"), answer(&question(b"\x3fkos"))), (None, None));
    }

    #[test]
    fn pages_are_served() {
        let tour = Tour::start(1, 0).unwrap();
        assert_eq!(curl(tour.pages, "/piece").map(|page| page == pattern(PIECE)), Ok(true));
        assert!(curl(tour.pages, "/other").unwrap_err().contains("404"));
        assert!(tour.fetched().is_none());
    }
}

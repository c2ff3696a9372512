//! Somebody who does not read the records as fast as the machine writes them: the last bytes, which the port still has when all is
//! said, are there, too.

use core::time::Duration;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;

use crate::support::{Turn, folder, image, qemu};

/// How many single bytes a socket takes that nobody reads.
fn room() -> usize {
    let (writer, _reader) = UnixStream::pair().expect("a pair of sockets");
    writer.set_nonblocking(true).expect("a socket that does not block");
    (0..).take_while(|_| (&writer).write(&[0]).is_ok()).count()
}

/// Bytes of the three records beside what is said, which is said twice: in the output, and in the command.
const RECORDS: usize = (5 + 1) + (5 + 4 + 5) + (5 + 4);
/// The record behind all others: its kind, its length, and that one command ran.
const END: &[u8] = b"E\x04\0\0\0\x01\0\0\0";

#[test]
fn what_is_said_last_is_heard_by_a_slow_reader() {
    let _turn = Turn::take();
    let path = folder("slow").join("com2");
    let _ = fs::remove_file(&path);
    let channel = format!("socket,id=com2,path={},server=on,wait=on", path.display());
    // What `echo` says, that it succeeded, and the end: one byte more than there is room for, or two.
    let said = ((room() + 2 - RECORDS) / 2).min(500);
    let commands = format!("mode=run exec=echo {}", "x".repeat(said));
    let mut machine = Command::new(qemu());
    machine.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "q35"]);
    machine.args([
        "-accel",
        "tcg",
        "-cpu",
        "max,-smep",
        "-m",
        "64M",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4",
    ]);
    machine.args(["-chardev", &channel, "-serial", "null", "-serial", "chardev:com2", "-append", &commands]);
    let mut machine = machine.arg("-kernel").arg(image()).stdin(Stdio::null()).spawn().expect("QEMU starts");
    let mut records = loop {
        match UnixStream::connect(&path) {
            Ok(stream) => break stream,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
        assert_eq!(machine.try_wait().expect("it is a child"), None, "QEMU ended");
    };
    // Meanwhile the machine says all that it has to say, and would be gone.
    thread::sleep(Duration::from_secs(2));
    let mut heard = Vec::new();
    records.read_to_end(&mut heard).expect("a socket that can be read");
    assert_eq!(heard.len(), 2 * said + RECORDS, "{:?}", heard.last_chunk::<20>());
    assert!(heard.ends_with(END), "{:?}", heard.last_chunk::<20>());
    assert_eq!(machine.wait().expect("it is a child").code(), Some(33));
}

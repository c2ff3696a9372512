//! A debugger at the emulated machine: this test speaks gdb's remote protocol itself, so that it needs none.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;

use kos_demo::image::Image;
use kos_demo::tour::free_port;

use crate::support::{Turn, command, image};

/// The connection, as gdb holds it. Source: "Debugging with GDB", appendix E.
struct Remote(BufReader<TcpStream>);

impl Remote {
    /// Sends `$WORDS#SUM`.
    fn send(&mut self, words: &str) {
        let sum = words.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0.get_mut(), "${words}#{sum:02x}").unwrap();
    }

    /// Sends it and returns what comes back, without its frame.
    fn ask(&mut self, words: &str) -> String {
        self.send(words);
        let (mut skipped, mut answer) = (Vec::new(), Vec::new());
        self.0.read_until(b'$', &mut skipped).unwrap();
        self.0.read_until(b'#', &mut answer).unwrap();
        self.0.read_exact(&mut [0; 2]).unwrap();
        self.0.get_mut().write_all(b"+").unwrap();
        String::from_utf8(answer).unwrap().trim_end_matches('#').into()
    }
}

/// The command with a machine that waits, and the connection to that.
fn attached() -> (Remote, Child) {
    let port = free_port().unwrap();
    let mut child =
        command(image(), &["gdb", "--no-net", "--no-disk", "--port", &port.to_string()]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = said.find_map(|line| line.unwrap().strip_prefix("to debug it: ").map(str::to_owned));
    let words = format!("gdb '{}' -ex 'target remote :{port}'", image().display());
    assert_eq!(told.as_deref(), Some(words.as_str()));
    // QEMU opens its port a moment after the line.
    let connection = (0..1000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    let connection = connection.expect("QEMU waits for a debugger");
    connection.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    (Remote(BufReader::new(connection)), child)
}

#[test]
fn a_debugger_stops_the_kernel_at_a_function() {
    let _turn = Turn::take();
    let symbols = Image::read(image()).unwrap().symbols;
    let line = symbols.lines().find(|line| line.ends_with("::shell::interactive")).expect("a function");
    let address = u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap();
    let (mut remote, child) = attached();
    let supported = remote.ask("qSupported");
    assert!(supported.contains("PacketSize="), "{supported}");
    assert!(remote.ask("?").starts_with("T05"), "stopped before the first instruction");
    assert_eq!(remote.ask(&format!("Z1,{address:x},1")), "OK", "a breakpoint in hardware");
    assert!(remote.ask("c").starts_with("T05"));
    // All registers; behind the sixteen general ones stands the instruction pointer.
    let registers = remote.ask("g");
    let expected: String = address.to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(registers.get(16 * 16..17 * 16), Some(expected.as_str()), "{line}");
    assert_eq!(remote.ask("D"), "OK");
    // Left alone it comes to its prompt, finds no input, and powers off.
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("kos> "));
}

#[test]
fn a_debugger_that_kills_the_machine_ends_the_command_well() {
    let _turn = Turn::take();
    let (mut remote, child) = attached();
    remote.send("k");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

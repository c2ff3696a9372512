//! Whole programs on it: what they say must not change.

extern crate alloc;

use alloc::collections::BTreeMap;
use core::hint::black_box;
use std::collections::HashMap;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::{env, thread};

/// Tells this program, run as a child, which wrong free to commit.
const CRIME: &str = "C_MALLOC_CRIME";

/// The shared library of the example, which lies beside the directory of this test.
pub(super) fn library() -> String {
    let deps = env::current_exe().unwrap();
    let library = deps.ancestors().nth(2).unwrap().join("examples/libc_malloc.so");
    assert!(
        library.exists(),
        "run `cargo build --example c_malloc` with the same profile first: {library:?}"
    );
    library.into_os_string().into_string().unwrap()
}

fn preloaded(command: &mut Command) -> Output {
    command.env("LD_PRELOAD", library()).output().unwrap()
}

/// Runs one test of this program.
fn child(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--test-threads=1"]);
    command
}

/// Whether a program says the same on either malloc; skipped where it is not installed.
fn assert_same(arguments: &[&str]) {
    let command = || {
        let mut command = Command::new("/usr/bin/env");
        command.args(arguments);
        command
    };
    let plain = command().output().unwrap();
    if plain.status.success() {
        let ours = preloaded(&mut command());
        assert!(plain == ours, "{arguments:?} on libc: {plain:?}\non c_malloc: {ours:?}");
    }
}

#[test]
fn programs_run_unchanged() {
    assert_same(&["ls", "-l", "/usr/bin"]);
    assert_same(&["sort", "--parallel=4", "/etc/passwd", "/proc/filesystems"]);
    assert_same(&["PYTHONMALLOC=malloc", "python3", "-c", PYTHON]);
}

const PYTHON: &str = "
import json, threading
def work(n): assert json.loads(json.dumps([{'n': i, 's': str(i) * n} for i in range(5000)]))[n]['n'] == n
threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]; print('done')
";

/// A story of threads and containers; here on the malloc that this program was started with.
#[test]
fn threads_share_containers() {
    let (send, receive) = mpsc::channel::<BTreeMap<usize, String>>();
    let workers = (0..100).map(|worker| {
        let send = send.clone();
        let work = move || {
            let table: HashMap<_, _> = (0..300).map(|n| (n, vec![worker; n])).collect();
            let strings = table.iter().map(|(n, list)| (*n, format!("{}:{list:?}", list.len())));
            send.send(strings.collect()).unwrap();
        };
        thread::spawn(work)
    });
    let workers: Vec<_> = workers.collect();
    drop(send);
    let total: usize = receive.iter().map(|map| map.values().map(String::len).sum::<usize>()).sum();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    // Per worker: digits and colon of n, brackets, and each number with its separator.
    assert!(total > 100 * 300 * 300, "{total}");
}

#[test]
fn this_program_runs_on_it() {
    let output = preloaded(&mut child("preloaded::threads_share_containers"));
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

/// Commits the wrong free that the environment asks for; nothing in a usual run.
#[test]
fn crime() {
    let Ok(crime) = env::var(CRIME) else { return };
    let mut stray = [0u128; 4];
    // SAFETY: no conditions.
    let block = black_box(unsafe { libc::malloc(100) });
    // SAFETY: a block of 100 bytes.
    let inside = black_box(unsafe { block.byte_add(16) });
    match crime.as_str() {
        // SAFETY: none; this is the crime, and c_malloc survives it.
        "double" => (0..2).for_each(|_| unsafe { libc::free(black_box(block)) }),
        // SAFETY: as above.
        "interior" => unsafe { libc::free(inside) },
        // SAFETY: as above.
        _ => unsafe { libc::free(black_box(&raw mut stray).cast()) },
    }
}

#[test]
fn wrong_frees_end_the_program_with_a_reason() {
    use std::os::unix::process::ExitStatusExt;
    for (crime, reason) in [
        ("double", "double free of 0x"),
        ("interior", "points into the block at 0x"),
        ("stray", "was not allocated here"),
    ] {
        let output = preloaded(child("preloaded::crime").env(CRIME, crime));
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.starts_with("c_malloc: ") && told.contains(reason), "{told}");
    }
}

//! A program of Rust's std as anybody writes it: files, threads, time, words and variables, a panic that is caught.
//!
//! It says the same under Linux and under the demo kernel: that is the test. Nothing that it says depends on where it runs.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    reason = "an ordinary program of std, whose panics are among what is compared"
)]

mod hostile;

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, mpsc};
use std::time::{Duration, Instant, SystemTime};
use std::{env, panic, thread};

type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    match words.next().as_deref() {
        None => {
            println!("hello from std");
            ExitCode::SUCCESS
        }
        Some("files") => ended(
            &words
                .next()
                .map_or_else(|| Err("files in which directory?".into()), |dir| files(Path::new(&dir))),
        ),
        Some("threads") => ended(&threads()),
        Some("words") => ended(&told(words)),
        Some("rest") => ended(&rest()),
        Some("hostile") => ended(&hostile::calls()),
        Some("storm") => ended(&storm(words.next().and_then(|word| word.parse().ok()).unwrap_or(4))),
        Some("stack") => hostile::bad_stack(),
        Some("spin") => spin(),
        Some("panic") => panic!("as asked"),
        Some("abort") => std::process::abort(),
        Some("overflow") => ExitCode::from(deep(1)),
        Some("exit") => ExitCode::from(words.next().and_then(|word| word.parse().ok()).unwrap_or(1)),
        Some(other) => {
            println!("{other}: what is that?");
            ExitCode::from(2)
        }
    }
}

fn ended(result: &Done) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("failed: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Makes, writes, reads, renames, lists and removes files in a directory that it makes.
fn files(parent: &Path) -> Done {
    let dir = parent.join("stdhello");
    fs::create_dir(&dir)?;
    let (one, two) = (dir.join("one"), dir.join("two"));
    let mut file = File::create(&one)?;
    for number in 0..1000 {
        writeln!(file, "line {number}")?;
    }
    file.sync_all()?;
    drop(file);
    println!("one has {} bytes", fs::metadata(&one)?.len());
    let text = fs::read_to_string(&one)?;
    println!("{} lines, the last is {:?}", text.lines().count(), text.lines().last());
    let mut file = OpenOptions::new().read(true).write(true).open(&one)?;
    file.seek(SeekFrom::Start(5))?;
    file.write_all(b"X")?;
    file.seek(SeekFrom::End(-9))?;
    let mut end = String::new();
    file.read_to_string(&mut end)?;
    file.set_len(14)?;
    println!("the end was {end:?}, the beginning is {:?}", fs::read_to_string(&one)?);
    drop(file);
    fs::rename(&one, &two)?;
    println!("one: {:?}", File::open(&one).map(drop).map_err(|error| error.kind()));
    println!("again: {:?}", fs::create_dir(&dir).map_err(|error| error.kind()));
    OpenOptions::new().append(true).open(&two)?.write_all(b"more\n")?;
    fs::copy(&two, dir.join("three"))?;
    fs::create_dir_all(dir.join("sub/below"))?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir)? {
        let entry = entry?;
        names.push((entry.file_name(), entry.file_type()?.is_dir(), entry.metadata()?.is_file()));
    }
    names.sort();
    println!("{names:?}");
    println!("three: {:?}", fs::read(dir.join("three"))?.len());
    println!("busy: {:?}", fs::remove_dir(&dir).map_err(|error| error.kind()));
    println!("a file is no directory: {:?}", fs::read_dir(&two).map(drop).map_err(|error| error.kind()));
    env::set_current_dir(&dir)?;
    println!("here: {:?}", env::current_dir()?.file_name());
    fs::write("here", "relative")?;
    println!("{}", fs::read_to_string(dir.join("here"))?);
    env::set_current_dir("/")?;
    fs::remove_dir_all(&dir)?;
    println!("gone: {}", !dir.exists());
    Ok(())
}

thread_local! {
    static OWN: AtomicU64 = const { AtomicU64::new(1) };
}

/// Threads that lock, wait for each other, send, and have values of their own.
fn threads() -> Done {
    let total = Arc::new(Mutex::new(0_u64));
    let workers = (0..4_u64).map(|number| {
        let total = Arc::clone(&total);
        thread::Builder::new().name(format!("worker {number}")).spawn(move || {
            for step in 0..1000 {
                *total.lock().expect("nobody panics with it") += step % 7 + number;
                OWN.with(|own| own.fetch_add(number, Ordering::Relaxed));
            }
            (thread::current().name().map(str::to_owned), OWN.with(|own| own.load(Ordering::Relaxed)))
        })
    });
    let workers: Vec<_> = workers.collect::<io::Result<_>>()?;
    for worker in workers {
        println!("{:?}", worker.join().map_err(|_| "a worker panicked")?);
    }
    println!(
        "total {}, own {}",
        total.lock().map_err(|_| "poisoned")?,
        OWN.with(|own| own.load(Ordering::Relaxed))
    );
    turns()?;
    let (send, receive) = mpsc::sync_channel(2);
    let sender = thread::spawn(move || (0..100_u32).try_for_each(|number| send.send(number)));
    println!("received {}", receive.iter().map(u64::from).sum::<u64>());
    sender.join().map_err(|_| "the sender panicked")??;
    let (barrier, shared) = (Barrier::new(3), RwLock::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                *shared.write().expect("nobody panics with it") += 1;
                barrier.wait();
            });
        }
        barrier.wait();
        println!("both came: {}", shared.read().expect("nobody panics with it"));
    });
    let caught = thread::spawn(|| panic::resume_unwind(Box::new(7_u8))).join();
    println!("a thread that unwound: {:?}", caught.map_err(|what| what.downcast_ref::<u8>().copied()));
    Ok(())
}

/// Two threads take turns.
fn turns() -> Done {
    let turn = (Mutex::new(0_u32), Condvar::new());
    let play = |own: u32| {
        for _ in 0..200 {
            let mut state =
                turn.1.wait_while(turn.0.lock().expect("sound"), |state| *state % 2 != own).expect("sound");
            *state += 1;
            drop(state);
            turn.1.notify_all();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0);
    });
    println!("turns: {}", turn.0.lock().map_err(|_| "poisoned")?);
    let (_guard, late) = turn
        .1
        .wait_timeout_while(turn.0.lock().map_err(|_| "poisoned")?, Duration::from_millis(5), |_| true)
        .map_err(|_| "poisoned")?;
    println!("nobody came: {}", late.timed_out());
    Ok(())
}

/// What it was told at its start.
fn told(words: impl Iterator<Item = String>) -> Done {
    println!("words {:?}", words.collect::<Vec<_>>());
    println!("KOS {:?}, NONE {:?}", env::var("KOS").ok(), env::var("NONE").ok());
    Ok(())
}

/// Maps, time, memory, panics, streams.
fn rest() -> Done {
    let mut counts = HashMap::new();
    for letter in "what letters are in here".chars() {
        *counts.entry(letter).or_insert(0) += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    println!("{counts:?}");
    let start = Instant::now();
    thread::sleep(Duration::from_millis(2));
    println!("slept long enough: {}", start.elapsed() >= Duration::from_millis(2));
    println!(
        "after 2020: {}",
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() > 1_577_836_800
    );
    let mut large = vec![1_u8; 3 << 20];
    large.resize(5 << 20, 2);
    println!("large: {}", large.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    drop(large);
    panic::set_hook(Box::new(|_| ()));
    let caught = panic::catch_unwind(|| -> u8 { panic!("caught") });
    println!("caught: {:?}", caught.map_err(|what| what.downcast_ref::<&str>().copied()));
    let mut nothing = String::new();
    println!("read {} bytes", io::stdin().read_to_string(&mut nothing)?);
    println!("a CPU or more: {}", thread::available_parallelism().is_ok());
    println!(
        "numbers differ: {}",
        thread::current().id() != thread::spawn(|| thread::current().id()).join().map_err(|_| "panicked")?
    );
    io::stdout().flush()?;
    Ok(())
}

/// Makes so many threads again and again; some are still at work when it ends.
fn storm(count: u64) -> Done {
    let done = Arc::new(AtomicU64::new(0));
    for _ in 0..count {
        let threads = (0..4).map(|_| {
            let done = Arc::clone(&done);
            thread::spawn(move || {
                let text = vec![7_u8; 100_000];
                done.fetch_add(text.iter().map(|byte| u64::from(*byte)).sum(), Ordering::Relaxed);
            })
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().map_err(|_| "panicked")?;
        }
    }
    for _ in 0..3 {
        thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    println!("did {}", done.load(Ordering::Relaxed));
    Ok(())
}

/// Threads that compute, sleep and wait for ever: only somebody else ends them.
fn spin() -> ! {
    let never = Mutex::new(());
    let _held = never.lock();
    thread::scope(|scope| {
        scope.spawn(|| drop(never.lock()));
        scope.spawn(|| thread::sleep(Duration::from_secs(1000)));
        loop {
            std::hint::spin_loop();
        }
    })
}

/// Recursion without an end.
fn deep(depth: u64) -> u8 {
    let ballast = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { deep(depth + 1).wrapping_add(ballast[5].to_le_bytes()[0]) }
}

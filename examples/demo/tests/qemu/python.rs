//! Python on the emulated machine.

use std::fs;

use kos_demo::interrupt::Interrupt;
use kos_demo::report::Report;
use kos_demo::{build, python};

use crate::support::{demo_with, folder};

#[test]
#[ignore = "builds a second image, with Python: minutes"]
fn python_runs_from_files_within_its_quotas() {
    let (report, interrupt) = (&mut Report::new(true), &Interrupt::default());
    let module = match python::fetch(report, interrupt) {
        Ok(module) => module,
        Err(why) => {
            eprintln!("SKIP: {why}");
            return;
        }
    };
    let kept = folder("evidence").join("demo/python/package");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("micropython.wasm"), module).unwrap();
    let image = build::image(None, true, report, interrupt).unwrap_or_else(|error| panic!("{error}"));
    let commands = "py -c 'print(6*7)'; mkdir /w; cd /w; echo 'x = 5' > m.py; py -c 'import m; print(m.x)'; \
         free; py -c 'print(1.5**2)'; free";
    // The smallest that does.
    let answer = demo_with(&image, &["py", "--mem", "72M", "--exec", commands]).expect(0);
    let lines: Vec<_> = answer.stdout.lines().collect();
    assert!(lines.starts_with(&["42", "5"]) && lines.contains(&"2.25"), "{}", answer.stdout);
    for (memory, why) in [("16M", "py: Python takes 24.1 MiB of memory, and "), ("64M", "in one piece")] {
        let answer = demo_with(&image, &["py", "--mem", memory, "--exec", "py -c 1; echo on"]).expect(1);
        assert!(answer.stdout.contains(why) && answer.stdout.ends_with("\non\n"), "{}", answer.stdout);
    }
    let commands = "PYTHONFUEL=1000000000 py -c 'while True: pass'";
    let answer = demo_with(&image, &["run", "--python", "--exec", commands]).expect(1);
    assert_eq!(answer.stdout, "py: its fuel of 1,000,000,000 is used up\n");
    // Here, unlike in a process of the host, the interpreter's memory is the kernel's.
    let commands = "py -c 1; py -c 1; gc; free; PYTHONFUEL=100000000 py -c 'while True: pass' || py -c '1/0' || \
         py -c 'bytearray(1<<28)' || py -c 'import nowhere' || py -c 'print(7)'; gc; free";
    let answer = demo_with(&image, &["py", "--exec", commands]).expect(0);
    let free: Vec<_> = answer.stdout.lines().filter(|line| line.starts_with("memory ")).collect();
    assert!(answer.stdout.contains("MemoryError") && answer.stdout.contains("\n7\n"), "{}", answer.stdout);
    assert!(matches!(free.as_slice(), [before, after] if before == after), "{}", answer.stdout);
}

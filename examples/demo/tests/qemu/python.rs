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
    let answer = demo_with(&image, &["py", "--mem", "64M", "--exec", commands]).expect(0);
    let lines: Vec<_> = answer.stdout.lines().collect();
    assert!(lines.starts_with(&["42", "5"]) && lines.contains(&"2.25"), "{}", answer.stdout);
    let commands = "PYTHONFUEL=1000000000 py -c 'while True: pass'";
    let answer = demo_with(&image, &["run", "--python", "--exec", commands]).expect(1);
    assert_eq!(answer.stdout, "py: its fuel of 1,000,000,000 is used up\n");
}

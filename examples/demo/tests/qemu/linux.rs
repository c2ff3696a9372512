//! A static program of std in ring 3, held against the Linux of this host: the same file, the same words, the same bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{demo, folder, image};

/// What both run. `/tmp` is there in both.
const RUNS: [&str; 7] = ["", "words a b", "files /tmp", "threads", "rest", "hostile", "what"];

/// The program, as the image has it: the ELF file in it that says hello.
fn program() -> Option<PathBuf> {
    let image = fs::read(image()).expect("the image can be read");
    let hello = b"hello from std";
    let starts = (1..image.len() - 64).filter(|&at| image[at..].starts_with(b"\x7fELF\x02\x01\x01"));
    let mut files = starts.filter_map(|at| {
        let word = |offset: usize| u64::from_le_bytes(*image[at + offset..].first_chunk().unwrap());
        let half = |offset: usize| u16::from_le_bytes(*image[at + offset..].first_chunk().unwrap());
        let length = word(40).checked_add(u64::from(half(58)) * u64::from(half(60)))?;
        image.get(at..at.checked_add(usize::try_from(length).ok()?)?)
    });
    let file = files.rfind(|file| file.windows(hello.len()).any(|text| text == hello))?;
    let path = folder("linux").join("stdhello");
    fs::write(&path, file).expect("the program can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be run");
    Some(path)
}

/// What it says on this host, and its status.
fn on_linux(program: &Path, words: &str) -> (String, i32) {
    let mut command = Command::new(program);
    command
        .args(words.split_whitespace())
        .env_clear()
        .env("KOS", "here")
        .current_dir("/")
        .stdin(Stdio::null());
    let output = command.output().expect("it runs");
    (String::from_utf8(output.stdout).expect("UTF-8"), output.status.code().expect("it ends by itself"))
}

#[test]
fn a_static_program_of_std_says_what_it_says_under_linux() {
    let Some(program) = program() else {
        eprintln!("SKIP: the image has no program of Linux (no libc.a where it was built)");
        return;
    };
    let there: Vec<_> = RUNS.iter().map(|words| on_linux(&program, words)).collect();
    assert!(there.iter().take(6).all(|(_, status)| *status == 0), "{there:?}");
    assert_eq!(there[6].1, 2);
    for cpus in ["1", "4"] {
        // The last one fails: that ends the line, and says so.
        let commands = RUNS.map(|words| format!("run stdhello {words}")).join("; ");
        let here = demo(&["run", "--cpus", cpus, "--exec", &format!("export KOS=here; {commands}")])
            .expect(1)
            .stdout;
        let mut rest = here.as_str();
        for ((said, _), words) in there.iter().zip(RUNS) {
            let same = rest.chars().zip(said.chars()).take_while(|(one, other)| one == other).count();
            let shown = |text: &str| text.chars().skip(same.saturating_sub(60)).take(160).collect::<String>();
            assert!(rest.starts_with(said), "{words}: here\n…{}\nunder Linux\n…{}", shown(rest), shown(said));
            rest = &rest[said.len()..];
        }
        assert!(rest.starts_with("process ") && rest.ends_with(": status 2\n"), "{rest}");
    }
}

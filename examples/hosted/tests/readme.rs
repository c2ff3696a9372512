//! The commands of the README that need no QEMU do what it says.
#![expect(clippy::unwrap_used, reason = "a test fails by panic")]

use std::process::Command;

use kos_demo::readme;

/// Whether a line is run from here: it needs the program of this package only, and not long. A disk is used by both commands.
fn is_ours(line: &str) -> bool {
    let starts = ["cargo demo run --disk ", "cargo hosted shell --disk ", "cargo hosted sim --seed "];
    starts.iter().any(|start| line.starts_with(start))
}

#[test]
fn commands_of_the_readme_succeed() {
    let disk = std::env::temp_dir().join(format!("kos-readme-{}", std::process::id()));
    let made = hosted(&["mkfs", disk.to_str().unwrap(), "--size", "8M"]);
    assert!(made.status.success(), "{made:?}");
    let lines: Vec<_> = readme::commands().unwrap().into_iter().filter(|line| is_ours(line)).collect();
    assert!(lines.len() >= 4, "{lines:?}");
    for line in lines {
        let words = readme::words(&line).unwrap_or_else(|| panic!("{line}")).split_off(2);
        let words: Vec<_> =
            words.iter().map(|word| word.replace("/tmp/d.img", disk.to_str().unwrap())).collect();
        let mut words: Vec<_> = words.iter().map(String::as_str).collect();
        if let Some(first) = words.first_mut().filter(|word| **word == "run") {
            *first = "shell";
        }
        let output = hosted(&words);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    std::fs::remove_file(disk).unwrap();
}

fn hosted(words: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_kos-hosted")).args(words).output().unwrap()
}

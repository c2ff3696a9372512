//! The commands of the README do what it says: each line of `cargo demo run` succeeds, and pictures show something.

use std::fs;

use kos_demo::build;

use crate::support::{demo, folder};

/// The words of a line as a shell cuts them, without a comment; quotes of both kinds, nothing else.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "{line}");
    words.extend(word);
    words
}

/// The lines of `cargo demo run`, but for those that say themselves that they take long.
fn commands() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(build::workspace().join("README.md")).unwrap();
    let block = |line: &str| line.starts_with("cargo demo run ") && !line.contains("--timeout");
    readme.lines().filter(|line| block(line)).map(|line| words(line).split_off(2)).collect()
}

#[test]
fn words_are_those_of_a_shell() {
    let line = r#"cargo demo run --exec 'a "$A" | b'  "c;  d#"x   # "e"#;
    assert_eq!(words(line), ["cargo", "demo", "run", "--exec", "a \"$A\" | b", "c;  d#x"]);
}

#[test]
fn each_command_of_the_readme_succeeds() {
    let disk = folder("readme").join("d.img");
    let _ = fs::remove_file(&disk);
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for mut words in commands {
        for word in &mut words {
            *word = word.replace("/tmp/d.img", disk.to_str().unwrap());
        }
        words.extend(["--timeout".into(), "600".into()]);
        demo(&words.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    }
}

#[test]
fn pictures_show_text() {
    let folder = folder("shots");
    let answer = demo(&["shot", "--out", folder.to_str().unwrap(), "--timeout", "300"]).expect(0);
    for name in ["boot", "memory", "threads", "shell"] {
        let png = fs::read(folder.join(name).with_extension("png")).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
        assert!(answer.stdout.contains(&format!("{name}.png: ")), "{}", answer.stdout);
    }
}

//! The commands of the README, for the tests that run them.

use std::io;

use crate::build;

/// How commands begin.
const COMMANDS: [&str; 5] = ["cargo ", "examples/", "mkdir ", "git ", "umount "];

/// The lines of the README that are commands, in their order.
///
/// # Errors
/// The README cannot be read.
pub fn commands() -> io::Result<Vec<String>> {
    let readme = std::fs::read_to_string(build::workspace().join("README.md"))?;
    let blocks = readme.split("```").skip(1).step_by(2).flat_map(str::lines);
    let is_command = |line: &&str| COMMANDS.iter().any(|command| line.starts_with(command));
    Ok(blocks.filter(is_command).map(str::to_owned).collect())
}

/// The words of a line as a shell cuts them, without a comment; quotes of both kinds, nothing else. [`None`]: a quote stays open.
#[must_use]
pub fn words(line: &str) -> Option<Vec<String>> {
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
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_those_of_a_shell() {
        let line = r#"cargo demo run --exec 'a "$A" | b'  "c;  d#"x   # "e"#;
        assert_eq!(words(line).unwrap(), ["cargo", "demo", "run", "--exec", "a \"$A\" | b", "c;  d#x"]);
        assert_eq!(words("echo 'a"), None);
    }
}

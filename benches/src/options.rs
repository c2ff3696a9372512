//! The command line.

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: kos-bench [--quick | --gate] [--markdown] [--only TEXT] [--subject TEXT] [--rounds N] [--no-instructions]

  --quick            run each body once and print no figures
  --gate             count the instructions that have a limit; fails above it
  --markdown         print the tables as Markdown
  --only TEXT        ask only the questions whose name contains TEXT
  --subject TEXT     only ours and the subjects whose name contains TEXT
  --rounds N         interleaved rounds (default 41)
  --no-instructions  do not count instructions under valgrind";

/// Makes the program run the bodies of one question under callgrind; not for users.
pub(crate) const COUNT: &str = "--count";

/// Chooses subjects; passed on to the program under callgrind.
pub(crate) const SUBJECT: &str = "--subject";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) help: bool,
    pub(crate) quick: bool,
    pub(crate) gate: bool,
    pub(crate) markdown: bool,
    pub(crate) instructions: bool,
    pub(crate) rounds: usize,
    pub(crate) only: String,
    pub(crate) subject: String,
    pub(crate) count: Option<String>,
}

/// Reads the arguments behind the program's name; an error is a sentence for the user.
pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        help: false,
        quick: false,
        gate: false,
        markdown: false,
        instructions: true,
        rounds: 41,
        only: String::new(),
        subject: String::new(),
        count: None,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" => options.help = true,
            "--quick" => options.quick = true,
            "--gate" => options.gate = true,
            "--markdown" => options.markdown = true,
            "--no-instructions" => options.instructions = false,
            "--only" => options.only = value()?,
            SUBJECT => options.subject = value()?,
            "--rounds" => options.rounds = rounds(&value()?)?,
            COUNT => options.count = Some(value()?),
            _ => return Err(format!("unknown argument {argument}")),
        }
    }
    Ok(options)
}

fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds) if rounds > 0 => Ok(rounds),
        _ => Err(format!("{text} is not a number of rounds")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, parse};

    fn of(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read() {
        let options = of("--markdown --rounds 7 --only heap --no-instructions").unwrap();
        assert!(options.markdown && !options.instructions && !options.quick);
        assert_eq!((options.rounds, options.only.as_str()), (7, "heap"));
    }

    #[test]
    fn wrong_arguments_are_named() {
        assert_eq!(of("--fast"), Err("unknown argument --fast".to_owned()));
        assert_eq!(of("--rounds 0"), Err("0 is not a number of rounds".to_owned()));
        assert_eq!(of("--only"), Err("--only needs a value".to_owned()));
    }
}

//! The kernel command line: `key=value` words, and `login`, validated once; what is wrong is a named [`Warning`], never a failure.
//!
//! | key | values |
//! |---|---|
//! | `mode` | `shell` (default), `run`, `test` |
//! | `filter` | in mode `test`: only tests whose name holds it |
//! | `sabotage` | in mode `test`: `fail`, `panic`, `hang`, `triple`, to prove that the runner can fail; `panic-cpu`, `overflow`, `race`; in any mode `silent-cpu` |
//! | `login` | alone, in mode `shell`: nobody gets the shell who does not log in |
//! | `audit` | `open` (default), `closed`: what cannot be recorded does not happen |
//! | `user` | in mode `run`: as whom the commands run, `NAME`, `UID` or `UID:GID`; user 0, if it is not there |
//! | `exec` | in mode `run`: the commands, separated by `;`; takes the rest of the line, so it comes last |

use core::fmt;

/// What the kernel does once it is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// An interactive shell on the log console.
    #[default]
    Shell,
    /// Runs the commands of `exec`; output and statuses go to the record channel.
    Run,
    /// Runs the in-kernel tests; KTAP goes to the log console.
    Test,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Shell => "shell",
            Self::Run => "run",
            Self::Test => "test",
        })
    }
}

/// The word that asks for names and passwords.
const LOGIN: &str = "login";

/// A deliberate fault in mode `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A test that fails.
    Fail,
    /// A test that panics.
    Panic,
    /// A test that never ends.
    Hang,
    /// A triple fault.
    Triple,
    /// A test that panics on the last CPU while the others work.
    PanicCpu,
    /// A thread overruns its stack.
    Overflow,
    /// The last CPU gets no start signal: the kernel must name it and do without.
    SilentCpu,
    /// CPUs that add to a number without holding it: some additions are lost, in some orders of events.
    Race,
}

/// The parsed command line; it borrows the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandLine<'a> {
    /// What to do once booted.
    pub mode: Mode,
    /// Part of the names of the tests to run; empty for all.
    pub filter: &'a str,
    /// The fault to commit, if any.
    pub sabotage: Option<Sabotage>,
    /// Whether nobody gets the shell who does not log in.
    pub login: bool,
    /// Whether what cannot be recorded does not happen.
    pub audit_closed: bool,
    /// As whom they run; empty for user 0.
    pub user: &'a str,
    /// The commands to run.
    pub exec: &'a str,
}

/// One thing that is wrong with a command line, and was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning<'a> {
    /// The line is not UTF-8 from this byte on.
    NotText {
        /// Bytes before the first bad one.
        at: usize,
    },
    /// A word whose key means nothing, or that has no `=`.
    UnknownKey(&'a str),
    /// A key with a value that it does not take.
    BadValue {
        /// The key.
        key: &'a str,
        /// The value.
        value: &'a str,
    },
    /// A key that has no meaning in this mode.
    WrongMode {
        /// The key.
        key: &'static str,
        /// The word that gives it a meaning.
        needs: &'static str,
    },
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText { at } => {
                write!(f, "command line is not UTF-8 from byte {at} on: the rest is ignored")
            }
            Self::UnknownKey(word) => {
                write!(
                    f,
                    "unknown word '{word}' ignored (known: mode= login filter= sabotage= audit= user= exec=)"
                )
            }
            Self::BadValue { key, value } => write!(f, "{key}={value} ignored: {}", expected(key)),
            Self::WrongMode { key, needs } => write!(f, "{key} ignored: it needs {needs}"),
        }
    }
}

fn expected(key: &str) -> &'static str {
    match key {
        "mode" => "mode is shell, run or test",
        "audit" => "audit is open or closed",
        _ => "sabotage is fail, panic, hang, triple, panic-cpu, silent-cpu, overflow or race",
    }
}

impl<'a> CommandLine<'a> {
    /// Reads `line`; each thing that is wrong goes to `warn` and is ignored.
    pub fn parse(line: &'a [u8], mut warn: impl FnMut(Warning<'a>)) -> Self {
        let mut parsed = Self::default();
        let mut rest = text_of(line, &mut warn).trim_start();
        while !rest.is_empty() {
            if let Some(commands) = rest.strip_prefix("exec=") {
                parsed.exec = commands;
                break;
            }
            let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            if let Err(warning) = parsed.set(word) {
                warn(warning);
            }
            rest = behind.trim_start();
        }
        parsed.drop_what_the_mode_ignores(&mut warn);
        parsed
    }

    fn set(&mut self, word: &'a str) -> Result<(), Warning<'a>> {
        if word == LOGIN {
            self.login = true;
            return Ok(());
        }
        let (key, value) = word.split_once('=').ok_or(Warning::UnknownKey(word))?;
        let bad = Warning::BadValue { key, value };
        match key {
            "mode" => self.mode = Mode::parse(value).ok_or(bad)?,
            "filter" => self.filter = value,
            "user" => self.user = value,
            "audit" => {
                self.audit_closed =
                    ["open", "closed"].iter().position(|word| *word == value).ok_or(bad)? == 1;
            }
            "sabotage" => self.sabotage = Some(Sabotage::parse(value).ok_or(bad)?),
            _ => return Err(Warning::UnknownKey(word)),
        }
        Ok(())
    }

    fn drop_what_the_mode_ignores(&mut self, warn: &mut impl FnMut(Warning<'a>)) {
        let works_anywhere = self.sabotage == Some(Sabotage::SilentCpu);
        if self.mode != Mode::Test && !works_anywhere && self.sabotage.take().is_some() {
            warn(Warning::WrongMode { key: "sabotage", needs: "mode=test" });
        }
        if self.mode != Mode::Shell && core::mem::take(&mut self.login) {
            warn(Warning::WrongMode { key: LOGIN, needs: "mode=shell" });
        }
        if self.mode != Mode::Run && !core::mem::take(&mut self.user).is_empty() {
            warn(Warning::WrongMode { key: "user", needs: "mode=run" });
        }
        if self.mode != Mode::Run && !core::mem::take(&mut self.exec).is_empty() {
            warn(Warning::WrongMode { key: "exec", needs: "mode=run" });
        }
    }
}

/// The text up to the first byte that is none.
fn text_of<'a>(line: &'a [u8], warn: &mut impl FnMut(Warning<'a>)) -> &'a str {
    let chunk = line.utf8_chunks().next();
    let Some(chunk) = chunk else { return "" };
    if !chunk.invalid().is_empty() {
        warn(Warning::NotText { at: chunk.valid().len() });
    }
    chunk.valid()
}

impl Mode {
    fn parse(value: &str) -> Option<Self> {
        match value {
            "shell" => Some(Self::Shell),
            "run" => Some(Self::Run),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl Sabotage {
    fn parse(value: &str) -> Option<Self> {
        match value {
            "fail" => Some(Self::Fail),
            "panic" => Some(Self::Panic),
            "hang" => Some(Self::Hang),
            "triple" => Some(Self::Triple),
            "panic-cpu" => Some(Self::PanicCpu),
            "overflow" => Some(Self::Overflow),
            "silent-cpu" => Some(Self::SilentCpu),
            "race" => Some(Self::Race),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn parse(line: &[u8]) -> (CommandLine<'_>, Vec<Warning<'_>>) {
        let mut warnings = Vec::new();
        let parsed = CommandLine::parse(line, |w| warnings.push(w));
        (parsed, warnings)
    }

    #[test]
    fn empty_line_means_shell() {
        assert_eq!(parse(b"  "), (CommandLine::default(), Vec::new()));
    }

    #[test]
    fn exec_takes_the_rest_of_the_line() {
        let (parsed, warnings) = parse(b"mode=run exec=free; alloc 12 mode=test");
        assert_eq!((parsed.mode, parsed.exec), (Mode::Run, "free; alloc 12 mode=test"));
        assert!(warnings.is_empty());
    }

    #[test]
    fn wrong_words_are_named_and_ignored() {
        let (parsed, warnings) = parse(b"mode=fly quiet filter=heap");
        assert_eq!((parsed.mode, parsed.filter), (Mode::Shell, "heap"));
        assert_eq!(warnings, [Warning::BadValue { key: "mode", value: "fly" }, Warning::UnknownKey("quiet")]);
    }

    #[test]
    fn sabotage_needs_test_mode() {
        let (parsed, warnings) = parse(b"sabotage=panic");
        assert_eq!(parsed.sabotage, None);
        assert_eq!(warnings, [Warning::WrongMode { key: "sabotage", needs: "mode=test" }]);
        assert_eq!(
            parse(b"sabotage=silent-cpu mode=run"),
            (
                CommandLine {
                    mode: Mode::Run,
                    sabotage: Some(Sabotage::SilentCpu),
                    ..CommandLine::default()
                },
                Vec::new()
            )
        );
        assert_eq!(parse(b"sabotage=hang mode=test").0.sabotage, Some(Sabotage::Hang));
    }

    #[test]
    fn exec_outside_run_mode_is_named() {
        assert_eq!(parse(b"exec=free").1, [Warning::WrongMode { key: "exec", needs: "mode=run" }]);
    }

    #[test]
    fn user_is_of_mode_run() {
        assert_eq!(parse(b"mode=run user=alice exec=id user=bob").0.user, "alice");
        let (parsed, warnings) = parse(b"user=alice");
        assert_eq!(warnings, [Warning::WrongMode { key: "user", needs: "mode=run" }]);
        assert_eq!(parsed.user, "");
    }

    #[test]
    fn login_and_audit_are_options() {
        let (parsed, warnings) = parse(b"login audit=closed");
        assert!(parsed.login && parsed.audit_closed && warnings.is_empty());
        assert!(!parse(b"audit=open").0.audit_closed);
        assert_eq!(parse(b"audit=half").1, [Warning::BadValue { key: "audit", value: "half" }]);
        let (parsed, warnings) = parse(b"login mode=test");
        assert_eq!(warnings, [Warning::WrongMode { key: "login", needs: "mode=shell" }]);
        assert!(!parsed.login);
    }

    #[test]
    fn binary_tail_is_named_and_cut() {
        let (parsed, warnings) = parse(b"mode=test \xff\xfe");
        assert_eq!(parsed.mode, Mode::Test);
        assert_eq!(warnings, [Warning::NotText { at: 10 }]);
    }
}

//! Judges the in-kernel tests from the KTAP that the kernel writes to its log.
//!
//! Lines before `KTAP version 1` are boot log. After it a complete plan must follow: `1..N`, then `ok` or `not ok` with the
//! numbers 1 to N in order. Other lines are log and comments. Passed means that nothing is missing; [`judge`] names what is.
//!
//! Source: Linux, `Documentation/dev-tools/ktap.rst`.

use core::error::Error;
use core::fmt;

/// First line of a report.
pub const HEADER: &str = "KTAP version 1";

/// How the tests went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tests that passed.
    pub passed: u32,
    /// Names of the tests that did not apply, with the reason the kernel gave.
    pub skipped: Vec<String>,
    /// Names of the tests that failed.
    pub failed: Vec<String>,
}

/// Why the output is no complete test report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KtapError {
    /// `KTAP version 1` never came.
    NoReport,
    /// A second `KTAP version 1`: the kernel began again.
    SecondReport,
    /// A result before the plan, or no plan at all.
    NoPlan,
    /// A second plan.
    SecondPlan,
    /// A plan or a result line that cannot be read.
    Malformed(String),
    /// The plan is empty: a filter that matches no test proves nothing.
    NothingPlanned,
    /// A result out of order.
    WrongNumber {
        /// The number that was due.
        expected: u32,
        /// The line that came.
        line: String,
    },
    /// `Bail out!`
    BailedOut(String),
    /// The report ended early.
    Incomplete {
        /// Tests planned.
        planned: u32,
        /// Results that came.
        came: u32,
        /// The last `# running` comment, if any.
        running: Option<String>,
    },
}

impl fmt::Display for KtapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReport => f.write_str("no test report came"),
            Self::SecondReport => f.write_str("a second test report began: the kernel started again"),
            Self::NoPlan => f.write_str("the test report has no plan"),
            Self::SecondPlan => f.write_str("the test report has two plans"),
            Self::Malformed(line) => write!(f, "unreadable line in the test report: {line}"),
            Self::NothingPlanned => f.write_str("no test has a name that matches"),
            Self::WrongNumber { expected, line } => write!(f, "result {expected} was due, but came: {line}"),
            Self::BailedOut(line) => write!(f, "the kernel gave up: {line}"),
            Self::Incomplete { planned, came, running } => {
                write!(f, "{came} of {planned} results came")?;
                running.as_ref().map_or(Ok(()), |name| write!(f, "; the last test begun was {name}"))
            }
        }
    }
}

impl Error for KtapError {}

#[derive(Default)]
struct Judge {
    begun: bool,
    planned: Option<u32>,
    came: u32,
    running: Option<String>,
    summary: Summary,
}

/// Reads a whole log.
///
/// # Errors
/// The first thing that keeps it from being a complete report.
pub fn judge(log: &str) -> Result<Summary, KtapError> {
    let mut judge = Judge::default();
    log.lines().map(str::trim_end).try_for_each(|line| judge.line(line))?;
    judge.finish()
}

impl Judge {
    fn line(&mut self, line: &str) -> Result<(), KtapError> {
        if line == HEADER {
            return if core::mem::replace(&mut self.begun, true) {
                Err(KtapError::SecondReport)
            } else {
                Ok(())
            };
        }
        if !self.begun {
            return Ok(());
        }
        if let Some(count) = line.strip_prefix("1..") {
            self.plan(count, line)
        } else if let Some(result) = line.strip_prefix("not ok ") {
            self.result(result, false, line)
        } else if let Some(result) = line.strip_prefix("ok ") {
            self.result(result, true, line)
        } else if line.starts_with("Bail out!") {
            Err(KtapError::BailedOut(line.into()))
        } else {
            if let Some(name) = line.strip_prefix("# running ") {
                self.running = Some(name.into());
            }
            Ok(())
        }
    }

    fn plan(&mut self, count: &str, line: &str) -> Result<(), KtapError> {
        let count = count.parse().map_err(|_| KtapError::Malformed(line.into()))?;
        if self.planned.replace(count).is_some() {
            return Err(KtapError::SecondPlan);
        }
        if count == 0 { Err(KtapError::NothingPlanned) } else { Ok(()) }
    }

    fn result(&mut self, result: &str, good: bool, line: &str) -> Result<(), KtapError> {
        let planned = self.planned.ok_or(KtapError::NoPlan)?;
        let (number, name) = result.split_once(' ').unwrap_or((result, ""));
        let number: u32 = number.parse().map_err(|_| KtapError::Malformed(line.into()))?;
        let expected = self.came + 1;
        if number != expected || number > planned {
            return Err(KtapError::WrongNumber { expected, line: line.into() });
        }
        self.came = number;
        let (name, comment) = name.split_once(" # ").unwrap_or((name, ""));
        match good {
            true if comment.starts_with("SKIP") => self.summary.skipped.push(format!("{name}: {comment}")),
            true => self.summary.passed += 1,
            false => self.summary.failed.push(name.into()),
        }
        Ok(())
    }

    fn finish(self) -> Result<Summary, KtapError> {
        if !self.begun {
            return Err(KtapError::NoReport);
        }
        let planned = self.planned.ok_or(KtapError::NoPlan)?;
        if self.came < planned {
            return Err(KtapError::Incomplete { planned, came: self.came, running: self.running });
        }
        Ok(self.summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[0.1] shell ok\r\nKTAP version 1\r\n1..3\r\n# running a::b\r\nok 1 a::b # 12 us\r\n\
        [0.2] a log line\r\nok 2 c # SKIP no SMEP\r\nok 3 d\r\n# 3 passed, 0 failed\r\n";

    #[test]
    fn complete_report_passes() {
        let summary = Summary { passed: 2, skipped: vec!["c: SKIP no SMEP".into()], failed: Vec::new() };
        assert_eq!(judge(GOOD), Ok(summary));
    }

    #[test]
    fn failure_is_named() {
        let log = GOOD.replace("ok 3 d", "# d: left 1, right 2\r\nnot ok 3 d # 9 us");
        assert_eq!(judge(&log).map(|s| (s.passed, s.failed)), Ok((1, vec!["d".into()])));
    }

    #[test]
    fn each_way_of_being_incomplete_is_named() {
        let cases = [
            (GOOD.replace("KTAP version 1", ""), KtapError::NoReport),
            (GOOD.replace("1..3", ""), KtapError::NoPlan),
            (GOOD.replace("1..3", "1..0"), KtapError::NothingPlanned),
            (GOOD.replace("1..3", "1..x"), KtapError::Malformed("1..x".into())),
            (GOOD.replace("1..3", "1..3\n1..3"), KtapError::SecondPlan),
            (GOOD.repeat(2), KtapError::SecondReport),
            (
                GOOD.replace("ok 3 d", "Bail out! no memory"),
                KtapError::BailedOut("Bail out! no memory".into()),
            ),
            (
                GOOD.replace("ok 3 d", ""),
                KtapError::Incomplete { planned: 3, came: 2, running: Some("a::b".into()) },
            ),
            (
                GOOD.replace("ok 2 c", "ok 3 c"),
                KtapError::WrongNumber { expected: 2, line: "ok 3 c # SKIP no SMEP".into() },
            ),
            (GOOD.replace("1..3", "1..2"), KtapError::WrongNumber { expected: 3, line: "ok 3 d".into() }),
            (String::new(), KtapError::NoReport),
        ];
        for (log, error) in cases {
            assert_eq!(judge(&log), Err(error), "{log}");
        }
    }
}

//! Instruction counts of the kernel's paths, held against what they were: [`Budgets`] is the file, [`Counts`] what a run says.
//!
//! The file is TOML of the simplest kind: sections of `"name" = number`. Section `limits` says what a path may never take; each
//! other section belongs to one build, target and compiler, because another compiler makes other code. A build without a
//! section is held against the limits only.

use alloc::collections::BTreeMap;
use core::error::Error;
use core::fmt::{self, Write as _};

/// The section of hard limits.
const LIMITS: &str = "limits";
/// Parts of a budget, in thousandths, that a path may take beyond it.
const TOLERANCE: u64 = 10;
/// What a run of the command `bench` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Target and compiler of the kernel.
    pub build: String,
    /// Instructions by path, in the kernel's order.
    pub paths: Vec<(String, u64)>,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budgets {
    /// The comment at its top.
    preamble: String,
    sections: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetError {
    /// A line of the file means nothing.
    Line(String),
    /// The kernel does not say of which build it is.
    NoBuild,
    /// The kernel counted nothing.
    NoPaths,
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "'{line}' is no section and no \"name\" = number"),
            Self::NoBuild => f.write_str("the kernel does not say of which build it is"),
            Self::NoPaths => f.write_str("the kernel counted nothing"),
        }
    }
}

impl Error for BudgetError {}

/// How a path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Within its budget, as far as there is one.
    Within,
    /// So much shorter that the budget should follow.
    Gain,
    /// Over its budget.
    Over,
    /// Over its limit.
    OverLimit,
    /// The build has budgets, this path has none.
    Unknown,
    /// It has a budget and was not measured.
    Absent,
}

impl Standing {
    /// Whether it fails the run.
    #[must_use]
    pub fn is_red(self) -> bool {
        !matches!(self, Self::Within | Self::Gain)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Within => "",
            Self::Gain => "  a gain: --update keeps it",
            Self::Over => "  OVER ITS BUDGET",
            Self::OverLimit => "  OVER ITS LIMIT",
            Self::Unknown => "  WITHOUT A BUDGET: --update makes one",
            Self::Absent => "  NOT MEASURED",
        }
    }
}

/// One path in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The path.
    pub path: String,
    count: Option<u64>,
    budget: Option<u64>,
    limit: Option<u64>,
    /// How it stands.
    pub standing: Standing,
}

impl Row {
    /// The heads of its columns.
    pub const HEAD: &'static str = "instructions    budget  change     limit  path";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
        let change = self.count.zip(self.budget.filter(|&budget| budget > 0)).map(|(count, budget)| {
            let tenths = (i128::from(count) - i128::from(budget)) * 1000 / i128::from(budget);
            let sign = if tenths < 0 { '-' } else { '+' };
            format!("{sign}{}.{}%", tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10)
        });
        let (count, budget, limit) = (number(self.count), number(self.budget), number(self.limit));
        let (change, words) = (change.unwrap_or_default(), self.standing.words());
        write!(f, "{count:>12}{budget:>10}{change:>8}{limit:>10}  {}{words}", self.path)
    }
}

impl Counts {
    /// Reads what the command `bench` printed: `build NAME`, then a line for each path with its count in front.
    ///
    /// # Errors
    /// Build or paths are missing.
    pub fn parse(text: &str) -> Result<Self, BudgetError> {
        let build = text.lines().find_map(|line| line.strip_prefix("build ")).ok_or(BudgetError::NoBuild)?;
        let row = |line: &str| {
            let (count, path) = line.trim_start().split_once("  ")?;
            Some((path.trim().to_owned(), count.parse().ok()?))
        };
        let paths: Vec<_> = text.lines().filter_map(row).collect();
        if paths.is_empty() {
            return Err(BudgetError::NoPaths);
        }
        Ok(Self { build: build.trim().to_owned(), paths })
    }
}

impl Budgets {
    /// Reads the file.
    ///
    /// # Errors
    /// The first line that means nothing.
    pub fn parse(text: &str) -> Result<Self, BudgetError> {
        let mut budgets = Self::default();
        let mut section = None;
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                if section.is_none() {
                    budgets.preamble += &format!("{line}\n");
                }
            } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = Some(budgets.sections.entry(name.trim_matches('"').to_owned()).or_default());
            } else {
                let (name, number) = entry(line).ok_or_else(|| BudgetError::Line(line.to_owned()))?;
                let section = section.as_mut().ok_or_else(|| BudgetError::Line(line.to_owned()))?;
                section.insert(name, number);
            }
        }
        Ok(budgets)
    }

    /// Makes the counts the budgets of their build.
    pub fn update(&mut self, counts: &Counts) {
        self.sections.insert(counts.build.clone(), counts.paths.iter().cloned().collect());
    }

    /// Whether there are budgets for this build.
    #[must_use]
    pub fn knows(&self, build: &str) -> bool {
        self.sections.contains_key(build)
    }

    /// How each path stands, and those that were not measured.
    #[must_use]
    pub fn judge(&self, counts: &Counts) -> Vec<Row> {
        let known = self.sections.get(&counts.build);
        let limits = self.sections.get(LIMITS);
        let row = |path: &String, count: Option<u64>| {
            let find = |section: Option<&BTreeMap<String, u64>>| section?.get(path).copied();
            let (budget, limit) = (find(known), find(limits));
            let standing = standing(count, budget, limit, known.is_some());
            Row { path: path.clone(), count, budget, limit, standing }
        };
        let measured = counts.paths.iter().map(|(path, count)| row(path, Some(*count)));
        let is_missing = |path: &&String| counts.paths.iter().all(|(measured, _)| measured != *path);
        let missing =
            known.into_iter().flat_map(BTreeMap::keys).filter(is_missing).map(|path| row(path, None));
        measured.chain(missing).collect()
    }
}

fn standing(count: Option<u64>, budget: Option<u64>, limit: Option<u64>, known: bool) -> Standing {
    let Some(count) = count else { return Standing::Absent };
    let slack = |budget: u64| budget.saturating_mul(TOLERANCE) / 1000;
    match (budget, limit) {
        (_, Some(limit)) if count > limit => Standing::OverLimit,
        (None, _) if known => Standing::Unknown,
        (Some(budget), _) if count > budget.saturating_add(slack(budget)) => Standing::Over,
        (Some(budget), _) if count < budget - slack(budget) => Standing::Gain,
        _ => Standing::Within,
    }
}

fn entry(line: &str) -> Option<(String, u64)> {
    let (name, number) = line.split_once('=')?;
    let name = name.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some((name.to_owned(), number.trim().parse().ok()?))
}

impl fmt::Display for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.preamble.trim_end())?;
        for (name, section) in &self.sections {
            write!(f, "\n\n[\"{name}\"]")?;
            section.iter().try_for_each(|(path, count)| write!(f, "\n\"{path}\" = {count}"))?;
        }
        f.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "# Counts.\n\n[\"limits\"]\n\"park\" = 1000\n\n[\"none rustc 1\"]\n\"alloc\" = 200\n\"park\" = 900\n";

    fn counts(paths: &[(&str, u64)]) -> Counts {
        let paths = paths.iter().map(|&(path, count)| (path.to_owned(), count)).collect();
        Counts { build: "none rustc 1".into(), paths }
    }

    fn standings(paths: &[(&str, u64)]) -> Vec<Standing> {
        Budgets::parse(FILE).unwrap().judge(&counts(paths)).iter().map(|row| row.standing).collect()
    }

    #[test]
    fn file_is_written_as_it_was_read() {
        assert_eq!(Budgets::parse(FILE).unwrap().to_string(), FILE);
        for bad in ["\"a\" = 1", "[\"a\"]\na = 1", "[\"a\"]\n\"a\" = x", "[\"a\"]\n\"a\""] {
            assert!(matches!(Budgets::parse(bad), Err(BudgetError::Line(_))), "{bad}");
        }
    }

    #[test]
    fn one_per_cent_more_is_red_and_less_is_a_gain() {
        assert_eq!(standings(&[("alloc", 202), ("park", 909)]), [Standing::Within; 2]);
        assert_eq!(standings(&[("alloc", 203), ("park", 910)]), [Standing::Over; 2]);
        assert_eq!(standings(&[("alloc", 197), ("park", 1001)]), [Standing::Gain, Standing::OverLimit]);
        let red = [Standing::Over, Standing::OverLimit, Standing::Unknown, Standing::Absent];
        assert!(red.iter().all(|standing| standing.is_red()) && !Standing::Gain.is_red());
    }

    #[test]
    fn a_path_must_be_on_both_sides() {
        assert_eq!(
            standings(&[("alloc", 200), ("new", 1)]),
            [Standing::Within, Standing::Unknown, Standing::Absent]
        );
    }

    #[test]
    fn an_unknown_build_is_held_against_the_limits() {
        let mut other = counts(&[("new", 7), ("park", 1001)]);
        other.build = "none rustc 2".into();
        let mut budgets = Budgets::parse(FILE).unwrap();
        let rows = budgets.judge(&other);
        assert_eq!(
            rows.iter().map(|row| row.standing).collect::<Vec<_>>(),
            [Standing::Within, Standing::OverLimit]
        );
        budgets.update(&other);
        assert!(
            budgets.knows("none rustc 2")
                && budgets.to_string().contains("\n[\"none rustc 2\"]\n\"new\" = 7\n")
        );
    }

    #[test]
    fn words_of_the_kernel() {
        let said = "build none rustc 1\ninstructions  path\n         200  alloc\n        4000  longest masked section\n";
        assert_eq!(Counts::parse(said), Ok(counts(&[("alloc", 200), ("longest masked section", 4000)])));
        assert_eq!(Counts::parse("  200  alloc\n"), Err(BudgetError::NoBuild));
        assert_eq!(Counts::parse("build x\n"), Err(BudgetError::NoPaths));
    }

    #[test]
    fn rows_line_up() {
        let rows = Budgets::parse(FILE).unwrap().judge(&counts(&[("alloc", 100), ("park", 1010)]));
        let lines: Vec<_> = rows.iter().map(Row::to_string).collect();
        assert_eq!(lines[0], "         100       200  -50.0%         -  alloc  a gain: --update keeps it");
        assert_eq!(lines[1], "        1010       900  +12.2%      1000  park  OVER ITS LIMIT");
        assert!(lines.iter().all(|line| line.find("  ") == Some(0)) && Row::HEAD.ends_with("  path"));
    }
}

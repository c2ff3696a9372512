//! A strict reader of OpenMetrics 1.0 text: what a gatherer would refuse is a failure.

use crate::ensure;
use crate::selftest::Failure;

/// Families that a page can have here.
const MOST: usize = 64;

/// Holds a page against the format; how many families it has.
pub(super) fn check(text: &str) -> Result<usize, Failure> {
    ensure!(text.ends_with("\n# EOF\n"), "no end");
    let mut names = heapless::Vec::<&str, MOST>::new();
    let mut counter = false;
    for line in text.strip_suffix("# EOF\n").unwrap_or(text).lines() {
        let family = names.last().copied().unwrap_or("");
        match line.strip_prefix("# ") {
            Some(meta) => {
                let mut words = meta.splitn(3, ' ');
                let [key, name, value] = [(); 3].map(|()| words.next().unwrap_or(""));
                match key {
                    "TYPE" => {
                        ensure!(!names.contains(&name) && is_name(name), "again or no name: {line}");
                        ensure!(matches!(value, "gauge" | "counter"), "{line}");
                        ensure!(!name.ends_with("_total"), "{line}");
                        counter = value == "counter";
                        ensure!(names.push(name).is_ok(), "more than {MOST} families");
                    }
                    "UNIT" => ensure!(name == family && unit(name) == Some(value), "{line}"),
                    "HELP" => ensure!(name == family && !value.is_empty(), "{line}"),
                    _ => return Err(Failure::new(format_args!("{line}"))),
                }
            }
            None => sample(line, family, counter)?,
        }
    }
    Ok(names.len())
}

fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(known)
}

fn unit(name: &str) -> Option<&str> {
    name.rsplit_once('_').map(|(_, unit)| unit)
}

fn sample(line: &str, family: &str, counter: bool) -> Result<(), Failure> {
    let rest = line.strip_prefix(family).unwrap_or("");
    let rest = if counter { rest.strip_prefix("_total").unwrap_or("") } else { rest };
    let value = match rest.strip_prefix('{') {
        Some(labels) => after_labels(labels).unwrap_or(""),
        None => rest,
    };
    let value = value.strip_prefix(' ').and_then(|value| value.parse::<f64>().ok());
    ensure!(value.is_some_and(|value| value.is_finite() && value >= 0.0), "of {family}: {line}");
    Ok(())
}

/// What stands behind labels: each a name, and a value whose quotes end where they should.
fn after_labels(mut text: &str) -> Option<&str> {
    loop {
        let (name, rest) = text.split_once("=\"")?;
        let (mut escaped, mut end) = (false, None);
        for (at, character) in rest.char_indices() {
            match character {
                '"' if !escaped => {
                    end = Some(at);
                    break;
                }
                _ => escaped = character == '\\' && !escaped,
            }
        }
        let rest = rest.get(end? + 1..).filter(|_| is_name(name))?;
        match rest.strip_prefix(',') {
            Some(more) => text = more,
            None => return rest.strip_prefix('}'),
        }
    }
}

/// A page, to be asked.
pub(super) struct Read<'a>(pub(super) &'a str);

impl Read<'_> {
    /// Values of the samples of a family, each beside its labels.
    fn samples(&self, name: &str) -> impl Iterator<Item = (&str, u64)> {
        let own = move |line: &str| line.split(['{', ' ']).next() == Some(name);
        self.0.lines().filter(move |line| own(line)).filter_map(|line| {
            let (labels, value) = line.rsplit_once(' ')?;
            Some((labels, value.parse().ok()?))
        })
    }

    /// All samples of a family.
    pub(super) fn sum(&self, name: &str) -> u64 {
        self.samples(name).map(|(_, value)| value).sum()
    }

    /// Those with this label.
    pub(super) fn sum_of(&self, name: &str, (label, value): (&str, &str)) -> u64 {
        let has = |labels: &str| {
            let mut parts = labels.split(['{', ',', '}']);
            parts.any(|part| {
                part.split_once('=')
                    .is_some_and(|(known, text)| known == label && text.trim_matches('"') == value)
            })
        };
        self.samples(name).filter(|(labels, _)| has(labels)).map(|(_, value)| value).sum()
    }

    /// The only one with this label.
    pub(super) fn value(&self, name: &str, label: (&str, &str)) -> Result<u64, Failure> {
        ensure!(self.samples(name).next().is_some(), "no {name}");
        Ok(self.sum_of(name, label))
    }
}

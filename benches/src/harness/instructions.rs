//! Exact instruction counts: this program again, under callgrind, which counts only inside
//! [`kos_bench_timed`].
//!
//! Each subject runs twice, the second time with more steps; the difference divided by the additional operations is
//! free of everything that happens once a call, and the same in every run on every machine with this binary.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, process};

use super::question::{Question, Shape, Subject, kos_bench_timed};

/// The function that callgrind is told of.
const TIMED: &str = "kos_bench_timed";

/// Why nothing is counted where there is no valgrind.
pub(crate) const MISSING: &str = "valgrind is missing";

/// Instructions per operation of each subject (`None`: not counted), or why none were measured.
pub(crate) type Counts = Result<Vec<Option<f64>>, String>;

/// The steps of the two counted runs.
fn steps(shape: Shape) -> [usize; 2] {
    match shape {
        Shape::Repeated { counted } => [counted, 2 * counted],
        Shape::Once => [0, 1],
    }
}

/// What the process under callgrind does: each subject warms up, then runs twice inside the counted function.
pub(crate) fn run_counted(question: &Question) {
    for subject in question.subjects.iter().filter(|subject| subject.counted) {
        run_subject(subject, question.shape);
    }
}

fn run_subject(subject: &Subject, shape: Shape) {
    let mut body = (subject.make)();
    let [few, many] = steps(shape);
    body.prepare();
    body.run(few.max(1));
    for steps in [few, many] {
        body.prepare();
        kos_bench_timed(body.as_mut(), steps);
    }
}

/// Counts the instructions of every subject of `question`. `flags`, with the name behind
/// them, make this program call [`run_counted`].
pub(crate) fn count(question: &Question, flags: &[&str]) -> Counts {
    let output = env::temp_dir().join(format!("kos-bench-{}-{}", process::id(), question.name));
    let counted = run_callgrind(question.name, flags, &output).and_then(|()| {
        let profile = fs::read_to_string(&output).map_err(|error| format!("no profile: {error}"))?;
        per_operation(question, &summaries(&profile))
    });
    // A profile that never came into being needs no removal.
    let _ = fs::remove_file(&output);
    counted
}

fn run_callgrind(name: &str, flags: &[&str], output: &Path) -> Result<(), String> {
    let program = env::current_exe().map_err(|error| format!("own path unknown: {error}"))?;
    let status = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg("--collect-atstart=no")
        .arg(format!("--toggle-collect={TIMED}"))
        .arg(format!("--dump-after={TIMED}"))
        .arg("--combine-dumps=yes")
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(program)
        .args(flags)
        .arg(name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("valgrind ended with {status}")),
        Err(_) => Err(MISSING.to_owned()),
    }
}

/// The instructions of each dump in a callgrind profile, in the order of the calls.
fn summaries(profile: &str) -> Vec<u64> {
    profile
        .lines()
        .filter_map(|line| line.strip_prefix("summary: "))
        .filter_map(|number| number.split_whitespace().next()?.parse().ok())
        .collect()
}

fn per_operation(question: &Question, summaries: &[u64]) -> Counts {
    let [few, many] = steps(question.shape);
    let expected = 2 * question.subjects.iter().filter(|subject| subject.counted).count();
    // The last dump is the rest of the process after the last call.
    if summaries.len() < expected {
        return Err(format!("{} of {expected} counts", summaries.len()));
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let operations = ((many - few) * question.operations) as f64;
    let mut pairs = summaries.chunks_exact(2);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let mut next = || match pairs.next()? {
        [few, many] => Some(many.saturating_sub(*few) as f64 / operations),
        _ => None,
    };
    Ok(question.subjects.iter().map(|subject| subject.counted.then(&mut next).flatten()).collect())
}

#[cfg(test)]
mod tests {
    use super::summaries;

    #[test]
    fn summaries_are_read_in_order() {
        let profile = "events: Ir\nsummary: 120\n\nfn=(1) x\n1 5\nsummary: 240\ntotals: 240\n";
        assert_eq!(summaries(profile), [120, 240]);
    }
}

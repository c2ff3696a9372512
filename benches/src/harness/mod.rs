//! What every question needs: bodies, interleaved timing, instruction counts, statistics, tables.
//!
//! | module | what it does |
//! |---|---|
//! | [`question`] | a question, its subjects, the body that a subject runs |
//! | [`measure`] | rounds A B C A B C…, time of each subject in each round |
//! | [`instructions`] | the same bodies under callgrind: exact, repeatable counts |
//! | [`statistics`] | medians and percentiles |
//! | [`report`] | the tables, for a terminal and for `RESULTS.md` |
//! | [`memory`] | arenas and permutations, the same for every subject |

pub(crate) mod instructions;
pub(crate) mod measure;
pub(crate) mod memory;
pub(crate) mod question;
pub(crate) mod report;
pub(crate) mod statistics;

/// The value, or the end of the run: a subject that fails has no time that could be compared.
#[expect(clippy::panic, reason = "a benchmark whose subject fails must not print a figure")]
#[inline]
pub(crate) fn must<T>(value: Option<T>) -> T {
    match value {
        Some(value) => value,
        None => panic!("the subject could not do its work"),
    }
}

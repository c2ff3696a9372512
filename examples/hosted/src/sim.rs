//! `cargo hosted sim`: one seed with its log, or many with what failed.

use core::ops::Range;
use std::collections::HashSet;
use std::io::Write as _;
use std::time::Instant;

use kos_hosted::{Befell, MachineConfig, Roughness, Run, simulate, sweep};

use crate::{Size, refuse};

/// What is simulated.
#[derive(Debug, clap::Args)]
pub(crate) struct Simulation {
    /// Chooses whose turn it is, how long everything takes, when interrupts arrive, and which packets meet what is asked for below.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Every seed from A up to B - 1, on all CPUs of the host; says which failed.
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    #[command(flatten)]
    size: Size,
    /// Only tests whose names hold this.
    #[arg(long, value_name = "PART OF NAME", default_value = "")]
    filter: String,
    /// Commit this fault, too: `race` loses an increment in some orders of events, and only there.
    #[arg(long, value_name = "FAULT")]
    sabotage: Option<String>,
    /// Run each seed twice and compare.
    #[arg(long)]
    twice: bool,
    #[command(flatten)]
    rough: Roughness,
}

fn range(word: &str) -> Result<Range<u64>, String> {
    let parse = |word: &str| word.parse::<u64>().ok();
    let parts = word.split_once("..").and_then(|(first, end)| Some(parse(first)?..parse(end)?));
    parts.filter(|range| !range.is_empty()).ok_or_else(|| String::from("two numbers, as in 0..1000"))
}

impl Simulation {
    /// Runs it; the exit status.
    pub(crate) fn run(&self) -> u8 {
        match &self.seeds {
            None => self.one(),
            Some(seeds) => self.many(seeds.clone()),
        }
    }

    fn config(&self) -> MachineConfig {
        let mut config = self.size.config();
        config.command_line = String::from("mode=test");
        config.rough = self.rough;
        let words = [
            ("filter", Some(&self.filter).filter(|part| !part.is_empty())),
            ("sabotage", self.sabotage.as_ref()),
        ];
        for (key, value) in words.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            config.command_line += &format!(" {key}={value}");
        }
        config
    }

    fn one(&self) -> u8 {
        let run = match simulate(&self.config(), self.seed) {
            Ok(run) => run,
            Err(error) => return refuse(&error),
        };
        let cpus = self.size.cpus;
        let mut text = run.log.clone();
        if let Err(death) = &run.end {
            text += &format!("# {death}\n");
        }
        let Run { took_ns, history, befell, .. } = run;
        if !self.rough.is_smooth() {
            text += &format!("# packets to itself: {befell}\n");
        }
        text += &format!("# seed {}, {cpus} CPUs: {took_ns} ns, history {history:016x}\n", self.seed);
        if std::io::stdout().write_all(text.as_bytes()).is_err() {
            return 1;
        }
        if self.twice && simulate(&self.config(), self.seed).ok().as_ref() != Some(&run) {
            eprintln!("the second run of seed {} differs", self.seed);
            return 1;
        }
        status(&run)
    }

    fn many(&self, seeds: Range<u64>) -> u8 {
        let (config, begun) = (self.config(), Instant::now());
        let (mut failed, mut digests, mut digest, mut befell) = (0, HashSet::new(), 0_u64, Befell::default());
        let count = seeds.end - seeds.start;
        sweep(&config, seeds, |seed, run| {
            let again = self.twice.then(|| simulate(&config, seed).ok());
            let why = match &run {
                Ok(run) if again.is_some_and(|again| again.as_ref() != Some(run)) => {
                    Some(String::from("its second run differs"))
                }
                Ok(run) => run.failure(),
                Err(error) => Some(error.to_string()),
            };
            let own = run.as_ref().map_or(0, Run::digest);
            digests.insert(own);
            befell += run.as_ref().map_or_else(|_| Befell::default(), |run| run.befell);
            // Of a sum, the order does not matter.
            digest = digest.wrapping_add(own ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            if let Some(why) = why {
                failed += 1;
                say(&format!("seed {seed}: {why}\n  repeat: {}\n", self.repeat(seed)));
            }
        });
        let different = digests.len();
        say(&format!(
            "{count} seeds, {} CPUs: {failed} failed, {different} different runs, digest {digest:016x}\n",
            self.size.cpus
        ));
        if !self.rough.is_smooth() {
            say(&format!("packets to itself: {befell}\n"));
        }
        eprintln!("{:.1} s", begun.elapsed().as_secs_f64());
        u8::from(failed > 0)
    }

    /// The command that shows a seed again.
    fn repeat(&self, seed: u64) -> String {
        let Self { size: Size { mem, cpus }, filter, sabotage, rough, .. } = self;
        let filter = if filter.is_empty() { String::new() } else { format!(" --filter '{filter}'") };
        let sabotage = sabotage.as_ref().map(|fault| format!(" --sabotage {fault}")).unwrap_or_default();
        format!("cargo hosted sim --seed {seed} --cpus {cpus} --mem {mem}{filter}{sabotage}{rough}")
    }
}

/// Writes to standard output. Nobody is left to tell when that is gone.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn status(run: &Run) -> u8 {
    match run.end {
        Err(_) => 3,
        Ok(_) => u8::from(!run.succeeded()),
    }
}

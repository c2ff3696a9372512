//! `cargo demo bench`: instruction counts of the kernel's paths, and the bytes of its core, against `budgets.toml`.
//!
//! The machine's clock counts instructions, however busy the host is: each run gives the same counts, but where a timer has a part.

use std::fs;
use std::path::Path;

use super::{Session, run};
use crate::budgets::{Budgets, Counts, Row};
use crate::build;
use crate::code;
use crate::error::Error;
use crate::status::Status;
use crate::verdict::Exit;

pub(super) fn execute(
    session: &mut Session<'_>,
    update: bool,
    budgets: Option<&Path>,
) -> Result<Status, Error> {
    let mut boot = session.boot()?;
    if boot.machine.cpus != 1 {
        return Err(Error::OneProcessorOnly);
    }
    boot.machine.counts_instructions = true;
    let mut said = Vec::new();
    let ended = run::listen(session.interrupt, &mut session.report, &boot, &mut |bytes, _| {
        said.extend_from_slice(bytes);
        Ok(())
    })?;
    if ended.verdict != Ok(Exit::Success) {
        session.report.raw(&said);
        return Ok(session.conclude(&ended.run, ended.verdict, &ended.failed));
    }
    let file = budgets.map_or_else(|| build::workspace().join("examples/demo/budgets.toml"), Path::to_owned);
    let odd = |cause| Error::Budgets(file.clone(), cause);
    let mut counts = Counts::parse(&String::from_utf8_lossy(&said)).map_err(odd)?;
    let symbols = String::from_utf8_lossy(&boot.module);
    match code::core(symbols.split('\0').next().unwrap_or_default()) {
        0 => session.report.say("no symbols: the code of the core is not measured"),
        bytes => counts.paths.push((format!("bytes of code: {}", code::CORE.join(", ")), bytes)),
    }
    let text = fs::read_to_string(&file).map_err(Error::io("read the budgets"))?;
    let mut budgets = Budgets::parse(&text).map_err(odd)?;
    if update {
        budgets.update(&counts);
        fs::write(&file, budgets.to_string()).map_err(Error::io("write the budgets"))?;
    }
    compare(session, &counts, &budgets)
}

fn compare(session: &mut Session<'_>, counts: &Counts, budgets: &Budgets) -> Result<Status, Error> {
    let rows = budgets.judge(counts);
    let table: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let table = format!("{}\n{table}", Row::HEAD);
    session.report.output(table.as_bytes()).map_err(Error::io("write to stdout"))?;
    if !budgets.knows(&counts.build) {
        session.report.say(&format!("no budgets for {}: only limits were looked at", counts.build));
    }
    let red: Vec<_> = rows.iter().filter(|row| row.standing.is_red()).map(|row| row.path.as_str()).collect();
    if red.is_empty() {
        return Ok(Status::Success);
    }
    session.report.say(&format!("cargo demo: over budget: {}", red.join(", ")));
    Ok(Status::Failed)
}

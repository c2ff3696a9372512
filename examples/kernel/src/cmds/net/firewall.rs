//! `firewall`: the rules and what came under each; others.

use core::fmt::{self, Write};

use super::{failed, net, usage};
use crate::net::State;
use crate::net::firewall::{self, Count, Direction, ListError, Rule};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, Session, Streams, size};
use crate::text::{Grouped, Text};

pub(in crate::cmds) fn run<'k, P: Platform>(
    session: &mut Session<'k, P>,
    arguments: &[&str],
    streams: &mut Streams<'_, 'k, P>,
) -> CommandResult {
    let kernel = session.kernel;
    let net = net(kernel)?;
    match arguments {
        [] | ["list"] => net.with(kernel, |state| list(state, streams))?,
        ["dump"] => net.with(kernel, |state| write!(streams, "{}", state.firewall.lines()))?,
        ["load", rest @ ..] => load(session, rest)?,
        ["add", words @ ..] => {
            let rule = rule(words)?;
            changed(net.with(kernel, |state| state.firewall.add(rule)))?;
        }
        ["insert", number, words @ ..] => {
            let (number, rule) = (count(number)?, rule(words)?);
            changed(net.with(kernel, |state| state.firewall.insert(number, rule)))?;
        }
        ["del", number] => {
            let number = count(number)?;
            changed(net.with(kernel, |state| state.firewall.remove(number)).map(drop))?;
        }
        ["flush"] => net.with(kernel, |state| state.firewall.flush()),
        ["default", words @ ..] => {
            let wrong = || usage(format_args!("[in | out], accept or drop"));
            let (directions, action) = firewall::default(words.iter().copied()).ok_or_else(wrong)?;
            net.with(kernel, |state| {
                directions.iter().for_each(|direction| state.firewall.set_default(*direction, action));
            });
        }
        _ => return Err(usage(format_args!("nothing, or dump, load, add, insert, del, flush or default"))),
    }
    Ok(Next::Continue)
}

/// The rules of a file in place of those that are.
fn load<P: Platform>(session: &mut Session<'_, P>, words: &[&str]) -> Result<(), CommandError> {
    let path = match *words {
        [] => firewall::PATH,
        [path] => path,
        _ => return Err(usage(format_args!("load one file"))),
    };
    let read = firewall::read(&session.call()?, path);
    let read = read.map_err(|error| failed(format_args!("{path}: {error}")))?;
    let kernel = session.kernel;
    net(kernel)?.with(kernel, |state| state.firewall.take(read));
    Ok(())
}

fn changed(result: Result<(), ListError>) -> Result<(), CommandError> {
    result.map_err(|error| failed(format_args!("{error}")))
}

fn count(word: &str) -> Result<usize, CommandError> {
    size(word).map_err(CommandError::Usage)
}

fn rule(words: &[&str]) -> Result<Rule, CommandError> {
    firewall::rule(words.iter().copied()).map_err(|error| {
        match error.place().and_then(|place| words.get(place)) {
            Some(word) => usage(format_args!("'{word}' {error}")),
            None => usage(format_args!("{error}")),
        }
    })
}

fn list<P: Platform>(state: &State<P>, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "{:>7}  {:<60} {:>10} {:>14}", "number", "rule", "packets", "bytes")?;
    for (number, (rule, came)) in (1..).zip(state.firewall.rules()) {
        line(out, &number, format_args!("{rule}"), came)?;
    }
    for direction in Direction::ALL {
        let (action, came) = state.firewall.default_of(direction);
        line(out, &"default", format_args!("{direction} {action}"), came)?;
    }
    Ok(())
}

fn line(
    out: &mut dyn Write,
    number: &dyn fmt::Display,
    rule: fmt::Arguments<'_>,
    came: Count,
) -> fmt::Result {
    let (rule, packets, bytes) = (Text::new(rule), Grouped(came.packets), Grouped(came.bytes));
    writeln!(out, "{number:>7}  {rule:<60} {packets:>10} {bytes:>14}")
}

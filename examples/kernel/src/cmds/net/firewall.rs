//! `firewall`: the rules and what came under each; others.

use core::fmt::{self, Write};

use super::{failed, net, usage};
use crate::Kernel;
use crate::net::State;
use crate::net::firewall::{self, Action, Count, Direction, ListError, Rule};
use crate::platform::Platform;
use crate::shell::{CommandError, CommandResult, Next, size};
use crate::text::{Grouped, Text};

pub(in crate::cmds) fn run<P: Platform>(
    kernel: &Kernel<P>,
    arguments: &[&str],
    out: &mut dyn Write,
) -> CommandResult {
    let net = net(kernel)?;
    match arguments {
        [] | ["list"] => net.with(kernel, |state| list(state, out))?,
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
            let (directions, action) = default(words)?;
            net.with(kernel, |state| {
                directions.iter().for_each(|direction| state.firewall.set_default(*direction, action));
            });
        }
        _ => return Err(usage(format_args!("nothing, or add, insert, del, flush or default"))),
    }
    Ok(Next::Continue)
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

/// Of which directions what becomes.
fn default(words: &[&str]) -> Result<(&'static [Direction], Action), CommandError> {
    let wrong = || usage(format_args!("[in | out], accept or drop"));
    let (directions, word): (&[Direction], _) = match *words {
        [action] => (&Direction::ALL, action),
        [direction, action] => match firewall::direction(direction).ok_or_else(wrong)? {
            Direction::In => (&[Direction::In], action),
            Direction::Out => (&[Direction::Out], action),
        },
        _ => return Err(wrong()),
    };
    Ok((directions, firewall::action(word).ok_or_else(wrong)?))
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

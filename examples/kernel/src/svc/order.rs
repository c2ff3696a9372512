//! In which order services start: whoever comes after another is started when that is ready.

use core::error::Error;
use core::fmt::{self, Write};

use super::unit::Name;
use crate::text::Text;

/// Services that one kernel knows.
pub const MOST: usize = 32;

/// A service, and whom it comes after.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its name.
    pub name: &'a Name,
    /// The names of those that have to be ready first.
    pub after: &'a [Name],
}

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// One comes after another that is not there.
    Missing {
        /// Who.
        who: Name,
        /// After whom.
        after: Name,
    },
    /// Each comes after the next, and the last after the first: `a -> b -> a`.
    Cycle(Text),
    /// More than [`MOST`].
    TooMany,
}

/// The numbers of `nodes` in an order in which they can start: whom one comes after is before it; else as they are.
///
/// # Errors
/// [`OrderError`].
pub fn order(nodes: &[Node<'_>]) -> Result<heapless::Vec<usize, MOST>, OrderError> {
    if nodes.len() > MOST {
        return Err(OrderError::TooMany);
    }
    let mut done = heapless::Vec::new();
    for first in 0..nodes.len() {
        visit(nodes, first, &mut done)?;
    }
    Ok(done)
}

/// Adds a node and all that it comes after, those first. The path is whom is waited for, with how many of theirs were looked at.
fn visit(nodes: &[Node<'_>], first: usize, done: &mut heapless::Vec<usize, MOST>) -> Result<(), OrderError> {
    let mut path = heapless::Vec::<(usize, usize), MOST>::new();
    if !done.contains(&first) {
        let _ = path.push((first, 0));
    }
    while let Some((at, looked)) = path.last_mut() {
        let Some(node) = nodes.get(*at) else { return Ok(()) };
        let Some(name) = node.after.get(*looked) else {
            // Each is done once, and there is room for each.
            let _ = done.push(*at);
            path.pop();
            continue;
        };
        *looked += 1;
        let next = nodes.iter().position(|other| other.name == name);
        let next = next.ok_or_else(|| missing(node, name))?;
        if path.iter().any(|(at, _)| *at == next) {
            return Err(OrderError::Cycle(cycle(nodes, &path, next)));
        }
        if !done.contains(&next) {
            let _ = path.push((next, 0));
        }
    }
    Ok(())
}

fn missing(node: &Node<'_>, after: &Name) -> OrderError {
    OrderError::Missing { who: node.name.clone(), after: after.clone() }
}

/// The way from `first` along the path back to it; the middle of a long one is left out.
fn cycle(nodes: &[Node<'_>], path: &[(usize, usize)], first: usize) -> Text {
    const SHOWN: usize = 4;
    let on_it = || path.iter().map(|(at, _)| *at).skip_while(|at| *at != first);
    let (count, mut text) = (on_it().count(), Text::default());
    for (index, at) in on_it().enumerate() {
        let hidden = count > SHOWN && (SHOWN - 1..count - 1).contains(&index);
        let name = nodes.get(at).map_or("", |node| node.name.as_str());
        // What is too long is cut.
        let _ = match (hidden, index == SHOWN - 1) {
            (false, _) => write!(text, "{name} -> "),
            (true, true) => write!(text, "... -> "),
            (true, false) => Ok(()),
        };
    }
    let _ = write!(text, "{}", nodes.get(first).map_or("", |node| node.name.as_str()));
    text
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { who, after } => write!(f, "{who} comes after {after}, of which there is no unit"),
            Self::Cycle(path) => write!(f, "a circle: {path}"),
            Self::TooMany => write!(f, "more than {MOST} services"),
        }
    }
}

impl Error for OrderError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn names(words: &[&str]) -> Vec<Name> {
        words.iter().map(|word| Name::try_from(*word).unwrap()).collect()
    }

    fn ordered(graph: &[(&str, &[&str])]) -> Result<Vec<String>, String> {
        let whole: Vec<(Vec<Name>, Vec<Name>)> =
            graph.iter().map(|(name, after)| (names(&[name]), names(after))).collect();
        let nodes: Vec<Node<'_>> = whole.iter().map(|(name, after)| Node { name: &name[0], after }).collect();
        let order = order(&nodes).map_err(|error| error.to_string())?;
        Ok(order.iter().map(|&at| nodes[at].name.as_str().into()).collect())
    }

    #[test]
    fn a_cycle_is_refused_by_name() {
        assert_eq!(ordered(&[("a", &["b"]), ("b", &[])]), Ok(["b", "a"].map(String::from).into()));
        assert_eq!(ordered(&[("a", &["b"]), ("b", &["a"])]), Err("a circle: a -> b -> a".into()));
        assert_eq!(ordered(&[("x", &["a"]), ("a", &["a"])]), Err("a circle: a -> a".into()));
        let ring: [(&str, &[&str]); 6] =
            [("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["e"]), ("e", &["f"]), ("f", &["a"])];
        assert_eq!(ordered(&ring), Err("a circle: a -> b -> c -> ... -> f -> a".into()));
        assert_eq!(ordered(&[("a", &["z"])]), Err("a comes after z, of which there is no unit".into()));
    }

    /// Whether each can reach itself, by brute force.
    fn has_cycle(edges: &[Vec<usize>]) -> bool {
        let count = edges.len();
        let mut reach = alloc::vec![alloc::vec![false; count]; count];
        for (from, to) in edges.iter().enumerate() {
            to.iter().for_each(|&to| reach[from][to] = true);
        }
        for by in 0..count {
            for from in 0..count {
                for to in 0..count {
                    reach[from][to] |= reach[from][by] && reach[by][to];
                }
            }
        }
        (0..count).any(|at| reach[at][at])
    }

    proptest! {
        #[test]
        fn an_order_keeps_to_every_after(
            edges in (1..10_usize).prop_flat_map(|count| {
                prop::collection::vec(prop::collection::vec(0..count, 0..3), count)
            }),
        ) {
            let names: Vec<Name> =
                (0..edges.len()).map(|at| Name::try_from(alloc::format!("s{at}").as_str()).unwrap()).collect();
            let after: Vec<Vec<Name>> =
                edges.iter().map(|to| to.iter().map(|&to| names[to].clone()).collect()).collect();
            let nodes: Vec<Node<'_>> =
                names.iter().zip(&after).map(|(name, after)| Node { name, after }).collect();
            match order(&nodes) {
                Ok(order) => {
                    prop_assert!(!has_cycle(&edges));
                    prop_assert_eq!(order.len(), edges.len());
                    let place = |at: usize| order.iter().position(|&other| other == at);
                    for (at, to) in edges.iter().enumerate() {
                        prop_assert!(to.iter().all(|&to| place(to).unwrap() < place(at).unwrap()));
                    }
                }
                Err(OrderError::Cycle(path)) => {
                    prop_assert!(has_cycle(&edges), "{}", path);
                    let names: Vec<&str> = path.as_str().split(" -> ").collect();
                    prop_assert_eq!(names.first(), names.last());
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }
}

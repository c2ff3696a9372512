//! Plans against the last line that names a right.

use super::*;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use kos_ipc::Policy as _;
use kos_ipc::policy::{Decision, ObjectKind, ObjectMeta, Rule};
use proptest::prelude::*;

fn table() -> TypeTable<'static, ()> {
    let rules: Vec<_> = (0..DOMAINS_ALL * TYPES).map(|_| Rule::new()).collect();
    TypeTable::new(Box::leak(rules.into_boxed_slice()), TYPES, ())
}

fn allows(table: &TypeTable<'_, ()>, domain: u16, label: u16, op: Op) -> bool {
    let object = ObjectMeta { kind: ObjectKind::Pipe, label, id: 1 };
    table.check(domain, op, &object) == Decision::Allow
}

/// A line: whether it allows, which domain, class and right; the last of each is `any`.
type Line = (bool, usize, usize, usize);

fn word(names: &[&'static str], place: usize) -> &'static str {
    names.get(place).copied().unwrap_or("any")
}

fn text(&(allow, domain, class, right): &Line) -> String {
    let classes = CLASSES.map(|(name, _)| name);
    let rights: Vec<_> = CLASSES
        .get(class)
        .map_or_else(Vec::new, |(_, rights)| rights.iter().map(|(name, _)| *name).collect());
    let verb = if allow { "allow" } else { " deny" };
    let (domain, class, right) = (word(&DOMAINS, domain), word(&classes, class), word(&rights, right));
    alloc::format!("{verb} {domain}\t{class} {right} # any\n")
}

proptest! {
    /// Against the last line that names a domain, a class and a right; and printed lines against themselves.
    #[test]
    fn the_last_line_decides(lines in prop::collection::vec((any::<bool>(), 0..3_usize, 0..7_usize, 0..6_usize), 0..12)) {
        let file: String = lines.iter().map(text).collect();
        let plan = Plan::parse(file.as_bytes()).unwrap();
        prop_assert_eq!(Plan::parse(plan.to_string().as_bytes()), Ok(plan));
        let table = table();
        plan.apply(&table).unwrap();
        for (domain, class) in (0..2).flat_map(|domain| (0..6).map(move |class| (domain, class))) {
            let (number, label) = (u16::try_from(domain).unwrap(), u16::try_from(class).unwrap());
            let (name, rights) = CLASSES[class];
            for (right, (_, op)) in rights.iter().enumerate() {
                let names = |line: &&Line| {
                    let same_right = line.2 == 6 || line.3 == right || line.3 >= rights.len();
                    (line.1 == domain || line.1 == 2) && (line.2 == class || line.2 == 6) && same_right
                };
                let built_in = domain == 0 || name != "names" || *op == Op::Open;
                let wanted = lines.iter().rfind(names).map_or(built_in, |line| line.0);
                prop_assert_eq!(allows(&table, number + 1, label, *op), wanted, "{}", file);
                prop_assert!(allows(&table, 0, label, *op), "the kernel");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_named_by_line_and_column() {
    for (file, line, column, problem) in [
        ("permit root any any", 1, 1, Problem::NoVerb),
        ("\n  # all\n deny guests any any", 3, 7, Problem::NoDomain),
        ("deny root files read", 1, 11, Problem::NoClass),
        ("deny root pipe read call", 1, 21, Problem::NoRight),
        ("deny any any fly", 1, 14, Problem::NoRight),
        ("allow root", 1, 11, Problem::Lacks),
        ("allow root pipe  # read", 1, 16, Problem::Lacks),
    ] {
        assert_eq!(Plan::parse(file.as_bytes()), Err(PolicyError { line, column, problem }), "{file}");
    }
    let bad = Plan::parse(b"deny root pipe read\ndeny \xff")
        .map_err(|error| (error.line, error.column, error.problem));
    assert_eq!(bad, Err((2, 6, Problem::NotText)));
    let long = Plan::parse(&[b' '; FILE_MAX + 1]).map_err(|error| error.problem);
    assert_eq!(long, Err(Problem::TooLong));
    assert_eq!(Plan::parse(b""), Ok(Plan::new()));
}

//! What the language says, and what it refuses where.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;

use super::expand::{self, Scratch, Variables};
use super::{Expected, Join, MAX_BYTES, MAX_EACH, MAX_STAGES, MAX_WORDS, Place, Problem, parse};

struct Few;

impl Variables for Few {
    fn get(&self, name: &str, take: &mut dyn FnMut(&str)) {
        match name {
            "A" => take("x  y"),
            "?" => take("7"),
            "1" => take("first"),
            "LONG" => take(&"z".repeat(3000)),
            _ => {}
        }
    }
}

fn words(command: &str) -> Vec<String> {
    let script = parse(command).unwrap();
    let (mut scratch, list) = (Scratch::new(), script.lists.first().unwrap());
    let all = &list.pipelines[0].1.commands[0].words;
    expand::words(all, &Few, &mut scratch).unwrap().iter().map(ToString::to_string).collect()
}

fn problem(text: &str) -> (usize, Problem) {
    let error = parse(text).unwrap_err();
    assert_eq!(error.place.line, 1);
    (error.place.column, error.problem)
}

#[test]
fn lists_end_at_semicolons_lines_and_ampersands() {
    let script = parse(" free;; alloc 12 ;\n\n# only words\nsleep 1 & ls #x\n").unwrap();
    let lists: Vec<_> = script.lists.iter().map(|list| (list.text, list.background)).collect();
    assert_eq!(lists, [("free", false), ("alloc 12", false), ("sleep 1", true), ("ls", false)]);
    assert!(parse("").unwrap().lists.is_empty());
}

#[test]
fn pipelines_join_by_and_and_or() {
    let script = parse("a | b && c ||\n d | e |\n f").unwrap();
    let list = &script.lists[0];
    let shape: Vec<_> = list.pipelines.iter().map(|(join, pipe)| (*join, pipe.commands.len())).collect();
    assert_eq!(shape, [(Join::And, 2), (Join::And, 1), (Join::Or, 3)]);
    assert_eq!(script.to_string(), "a | b && c || d | e | f");
}

#[test]
fn quotes_keep_what_is_in_them() {
    assert_eq!(words(r#"echo 'a  b;' "c'\"\\" d\ e '' "#), ["echo", "a  b;", "c'\"\\", "d e", ""]);
    assert_eq!(words("a'b'c"), ["abc"]);
    assert_eq!(words(r"'\' \# a#b"), ["\\", "#", "a#b"]);
    assert_eq!(words("echo \"a\\n\" \"b\\\nc\" d\\\n e"), ["echo", "a\\n", "bc", "d", "e"]);
    assert_eq!(words("echo '>' \\< 2 '2'>f"), ["echo", ">", "<", "2", "2"]);
    assert_eq!(words("echo ä\\ö 'ü'"), ["echo", "äö", "ü"]);
}

#[test]
fn a_variable_is_one_word_and_an_empty_one_none() {
    assert_eq!(words("echo $A \"<$A>\" '$A' \\$A"), ["echo", "x  y", "<x  y>", "$A", "$A"]);
    assert_eq!(words("echo $NONE \"$NONE\" ${NONE}$NONE ''$NONE"), ["echo", "", ""]);
    assert_eq!(words("echo ${A}b $?0 $1$12 $ a$"), ["echo", "x  yb", "70", "firstfirst2", "$", "a$"]);
}

#[test]
fn words_that_grow_too_long_are_refused() {
    let script = parse("echo $LONG $LONG").unwrap();
    let all = &script.lists[0].pipelines[0].1.commands[0].words;
    assert_eq!(expand::words(all, &Few, &mut Scratch::new()), Err(expand::TooLong));
}

#[test]
fn assignments_stand_before_words() {
    let script = parse("A=1 B='x y'$A C= cmd D=2 1E=3").unwrap();
    let command = &script.lists[0].pipelines[0].1.commands[0];
    let names: Vec<_> = command.assignments.iter().map(|set| set.name).collect();
    assert_eq!((names.as_slice(), command.words.len()), (&["A", "B", "C"][..], 3));
    assert_eq!(script.to_string(), "A=1 B='x y'${A} C= cmd D=2 1E=3");
    for none in ["'A'=1 =2", "n''1=A", "n\"\"1=A"] {
        let script = parse(none).unwrap();
        assert!(script.lists[0].pipelines[0].1.commands[0].assignments.is_empty(), "{none}");
        super::testing::parse_and_print(none.as_bytes());
    }
}

#[test]
fn redirections_need_no_blanks() {
    let script = parse("cat<in x>>'o u t' 2>err a2>b").unwrap();
    assert_eq!(script.to_string(), "cat x a2 < in >> 'o u t' 2> err > b");
    assert_eq!(parse("> f").unwrap().to_string(), "> f");
}

#[test]
fn what_is_wrong_is_said_with_its_column() {
    assert_eq!(problem("echo 'b"), (6, Problem::Open("'")));
    assert_eq!(problem("ä \"b"), (3, Problem::Open("\"")));
    assert_eq!(problem("a\\"), (1, Problem::Open("\\")));
    assert_eq!(problem("a ${B"), (3, Problem::Open("${")));
    assert_eq!(problem("a ${1B}"), (3, Problem::BadName));
    assert_eq!(problem("echo >"), (7, Problem::Missing(Expected::File(">"))));
    assert_eq!(problem("echo >> > x"), (9, Problem::Missing(Expected::File(">>"))));
    assert_eq!(problem("a 2> | b"), (6, Problem::Missing(Expected::File("2>"))));
    assert_eq!(problem("a ||| b"), (5, Problem::Missing(Expected::Command("|"))));
    assert_eq!(problem("a && ; b"), (6, Problem::Missing(Expected::Command("&&"))));
    assert_eq!(problem("|| b"), (1, Problem::Missing(Expected::Command("||"))));
    assert_eq!(problem("a | & b"), (5, Problem::Missing(Expected::Command("|"))));
    assert_eq!(problem("a & &"), (5, Problem::Missing(Expected::Command("&"))));
    assert_eq!(problem("echo (a)"), (6, Problem::Reserved("(")));
    assert_eq!(problem("echo x$(a)"), (6, Problem::Reserved("$(")));
    assert_eq!(problem("a 2>&1"), (5, Problem::Missing(Expected::File("2>"))));
    let error = parse("a\nbb 'c").unwrap_err();
    assert_eq!(error.place, Place { line: 2, column: 4 });
    assert_eq!(error.to_string(), "line 2, column 4: nothing ends '");
}

#[test]
fn every_length_has_a_limit() {
    let many = |what: &str, count: usize| core::iter::repeat_n(what, count).collect::<String>();
    for (what, most, full) in [
        ("w ", MAX_WORDS, Problem::TooManyWords),
        ("c | ", MAX_STAGES - 1, Problem::TooManyStages),
        (">f ", MAX_EACH, Problem::TooManyExtras),
        ("A=1 ", MAX_EACH, Problem::TooManyExtras),
    ] {
        let last = if what.contains('|') { "c" } else { "" };
        assert!(parse(&(many(what, most) + last)).is_ok(), "{what}");
        assert_eq!(parse(&(many(what, most + 1) + last)).unwrap_err().problem, full, "{what}");
    }
    assert!(parse(&many(";", MAX_BYTES)).is_ok());
    assert_eq!(parse(&many(";", MAX_BYTES + 1)).unwrap_err().problem, Problem::TooLong);
}

/// Characters that mean something, most of the time.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => "[abA1_=2 ]{1,3}",
        8 => "['\"\\\\$|&;<>#\n \t(){}`?]",
        2 => "(\\$[A?1]|\\$\\{A\\}|&&|\\|\\||>>|2>|A=)",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_is_accepted_printed_parses_to_the_same(text in text()) {
        super::testing::parse_and_print(text.as_bytes());
    }
}

//! The language of the shell as it is run: words, variables, lists, pipes, redirections, jobs, scripts.

use super::Test;
use super::lines::says;
use crate::platform::Platform;

struct Table<P>(core::marker::PhantomData<P>);

impl<P: Platform> Table<P> {
    const ALL: &'static [Test<P>] = &[
        says!("shell::blanks_part_words", ["echo   a    b ", 0, "a b\n"], ["  echo\ta", 0, "a\n"]),
        says!(
            "shell::quotes_keep_blanks",
            ["echo 'a  b' \"c  d\"", 0, "a  b c  d\n"],
            ["echo 'it'\"'\"'s'", 0, "it's\n"],
            ["echo a'b'c", 0, "abc\n"],
        ),
        says!(
            "shell::a_backslash_quotes_one_character",
            ["echo a\\ \\ b", 0, "a  b\n"],
            ["echo \\$HOME \\\\", 0, "$HOME \\\n"],
            ["echo 'a\\b'", 0, "a\\b\n"],
        ),
        says!(
            "shell::a_variable_is_one_word",
            ["A='x  y'; echo $A", 0, "x  y\n"],
            ["A=a; echo ${A}b $A", 0, "ab a\n"],
            ["A='f g'; echo hello > $A; cat 'f g'", 0, "hello\n"],
        ),
        says!("shell::what_is_not_set_is_no_word", ["echo a $NOPE b \"$NOPE\" c", 0, "a b  c\n"]),
        says!("shell::quotes_decide_what_is_replaced", ["A=1; echo '$A' \"$A\" \"\\$A\"", 0, "$A 1 $A\n"],),
        says!(
            "shell::a_status_is_a_variable",
            ["true; echo $?", 0, "0\n"],
            ["false; echo $?", 0, "1\n"],
            ["false; echo $? $?; echo $?", 0, "1 1\n0\n"],
        ),
        says!(
            "shell::lists_go_by_what_ended_before",
            ["true && echo a || echo b", 0, "a\n"],
            ["false && echo a || echo b", 0, "b\n"],
            ["false || false || echo c", 0, "c\n"],
            ["true && false", 1, ""],
            ["false; true", 0, ""],
        ),
        says!(
            "shell::a_pipe_carries_what_is_said",
            ["echo -n one two | wc", 0, "      0       2       7\n"],
            ["echo a | cat | cat | cat", 0, "a\n"],
        ),
        says!("shell::a_pipe_ends_as_its_last_does", ["false | true", 0, ""], ["true | false", 1, ""]),
        says!("shell::who_writes_to_nobody_ends", ["yes | head 2", 0, "y\ny\n"]),
        says!(
            "shell::output_goes_to_a_file",
            ["echo a > f; cat f", 0, "a\n"],
            ["echo b > f; cat f", 0, "b\n"],
            ["echo c >> f; cat f", 0, "b\nc\n"],
            ["> g; cat g", 0, ""],
        ),
        says!(
            "shell::input_comes_from_a_file",
            ["echo hello > f; wc < f", 0, "      1       1       6\n"],
            ["cat < f > g; cat g", 0, "hello\n"],
        ),
        says!(
            "shell::failures_are_said_beside_the_output",
            ["cat nope 2> e > o", 1, ""],
            ["cat o", 0, ""],
            ["grep nope < e | wc", 0, "      1       7      37\n"],
        ),
        says!(
            "shell::a_file_that_is_not_there_ends_the_command",
            ["echo a < nope", 1, "echo: nope: no such file or directory\n"],
            ["echo a > no/pe", 1, "echo: no/pe: no such file or directory\n"],
        ),
        says!(
            "shell::an_unknown_command_is_named",
            ["nope", 127, "nope: no such command; 'help' lists them\n"]
        ),
        says!(
            "shell::a_command_that_is_called_wrongly_says_how",
            ["mkdir", 2, "mkdir: no directory given\nusage: mkdir [-p] [-m MODE] DIR...\n"],
        ),
        says!(
            "shell::a_comment_says_nothing",
            ["echo a # b", 0, "a\n"],
            ["# echo", 0, ""],
            ["echo a#b", 0, "a#b\n"]
        ),
        says!(
            "shell::what_it_does_not_know_is_refused",
            ["echo $(ls)", 2, "column 6: $( means nothing here: quote it if it is text\n"],
            ["echo a | | echo b", 2, "column 10: no command before or behind |\n"],
            ["echo 'a", 2, "column 6: nothing ends '\n"],
            ["&& echo", 2, "column 1: no command before or behind &&\n"],
        ),
        says!(
            "shell::exported_variables_are_handed_on",
            ["export A=5; env | grep A=", 0, "A=5\n"],
            ["A=5; env | grep A=", 1, ""],
            ["A=6 env | grep A=", 0, "A=6\n"],
            ["export A=5; unset A; env | grep A=", 1, ""],
        ),
        says!("shell::a_variable_of_one_command_is_gone_after", ["A=1 true; echo ${A}.", 0, ".\n"]),
        says!(
            "shell::a_script_gets_its_words",
            ["echo 'echo $2 $1' > s; sh s a b", 0, "b a\n"],
            ["echo 'false; echo after' > s; sh s", 0, "after\n"],
            ["echo 'true; false' > s; sh s", 1, ""],
        ),
        says!(
            "shell::a_job_is_waited_for",
            ["sleep 0.001 && echo done > f & wait; cat f", 0, "[1] sleep 0.001 && echo done > f\ndone\n"],
            ["sleep 0.001 & sleep 0.001 & wait; jobs", 0, "[1] sleep 0.001\n[2] sleep 0.001\n"],
        ),
        says!(
            "shell::a_job_is_ended_by_its_number",
            ["sleep 1000 & kill %1; wait; jobs", 0, "[1] sleep 1000\n"]
        ),
        says!(
            "shell::filters_do_what_they_say",
            ["echo a > f; echo b >> f; echo ab >> f; grep a < f", 0, "a\nab\n"],
            ["grep -v a < f", 0, "b\n"],
            ["head 1 < f", 0, "a\n"],
            ["grep x < f", 1, ""],
        ),
        says!(
            "shell::one_stands_where_one_went",
            ["mkdir -p a/b; cd a/b; pwd", 0, "/mnt/a/b\n"],
            ["cd a; cd ..; pwd", 0, "/mnt\n"],
            ["cd nope", 1, "cd: no such file or directory\n"],
            ["cd /; cd ..; pwd", 0, "/\n"],
        ),
    ];
}

pub(super) const fn tests<P: Platform>() -> &'static [Test<P>] {
    Table::<P>::ALL
}

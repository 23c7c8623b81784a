//! What a shell makes of lines, a table for each rule. `tests/env_dialects.rs` asks bash itself.

use super::super::tests::shown;
use super::*;

/// Checks what is read of each text, and how far.
#[track_caller]
fn check(cases: &[(&str, &[&str], End)]) {
    for (text, entries, end) in cases {
        let reading = read(text);
        assert_eq!(
            (shown(&reading), reading.end),
            (entries.iter().map(|&e| e.to_owned()).collect(), *end),
            "{text:?}"
        );
    }
}

#[test]
fn a_program_changes_nothing_and_what_may_change_variables_ends_the_reading() {
    check(&[
        ("A=1\nls -l\nB=2", &["1:A=1", "3:B=2"], End::All),
        ("A\nB=1", &["2:B=1"], End::All),
        ("a b=c\nD=1", &["2:D=1"], End::All),
        ("ls x-[1] [a]\nB=2", &["2:B=2"], End::All),
        ("A=1\ncd /\nB=2", &["1:A=1"], End::Unsure(3)),
        ("A=1\ncd /", &["1:A=1"], End::Unsure(3)),
        ("echo A=1\nB=2", &[], End::Unsure(2)),
        ("a{b,c}\nB=2", &[], End::Unsure(2)),
        ("/bin/x*\nB=2", &[], End::Unsure(2)),
    ]);
}

#[test]
fn an_assignment_before_a_command_is_lost_and_one_behind_export_is_made() {
    check(&[
        ("A=1 ls\nB=2", &["1:A unset", "2:B=2"], End::All),
        ("A=1 cd /\nB=2", &["1:A unset"], End::Unsure(2)),
        ("A=1 A=2 ls\nB=$A", &["1:A unset", "1:A unset", "2:B unsure"], End::All),
        ("export A=1 B=2", &["1:A=1", "1:B=2"], End::All),
        ("export A=1 x* B=2", &["1:A=1", "1:B=2"], End::Unsure(2)),
        ("export A=1 B=x* C=1\nD=2", &["1:A=1", "1:B unsure", "1:C=1", "2:D=2"], End::All),
    ]);
}

#[test]
fn operators_decide_whether_an_assignment_is_made() {
    check(&[
        ("A=1;B=2 & C=3", &["1:A=1", "1:B unset", "1:C=3"], End::All),
        ("A=1 &", &["1:A unset"], End::All),
        ("A=1 | B=2; C=3", &["1:A unset", "1:B unset", "1:C=3"], End::All),
        ("A=1 && B=2", &["1:A other", "1:B other"], End::All),
        ("A=1 || B=2; C=3", &["1:A other", "1:B other", "1:C=3"], End::All),
        ("A=1 >f", &["1:A other"], End::All),
        ("A=1 >>f\nB=2", &["1:A other", "2:B=2"], End::All),
        ("A=1 >|f", &["1:A other"], End::All),
    ]);
}

#[test]
fn what_is_no_syntax_ends_the_file_there() {
    let cut = |text| (text, &[][..], End::Cut(1));
    check(&["A=1 >", "A=1 > ;", "A=1 ;; B=2", "A=1 )", "; A=1", "& A=1"].map(cut));
    check(&["A=`ls", "A=$'x", "A='x", "A=\"x"].map(cut));
}

#[test]
fn what_takes_more_of_a_shell_is_not_followed() {
    let unsure = |text| (text, &[][..], End::Unsure(1));
    check(&["A=1 <<x", "A=1 >&2", "A=1 (", "(A=1)", "A=1 &> f", "A=1 |& f"].map(unsure));
    check(&["A=1 ||", "A=1 &&\nB=2", "if A=1", "\0", "A[0]=1", "A=$((1))", "A=$[1]"].map(unsure));
    check(&["A=$(if x)", "A=$( ls", "A=${B", "A=${B:x}", "A=${1}"].map(unsure));
    check(&[("A=1\nif true\nB=2", &["1:A=1"], End::Unsure(2)), ("A=if", &["1:A=if"], End::All)]);
}

#[test]
fn blanks_comments_and_continued_lines_part_words() {
    check(&[
        ("A=1 # x\nB=2", &["1:A=1", "2:B=2"], End::All),
        ("A=1 \\\n B=2", &["1:A=1", "2:B=2"], End::All),
        ("\tA=1 \t\n\n B=2\r\n", &["1:A=1", "3:B=2\r"], End::All),
    ]);
}

#[test]
fn quotes_go_and_a_backslash_takes_what_is_behind_it() {
    check(&[
        ("A='x'\"y\"\\z", &["1:A=xyz"], End::All),
        ("A=\"a\\\"\\$\\x\\`\\\\\"", &["1:A=a\"$\\x`\\"], End::All),
        ("A=$'x\\'y'\nB=2", &["1:A other", "2:B=2"], End::All),
        ("A=a{b,c}*", &["1:A=a{b,c}*"], End::All),
        ("A=x[1]\nB=2", &["1:A=x[1]", "2:B=2"], End::All),
    ]);
}

#[test]
fn a_variable_of_the_file_is_put_in_and_another_expansion_is_another_text() {
    check(&[
        ("A=1\nB=${A}$A", &["1:A=1", "2:B=11"], End::All),
        ("A=x$B.y\nB=1\nC=x$B.y", &["1:A=x.y", "2:B=1", "3:C=x1.y"], End::All),
        ("A=$(ls)\nB=2", &["1:A other", "2:B=2"], End::All),
        ("A=`ls`x", &["1:A other"], End::All),
        ("A=\"$B`ls`\"", &["1:A other"], End::All),
        ("A=${B:-x}y\nC=${B+x}", &["1:A other", "2:C other"], End::All),
        ("A=$1x\nB=$9$?", &["1:A other", "2:B other"], End::All),
        ("A=$\"x\"\nB=\"$'x'\"", &["1:A=x", "2:B=$'x'"], End::All),
        ("A=$", &["1:A=$"], End::All),
        ("A=1\nA+=x", &["1:A=1", "2:A other"], End::All),
    ]);
}

#[test]
fn a_tilde_counts_where_a_path_begins() {
    check(&[
        ("A=x:~\nB=~\nC=a~b\nD=~:~/x", &["1:A other", "2:B other", "3:C=a~b", "4:D other"], End::All),
        ("A=b:a~", &["1:A=b:a~"], End::All),
        ("A=~\"x\"\nB=~'x'\nC=~\\x", &["1:A=~x", "2:B=~x", "3:C=~x"], End::All),
        ("A=~root\nB=~+\nC=~-/x", &["1:A unsure", "2:B other", "3:C unsure"], End::All),
    ]);
}

#[test]
fn what_bash_sets_itself_is_unsure() {
    let special = ["1:PWD unsure", "2:BASH_X unsure", "3:BASHX unsure", "4:A other"];
    check(&[("PWD=1\nBASH_X=1\nBASHX=2\nA=$PWD", &special, End::All)]);
}

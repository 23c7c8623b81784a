//! `mutant-switch TREE MUTANTS`: puts every mutant of a list into the sources of TREE, each behind a switch,
//! so that one build serves for all of them: the variable MUTANT says by its number which one a process is, and
//! none is 0.
//!
//! MUTANTS is what `cargo mutants --list --json` prints, each with a number `id`. Printed as JSON is where the
//! text of each mutant is now, in bytes: by that, the errors of a compiler tell which mutants do not compile.
//! What is in no place was not put in: mutants of constants, which no switch can reach, and of arms without
//! which a match would not be complete.
//!
//! A changed expression stays one: where cargo-mutants makes `a - b + c` of `a - b * c`, this makes
//! `a - (b + c)`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::{env, fs, mem};

use serde::Deserialize;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// What is put at the end of a crate.
const SWITCH: &str = r#"
pub(crate) fn mutant() -> usize {
    static MUTANT: std::sync::LazyLock<usize> =
        std::sync::LazyLock::new(|| std::env::var("MUTANT").map_or(0, |id| id.parse().unwrap()));
    *MUTANT
}
"#;

/// Where in a text which mutant is.
type Places = Vec<(Range<usize>, usize)>;

/// A mutant, as cargo-mutants lists it.
#[derive(Debug, Deserialize)]
struct Mutant {
    id: usize,
    file: String,
    span: LineSpan,
    replacement: String,
}

#[derive(Debug, Deserialize)]
struct LineSpan {
    start: Place,
    end: Place,
}

/// Both count from 1; a column is a character.
#[derive(Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

impl Mutant {
    /// Returns which bytes of the source it replaces.
    fn range(&self, source: &str) -> Range<usize> {
        self.span.start.offset(source)..self.span.end.offset(source)
    }
}

impl Place {
    fn offset(&self, source: &str) -> usize {
        let line: usize = source.split_inclusive('\n').take(self.line - 1).map(str::len).sum();
        line + source[line..].chars().take(self.column - 1).map(char::len_utf8).sum::<usize>()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [_, tree, list] = &env::args().collect::<Vec<_>>()[..] else {
        return Err("usage: mutant-switch TREE MUTANTS".into());
    };
    let mut files = BTreeMap::<String, Vec<Mutant>>::new();
    for mutant in serde_json::from_str::<Vec<Mutant>>(&fs::read_to_string(list)?)? {
        files.entry(mutant.file.clone()).or_default().push(mutant);
    }
    let (mut places, mut crates) = (Vec::new(), BTreeSet::new());
    for (file, mutants) in files {
        let path = Path::new(tree).join(&file);
        let (text, put) = put_in(&fs::read_to_string(&path)?, mutants)?;
        fs::write(path, text)?;
        places.extend(put.into_iter().map(|(place, id)| (file.clone(), place.start, place.end, id)));
        crates.extend(file.split_once("/src/").map(|(package, _)| package.to_owned()));
    }
    for root in
        crates.iter().flat_map(|package| ["src/lib.rs", "build.rs"].map(|root| format!("{package}/{root}")))
    {
        let path = Path::new(tree).join(root);
        if path.exists() {
            fs::write(&path, fs::read_to_string(&path)? + SWITCH)?;
        }
    }
    Ok(serde_json::to_writer(std::io::stdout(), &places)?)
}

/// Returns the source with all the mutants in it, and where in it each of them is.
fn put_in(source: &str, mutants: Vec<Mutant>) -> syn::Result<(String, Places)> {
    let mut waiting = BTreeMap::<_, Vec<_>>::new();
    for mutant in mutants {
        let range = mutant.range(source);
        waiting.entry((range.start, range.end)).or_default().push((mutant.id, mutant.replacement));
    }
    let mut switches = Switches { source, waiting, insertions: Vec::new(), count: 0 };
    switches.visit_file(&syn::parse_file(source)?);
    Ok(switches.write())
}

/// Finds what mutants change, and collects what has to be inserted for that.
struct Switches<'a> {
    source: &'a str,
    /// By what they replace: numbers and replacements of the mutants that are not in yet.
    waiting: BTreeMap<(usize, usize), Vec<(usize, String)>>,
    insertions: Vec<Insertion>,
    count: isize,
}

/// A text to insert; with the number of the mutant that it is of.
struct Insertion {
    at: usize,
    /// Among texts for one place: what ends there before what begins; the outer begins first and ends last.
    order: (bool, isize),
    text: String,
    id: Option<usize>,
}

impl Switches<'_> {
    /// Inserts texts before something, and one after it. What is within has to be visited later.
    fn wrap(&mut self, range: Range<usize>, before: Vec<(String, Option<usize>)>, after: &str) {
        self.count += 1;
        let begin = |(text, id)| Insertion { at: range.start, order: (true, self.count), text, id };
        self.insertions.extend(before.into_iter().map(begin));
        let end = Insertion { at: range.end, order: (false, -self.count), text: after.to_owned(), id: None };
        self.insertions.extend((!after.is_empty()).then_some(end));
    }

    fn take(&mut self, range: &Range<usize>) -> Vec<(usize, String)> {
        self.waiting.remove(&(range.start, range.end)).unwrap_or_default()
    }

    /// Puts in the mutants of a part of an expression: in a copy of the whole of it, this part is replaced.
    fn switch(&mut self, whole: Range<usize>, part: Range<usize>) {
        let mutants = self.take(&part);
        if mutants.is_empty() {
            return;
        }
        let (head, tail) = (&self.source[whole.start..part.start], &self.source[part.end..whole.end]);
        let mut before = vec![("(match crate::mutant() { ".to_owned(), None)];
        before.extend(
            mutants.into_iter().map(|(id, text)| (format!("{id} => {{ {head}{text}{tail} }} "), Some(id))),
        );
        before.push(("_ => { ".to_owned(), None));
        self.wrap(whole, before, " } })");
    }

    /// Puts in the mutant that has no such arm.
    fn arm(&mut self, arm: &syn::Arm) {
        for (id, _) in self.take(&bytes(arm)) {
            let (place, before, after) = match &arm.pat {
                syn::Pat::Guard(pattern) => {
                    (bytes(&pattern.guard), format!("crate::mutant() != {id} && ("), ")")
                }
                pattern => {
                    let end = bytes(pattern).end;
                    (end..end, format!(" if crate::mutant() != {id}"), "")
                }
            };
            self.wrap(place, vec![(before, Some(id))], after);
        }
    }

    /// Puts in the mutants of a function: they return before its first statement. No function stays `const`, for
    /// what is switched is not.
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        if let Some(constant) = &signature.constness {
            self.wrap(bytes(constant), vec![("/* ".to_owned(), None)], " */");
        }
        let (Some(first), Some(last)) = (body.stmts.first(), body.stmts.last()) else { return };
        let statements = bytes(first).start..bytes(last).end;
        let returns = |(id, value)| (format!("if crate::mutant() == {id} {{ return {value}; }} "), Some(id));
        let before = self.take(&statements).into_iter().map(returns).collect();
        self.wrap(statements, before, "");
    }

    /// Visits what the compiler computes: no mutant of that is put in.
    fn pass_by(&mut self, visit: impl FnOnce(&mut Self)) {
        let waiting = mem::take(&mut self.waiting);
        visit(self);
        self.waiting = waiting;
    }

    fn write(mut self) -> (String, Places) {
        self.insertions.sort_by_key(|insertion| (insertion.at, insertion.order));
        let (mut text, mut places, mut at) = (String::new(), Vec::new(), 0);
        for insertion in self.insertions {
            text += &self.source[at..insertion.at];
            at = insertion.at;
            places.extend(insertion.id.map(|id| (text.len()..text.len() + insertion.text.len(), id)));
            text += &insertion.text;
        }
        (text + &self.source[at..], places)
    }
}

impl<'ast> Visit<'ast> for Switches<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.function(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        self.switch(bytes(binary), bytes(&binary.op));
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        self.switch(bytes(unary), bytes(&unary.op));
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, expression: &'ast syn::ExprStruct) {
        for field in expression.fields.pairs() {
            self.switch(bytes(expression), bytes(field));
        }
        visit::visit_expr_struct(self, expression);
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        // An arm that may be switched off covers nothing, as the compiler sees it.
        if expression.arms.iter().any(|arm| matches!(arm.pat, syn::Pat::Wild(_))) {
            expression.arms.iter().for_each(|arm| self.arm(arm));
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_pat_guard(&mut self, pattern: &'ast syn::PatGuard) {
        self.switch(bytes(&pattern.guard), bytes(&pattern.guard));
        visit::visit_pat_guard(self, pattern);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.pass_by(|switches| visit::visit_item_const(switches, item));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.pass_by(|switches| visit::visit_impl_item_const(switches, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.pass_by(|switches| visit::visit_item_static(switches, item));
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.pass_by(|switches| visit::visit_expr_const(switches, block));
    }

    fn visit_expr_repeat(&mut self, array: &'ast syn::ExprRepeat) {
        self.visit_expr(&array.expr);
        self.pass_by(|switches| switches.visit_expr(&array.len));
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.pass_by(|switches| visit::visit_type_array(switches, array));
    }

    fn visit_generic_argument(&mut self, argument: &'ast syn::GenericArgument) {
        self.pass_by(|switches| visit::visit_generic_argument(switches, argument));
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.pass_by(|switches| visit::visit_variant(switches, variant));
    }
}

fn bytes(node: impl Spanned) -> Range<usize> {
    Spanned::span(&node).byte_range()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const SOURCE: &str = r#"
        struct Pair { left: u8, right: u8 }
        const LEN: usize = 1 + 1;
        fn difference(a: u8, b: u8) -> u8 { a - b * 2 }
        const fn is_small(x: u8) -> bool { !(x > 3) }
        fn name(x: u8) -> &'static str {
            match x { 1 => "one", 2 if x < 3 => "two", _ => "many" }
        }
        fn pair() -> Pair { Pair { left: 7, ..Pair { left: 8, right: 9 } } }
        fn main() {
            let Pair { left, right } = pair();
            print!("{} {} {} {} {left} {right} {LEN}", difference(9, 3), is_small(3), name(1), name(2));
        }
    "#;
    const UNCHANGED: &str = "3 true one two 7 9 2";

    /// Lists a mutant of the first `part` of the first `whole`.
    fn mutant(id: usize, whole: &str, part: &str, replacement: &str) -> Mutant {
        let whole = SOURCE.find(whole).unwrap();
        let start = whole + SOURCE[whole..].find(part).unwrap();
        let place = |at: usize| {
            let line = SOURCE[..at].rfind('\n').unwrap() + 1;
            Place { line: SOURCE[..at].matches('\n').count() + 1, column: at - line + 1 }
        };
        let span = LineSpan { start: place(start), end: place(start + part.len()) };
        Mutant { id, file: "main.rs".to_owned(), span, replacement: replacement.to_owned() }
    }

    #[test]
    fn each_mutant_does_what_it_should() {
        let cases = [
            ("a - b * 2", "a - b * 2", "1", "1 true one two 7 9 2"),
            ("a - b * 2", "-", "+", "15 true one two 7 9 2"),
            ("a - b * 2", "*", "+", "4 true one two 7 9 2"),
            ("!(x > 3)", "!", "", "3 false one two 7 9 2"),
            ("!(x > 3)", ">", ">=", "3 false one two 7 9 2"),
            ("1 =>", r#"1 => "one","#, "", "3 true many two 7 9 2"),
            ("2 if", r#"2 if x < 3 => "two","#, "", "3 true one many 7 9 2"),
            ("2 if", "x < 3", "false", "3 true one many 7 9 2"),
            ("2 if", "<", ">", "3 true one many 7 9 2"),
            ("left: 7", "left: 7,", "", "3 true one two 8 9 2"),
        ];
        let mutants = cases
            .iter()
            .enumerate()
            .map(|(at, (whole, part, replacement, _))| mutant(at + 1, whole, part, replacement));
        let (text, places) = put_in(SOURCE, mutants.collect()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let program = build(&text, folder.path());
        assert_eq!(run(&program, 0), UNCHANGED);
        for (at, (_, part, replacement, expected)) in cases.iter().enumerate() {
            assert_eq!(&run(&program, at + 1), expected, "{part} replaced with {replacement}");
            let place = places.iter().find(|(_, id)| *id == at + 1).unwrap().0.clone();
            assert!(text[place].contains(replacement));
        }
    }

    #[test]
    fn a_constant_has_no_switch() {
        let (text, places) = put_in(SOURCE, vec![mutant(1, "1 + 1", "+", "-")]).unwrap();
        assert!(text.contains("const LEN: usize = 1 + 1;"));
        assert_eq!(places, []);
    }

    fn build(text: &str, folder: &Path) -> std::path::PathBuf {
        let source = folder.join("main.rs");
        fs::write(&source, text.to_owned() + SWITCH).unwrap();
        let program = folder.join("program");
        let options = ["--edition=2024", "--cap-lints=allow", "-o"];
        let built = Command::new("rustc").args(options).arg(&program).arg(source).status().unwrap();
        assert!(built.success(), "{text}");
        program
    }

    fn run(program: &Path, mutant: usize) -> String {
        let output = Command::new(program).env("MUTANT", mutant.to_string()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

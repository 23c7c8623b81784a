//! Lists of texts in a TOML file, changed the way a person would: a list with a line for each text gets a new
//! line, and a comment stays with the text that it stands behind.

use toml_edit::{Array, Value};

/// Adds a text at the end.
pub(super) fn push(array: &mut Array, text: &str) {
    let indent = indent(array);
    // What stands behind the last text: in one line a space, else perhaps a comment, which stays where it is.
    let behind = take_behind_last(array);
    let (prefix, trailing) = match &indent {
        Some(indent) => (format!("{}\n{indent}", behind.trim_end()), "\n".to_owned()),
        None if array.is_empty() => (String::new(), behind),
        None => (" ".to_owned(), behind),
    };
    let mut value = Value::from(text);
    value.decor_mut().set_prefix(prefix);
    array.push_formatted(value);
    array.set_trailing(trailing);
}

/// Removes the texts for which `is_gone` holds.
pub(super) fn remove(array: &mut Array, is_gone: impl Fn(&str) -> bool) {
    let mut position = 0;
    while let Some(value) = array.get(position) {
        if value.as_str().is_some_and(&is_gone) { remove_at(array, position) } else { position += 1 }
    }
}

/// Returns the space before the texts of a list that has a line for each; `None` for a list in one line.
fn indent(array: &Array) -> Option<String> {
    let last = array.iter().last()?;
    prefix(last).rsplit_once('\n').map(|(_, indent)| indent.to_owned())
}

/// Takes what stands between the last text and the closing bracket.
fn take_behind_last(array: &mut Array) -> String {
    let trailing = array.trailing().as_str().unwrap_or_default().to_owned();
    let last = array.len().checked_sub(1).and_then(|last| array.get_mut(last));
    let suffix = last.map(|last| {
        let suffix = last.decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default().to_owned();
        last.decor_mut().set_suffix("");
        suffix
    });
    suffix.unwrap_or_default() + &trailing
}

/// Removes one text and the comment behind it in its line. Comments on lines of their own stay, and so does the
/// one behind the text before, which the parser counts as part of this one.
fn remove_at(array: &mut Array, position: usize) {
    let is_last = position + 1 == array.len();
    let next = if is_last {
        take_behind_last(array)
    } else {
        array.get(position + 1).map_or_else(String::new, prefix)
    };
    let own = prefix(&array.remove(position));
    let kept = match (own.rfind('\n'), next.find('\n')) {
        (Some(end), Some(start)) => format!("{}{}", &own[..end], &next[start..]),
        (_, None) if position == 0 && !is_last => own,
        _ => next,
    };
    match array.get_mut(position) {
        Some(value) => value.decor_mut().set_prefix(kept),
        None => array.set_trailing(kept),
    }
}

fn prefix(value: &Value) -> String {
    value.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use toml_edit::DocumentMut;

    use super::*;

    fn changed(list: &str, change: impl FnOnce(&mut Array)) -> String {
        let mut document: DocumentMut = format!("x = {list}\n").parse().unwrap();
        change(document["x"].as_array_mut().unwrap());
        let text = document.to_string();
        text.parse::<DocumentMut>().unwrap();
        text.strip_prefix("x = ").and_then(|text| text.strip_suffix('\n')).unwrap().to_owned()
    }

    fn pushed(list: &str) -> String {
        changed(list, |array| push(array, "new"))
    }

    fn without_b(list: &str) -> String {
        changed(list, |array| remove(array, |text| text == "b"))
    }

    #[test]
    fn a_list_in_one_line_stays_in_one() {
        for (before, after) in [
            ("[]", "[\"new\"]"),
            ("[\"a\"]", "[\"a\", \"new\"]"),
            ("['a']", "['a', \"new\"]"),
            ("[ \"a\", \"b\" ]", "[ \"a\", \"b\", \"new\" ]"),
            ("[\"a\",]", "[\"a\", \"new\",]"),
        ] {
            assert_eq!(pushed(before), after, "{before}");
        }
    }

    #[test]
    fn a_list_with_a_line_for_each_gets_a_line() {
        for (before, after) in [
            ("[\n  \"a\",\n]", "[\n  \"a\",\n  \"new\",\n]"),
            ("[\n  \"a\"\n]", "[\n  \"a\",\n  \"new\"\n]"),
            ("[\n\t\"a\", # why\n]", "[\n\t\"a\", # why\n\t\"new\",\n]"),
            ("[\n\t\"a\" # why\n]", "[\n\t\"a\", # why\n\t\"new\"\n]"),
            ("[\n  \"a\",\n  # more to come\n]", "[\n  \"a\",\n  # more to come\n  \"new\",\n]"),
        ] {
            assert_eq!(pushed(before), after, "{before}");
        }
    }

    #[test]
    fn a_text_goes_without_a_trace() {
        for (before, after) in [
            ("[\"b\"]", "[]"),
            ("[\"a\", \"b\"]", "[\"a\"]"),
            ("[\"b\", \"a\"]", "[\"a\"]"),
            ("[\"b\", \"a\", \"b\"]", "[\"a\"]"),
            ("[\n  \"a\",\n  \"b\",\n  \"c\",\n]", "[\n  \"a\",\n  \"c\",\n]"),
            ("[\n  \"a\",\n  \"b\",\n]", "[\n  \"a\",\n]"),
            ("[\n  \"a\",\n  \"b\"\n]", "[\n  \"a\"\n]"),
            ("[\n  \"b\",\n  \"c\",\n]", "[\n  \"c\",\n]"),
        ] {
            assert_eq!(without_b(before), after, "{before}");
        }
    }

    #[test]
    fn a_comment_stays_with_the_text_that_it_stands_behind() {
        for (before, after) in [
            (
                "[\n  \"a\", # one\n  \"b\", # two\n  \"c\", # three\n]",
                "[\n  \"a\", # one\n  \"c\", # three\n]",
            ),
            ("[\n  \"a\", # one\n  \"b\", # two\n]", "[\n  \"a\", # one\n]"),
            ("[\n  \"a\",\n  # two\n  \"b\",\n  \"c\",\n]", "[\n  \"a\",\n  # two\n  \"c\",\n]"),
            ("[ # all\n  \"b\", # two\n  \"c\",\n]", "[ # all\n  \"c\",\n]"),
        ] {
            assert_eq!(without_b(before), after, "{before}");
        }
    }
}

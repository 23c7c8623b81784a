//! `docker run --env-file`, by its source:
//! <https://github.com/docker/cli/blob/v28.2.2/pkg/kvfile/kvfile.go>. No quotes, no escapes, no comments
//! behind values; a name with a blank makes the whole file an error.

use super::cursor::Cursor;
use super::{End, Entry, Reading, Value};

/// The shortest line that is refused: `bufio.MaxScanTokenSize`.
const MAX_LINE: usize = 64 * 1024;

pub(super) fn read(text: &str) -> Reading {
    let mut reading = Reading { entries: Vec::new(), end: End::All };
    let mut cursor = Cursor::new(text);
    // Only the first line's byte order mark is taken off.
    cursor.eat("\u{feff}");
    while !cursor.is_at_end() {
        let start = cursor.at;
        let line = cursor.take_line();
        cursor.eat("\n");
        match assignment(line) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                let line = cursor.line_at(start);
                reading.entries.push(Entry { line, name: name.to_owned(), value: Value::known(value) });
            }
            Err(Refused) => {
                reading.end = End::Refused(cursor.line_at(start));
                break;
            }
        }
    }
    reading
}

/// The line makes the whole file an error.
struct Refused;

/// Returns the assignment of a line. A name alone takes its value from docker's own environment.
fn assignment(line: &str) -> Result<Option<(&str, &str)>, Refused> {
    if line.len() >= MAX_LINE {
        return Err(Refused);
    }
    let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let name = line.split('=').next().unwrap_or_default();
    if name.is_empty() || name.contains([' ', '\t']) {
        return Err(Refused);
    }
    Ok(line.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn a_value_is_the_rest_of_its_line() {
        let text = "\u{feff}A=\"x\" # y \r\n  B=$HOME\n\n# C=1\nD=\nE\nF=x\\ny";
        assert_eq!(shown(&read(text)), ["1:A=\"x\" # y ", "2:B=$HOME", "5:D=", "7:F=x\\ny"]);
    }

    #[test]
    fn a_blank_in_a_name_refuses_the_file() {
        for text in ["A=1\nexport B=2\n", "A=1\nB =2", "A=1\n=2", "A=1\nB\tC"] {
            assert_eq!(read(text).end, End::Refused(2), "{text:?}");
        }
    }

    #[test]
    fn the_lines_of_a_multi_line_value_are_lines() {
        assert_eq!(shown(&read("A=\"x\ny=z\"")), ["1:A=\"x", "2:y=z\""]);
        assert_eq!(read("A=\"x\ny z\"").end, End::Refused(2));
    }

    #[test]
    fn a_line_of_64_kib_is_refused() {
        let line = |length: usize| format!("A={}", "x".repeat(length - 2));
        assert_eq!(read(&line(65_535)).end, End::All);
        assert_eq!(read(&line(65_536)).end, End::Refused(1));
    }
}

//! One flat JSON object of names and texts, as other vaults export it. Anything else is refused: a number
//! that is read and written again need not be the same text, and a nested value is no secret.
//!
//! The crate's own errors may repeat a value and must not get out of this file.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::secret::SecretString;

/// A JSON text that can't be read. It says where, not what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {mistake}")]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The rule that it breaks.
    pub mistake: JsonMistake,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonMistake {
    /// The outermost value is no object.
    #[error("not an object of names and texts")]
    NotAnObject,
    /// A value is a number, a truth value, a list or an object.
    #[error("a value that is neither a text nor null")]
    NotAText,
    /// The text is no JSON.
    #[error("not JSON")]
    Syntax,
    /// The same name twice: readers differ in which of them they take.
    #[error("a name that was given before")]
    Twice,
}

/// Reads names and values in the order of the text. `null` is no value, and never the text `null`.
///
/// # Errors
///
/// [`JsonError`] tells the line and the rule.
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Option<SecretString>)>, JsonError> {
    let mistake = Cell::new(JsonMistake::Syntax);
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = json.deserialize_any(Object(&mistake)).and_then(|object| json.end().map(|()| object));
    read.map_err(|error| {
        let found = if error.is_data() { mistake.get() } else { JsonMistake::Syntax };
        JsonError { line: error.line().max(1), mistake: found }
    })
}

/// Reads the object, and notes why where it refuses.
struct Object<'m>(&'m Cell<JsonMistake>);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Vec<(String, Option<SecretString>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(JsonMistake::NotAnObject);
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut read, mut seen) = (Vec::new(), HashSet::new());
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                self.0.set(JsonMistake::Twice);
                return Err(A::Error::custom("twice"));
            }
            read.push((name, map.next_value_seed(Text(self.0))?));
        }
        Ok(read)
    }
}

/// Reads a text or `null`.
struct Text<'m>(&'m Cell<JsonMistake>);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Option<SecretString>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Option<SecretString>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(JsonMistake::NotAText);
        f.write_str("a text or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(SecretString::new(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Result<Vec<(String, Option<String>)>, JsonError> {
        let read = read(text.as_bytes())?;
        Ok(read
            .into_iter()
            .map(|(name, value)| (name, value.map(|v| v.expose_secret().to_owned())))
            .collect())
    }

    #[test]
    fn texts_are_decoded_and_null_is_no_value() {
        let read = pairs(r#"{"A": "x\ny\u00e9\"", "B": null, "C": "null", "D": ""}"#).unwrap();
        let text = |text: &str| Some(text.to_owned());
        let expected = [("A", text("x\nyé\"")), ("B", None), ("C", text("null")), ("D", text(""))];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn what_is_no_flat_object_of_texts_is_refused_by_line_and_rule() {
        let cases = [
            ("", 1, JsonMistake::Syntax),
            ("{\"A\":\"x\"\n", 2, JsonMistake::Syntax),
            ("{\"A\":\"x\"} {}", 1, JsonMistake::Syntax),
            ("{\"A\":\"\\ud800\"}", 1, JsonMistake::Syntax),
            ("[\"A\"]", 1, JsonMistake::NotAnObject),
            ("\"A\"", 1, JsonMistake::NotAnObject),
            ("null", 1, JsonMistake::NotAnObject),
            ("{\"A\":\"x\",\n\"B\":1}", 2, JsonMistake::NotAText),
            ("{\"A\":true}", 1, JsonMistake::NotAText),
            ("{\"A\":{\"B\":\"x\"}}", 1, JsonMistake::NotAText),
            ("{\"A\":[\"x\"]}", 1, JsonMistake::NotAText),
            ("{\"A\":\"x\",\n\n\"A\":\"x\"}", 3, JsonMistake::Twice),
        ];
        for (text, line, mistake) in cases {
            assert_eq!(pairs(text), Err(JsonError { line, mistake }), "{text:?}");
        }
    }

    #[test]
    fn an_error_shows_nothing_of_the_text() {
        for text in
            ["{\"A\": 98765}", "{\"A\": 98765", "[98765]", "98765", "{\"98765\": \"\", \"98765\": \"\"}"]
        {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("98765"), "{error}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_at_its_first_level() {
        let text = format!("{{\"A\":{}", "[".repeat(1 << 20));
        assert_eq!(pairs(&text).unwrap_err().mistake, JsonMistake::NotAText);
    }
}

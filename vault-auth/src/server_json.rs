//! Members of a server's JSON, read as widely as servers write them: a member of an unexpected kind counts as
//! missing, so that an answer with new tokens is never lost to a detail beside them.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use vault_core::secret::SecretString;

/// Ten years: a longer time is taken as this one, so that no date overflows.
const MAX_SECONDS: u64 = 315_360_000;

/// Reads a text that is a secret. An empty one counts as missing.
pub(crate) fn secret<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SecretString>, D::Error> {
    Ok(text(input)?.filter(|text| !text.is_empty()).map(SecretString::new))
}

/// Reads a text.
pub(crate) fn text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::String(text) => Some(text),
        _ => None,
    })
}

/// Reads a text, or a number as the text it is written with: user ids are both.
pub(crate) fn label<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Reads a list of texts.
pub(crate) fn texts<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(Vec::<String>::deserialize(Value::deserialize(input)?).ok())
}

/// Reads a number of seconds, which some servers write as a text or with a fraction. What is negative or no
/// number counts as missing.
pub(crate) fn seconds<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let number = match Value::deserialize(input)? {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(number.map(|seconds| seconds.min(MAX_SECONDS)))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is positive, and cut off before"
)]
fn whole(number: f64) -> Option<u64> {
    (number >= 0.0).then(|| number.min(MAX_SECONDS as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Answer {
        #[serde(default, deserialize_with = "seconds")]
        expires_in: Option<u64>,
        #[serde(default, deserialize_with = "secret")]
        access_token: Option<SecretString>,
        #[serde(default, deserialize_with = "texts")]
        scopes: Option<Vec<String>>,
    }

    fn read(json: &str) -> Answer {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn seconds_come_as_numbers_texts_and_fractions() {
        for (json, seconds) in [
            ("{}", None),
            ("{\"expires_in\":3600}", Some(3_600)),
            ("{\"expires_in\":\"3600\"}", Some(3_600)),
            ("{\"expires_in\":3599.9}", Some(3_599)),
            ("{\"expires_in\":0}", Some(0)),
            ("{\"expires_in\":-1}", None),
            ("{\"expires_in\":null}", None),
            ("{\"expires_in\":\"soon\"}", None),
            ("{\"expires_in\":[1]}", None),
            ("{\"expires_in\":18446744073709551615}", Some(MAX_SECONDS)),
            ("{\"expires_in\":1e300}", Some(MAX_SECONDS)),
        ] {
            assert_eq!(read(json).expires_in, seconds, "{json}");
        }
    }

    #[test]
    fn a_member_of_another_kind_counts_as_missing() {
        let answer = read("{\"access_token\":{\"x\":1},\"scopes\":\"a b\"}");
        assert!(answer.access_token.is_none() && answer.scopes.is_none());
        assert!(read("{\"access_token\":\"\"}").access_token.is_none());
        assert_eq!(read("{\"access_token\":\"t\"}").access_token.unwrap().expose_secret(), "t");
    }
}

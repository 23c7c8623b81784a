//! Times as people and programs read them: RFC 3339 dates, and ages.

use jiff::{SignedDuration, Timestamp};
use serde::Serializer;

/// Returns a time as an RFC 3339 date in UTC, to the second.
pub(crate) fn date(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| format!("@{seconds}"), |timestamp| timestamp.to_string())
}

/// Serializes a time as [`date`] does.
pub(crate) fn as_date<S: Serializer>(seconds: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&date(*seconds))
}

/// Returns how long ago a time is, in its largest unit. A time in the future (a clock was wrong) is `now`.
pub(crate) fn age(seconds: u64, now: u64) -> String {
    let elapsed = SignedDuration::from_secs(i64::try_from(now.saturating_sub(seconds)).unwrap_or(i64::MAX));
    let units = [(elapsed.as_hours() / 24, "d"), (elapsed.as_hours(), "h"), (elapsed.as_mins(), "m")];
    let largest = units.into_iter().find(|(count, _)| *count > 0);
    largest.map_or_else(|| "now".to_owned(), |(count, unit)| format!("{count}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_rfc_3339() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(1_700_000_000), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn an_impossible_date_is_still_shown() {
        assert_eq!(date(u64::MAX), format!("@{}", u64::MAX));
    }

    #[test]
    fn ages_have_one_unit() {
        for (elapsed, shown) in [(0, "now"), (59, "now"), (60, "1m"), (7_199, "1h"), (172_800, "2d")] {
            assert_eq!(age(1_000, 1_000 + elapsed), shown);
        }
        assert_eq!(age(2_000, 1_000), "now");
    }
}

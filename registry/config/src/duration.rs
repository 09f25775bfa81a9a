use std::{fmt, str::FromStr, time::Duration};

use serde::{Serialize, Serializer};

/// A length of time as Go writes it: `30s`, `1m30s`, `500ms`, `1.5h`, `0`. Never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

/// The text is no duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration such as 30s, 1m30s or 500ms")]
pub struct GoDurationError;

const UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl FromStr for GoDuration {
    type Err = GoDurationError;

    fn from_str(text: &str) -> Result<Self, GoDurationError> {
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(GoDurationError);
        }
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let (part, tail) = leading_part(rest).ok_or(GoDurationError)?;
            total = total.checked_add(part).ok_or(GoDurationError)?;
            rest = tail;
        }
        Ok(Self(total))
    }
}

/// `1m30s` -> (one minute, `30s`).
fn leading_part(text: &str) -> Option<(Duration, &str)> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, tail) = text.split_at(number_end);
    let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
    let (unit, tail) = tail.split_at(unit_end);
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = number.parse().ok()?;
    Some((Duration::try_from_secs_f64(number * seconds).ok()?, tail))
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanoseconds = self.0.subsec_nanos();
        let seconds = self.0.as_secs();
        match (seconds, nanoseconds) {
            (0, 0) => f.write_str("0s"),
            (_, 0) => write!(f, "{seconds}s"),
            (0, _) => write!(f, "{nanoseconds}ns"),
            (_, _) => write!(f, "{seconds}s{nanoseconds}ns"),
        }
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", Duration::ZERO)]
    #[case("0s", Duration::ZERO)]
    #[case("30s", Duration::from_secs(30))]
    #[case("1m30s", Duration::from_secs(90))]
    #[case("1.5h", Duration::from_mins(90))]
    #[case("500ms", Duration::from_millis(500))]
    #[case("+1h1ns", Duration::new(3600, 1))]
    fn reads_what_go_reads(#[case] text: &str, #[case] expected: Duration) {
        assert_eq!(text.parse(), Ok(GoDuration(expected)));
    }

    #[rstest]
    #[case("")]
    #[case("30")]
    #[case("-1s")]
    #[case("1x")]
    #[case("s")]
    #[case("1..5s")]
    #[case("99999999999999999999999h")]
    fn refuses_the_rest(#[case] text: &str) {
        assert_eq!(text.parse::<GoDuration>(), Err(GoDurationError));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0u64..1_000_000_000, nanoseconds in 0u32..1_000_000_000) {
            let duration = GoDuration(Duration::new(seconds, nanoseconds));
            // Nine decimal digits of seconds are beyond a double, so the parts are separate units.
            proptest::prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}

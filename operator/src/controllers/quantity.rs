//! Quantities as Kubernetes writes them: `20Gi`, `500m`, `1e3`.

use std::str::FromStr;

/// A quantity in billionths of its unit, rounded up as the API server rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

/// The text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quantity: write a number with an optional unit, for example 20Gi")]
pub struct NotAQuantity(String);

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
}

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(Self).ok_or_else(|| NotAQuantity(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<i128> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let (numerator, denominator) = multiplier(suffix)?;
    let value = digits.checked_mul(NANO)?.checked_mul(numerator)?;
    let divisor = scale.checked_mul(denominator)?;
    let rounded_up = value.checked_add(divisor - 1)? / divisor;
    Some(sign * rounded_up)
}

/// The factor of a suffix, as a fraction.
fn multiplier(suffix: &str) -> Option<(i128, i128)> {
    let whole = |factor: i128| Some((factor, 1));
    match suffix {
        "" => whole(1),
        "n" => Some((1, NANO)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "k" => whole(1_000),
        "M" => whole(1_000_000),
        "G" => whole(NANO),
        "T" => whole(1_000 * NANO),
        "P" => whole(1_000_000 * NANO),
        "E" => whole(NANO * NANO),
        "Ki" => whole(1 << 10),
        "Mi" => whole(1 << 20),
        "Gi" => whole(1 << 30),
        "Ti" => whole(1 << 40),
        "Pi" => whole(1 << 50),
        "Ei" => whole(1 << 60),
        _ => exponent(suffix),
    }
}

fn exponent(suffix: &str) -> Option<(i128, i128)> {
    let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    Some(if power < 0 { (1, factor) } else { (factor, 1) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Quantity;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn equal_however_written() {
        for (left, right) in [
            ("0.5", "500m"),
            ("1Gi", "1024Mi"),
            ("1e3", "1k"),
            ("1E", "1000P"),
            ("+2", "2"),
            (".5", "500m"),
            ("5.", "5"),
        ] {
            assert_eq!(quantity(left), quantity(right), "{left} {right}");
        }
        assert!(quantity("20Gi") > quantity("21G"));
        assert!(quantity("-1") < quantity("0"));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in
            ["", "Gi", "-", ".", "1.2.3", "1GB", "1 Gi", "1e", "0x10", "99999999999999999999999999999999Ei"]
        {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,24}") {
            let _ = text.parse::<Quantity>();
        }

        #[test]
        fn a_binary_unit_is_1024_of_the_one_below(count in 0u32..1_000_000) {
            prop_assert_eq!(quantity(&format!("{count}Gi")), quantity(&format!("{}Mi", u64::from(count) * 1024)));
        }
    }
}

//! Decimal arithmetic that is exact or says that it is not.
//!
//! `rust_decimal` keeps 28 digits and by itself gives up decimals where a result needs more. An amount that quietly
//! loses a cent is worse than one that is refused, so everything here returns `None` instead.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// How many decimals an amount of money has.
const AMOUNT_DECIMALS: u32 = 2;

/// The product, if it is exact.
pub(crate) fn multiply(left: Decimal, right: Decimal) -> Option<Decimal> {
    let product = left.checked_mul(right)?;
    (product.is_zero() || product.scale() == left.scale() + right.scale()).then_some(product)
}

/// The sum, if it is exact.
pub(crate) fn add(left: Decimal, right: Decimal) -> Option<Decimal> {
    let sum = left.checked_add(right)?;
    (sum.scale() == left.scale().max(right.scale())).then_some(sum)
}

/// Rounded half-up to two decimals, and written with exactly two, if there is room for them.
pub(crate) fn amount(value: Decimal) -> Option<Decimal> {
    let mut rounded = value.round_dp_with_strategy(AMOUNT_DECIMALS, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(AMOUNT_DECIMALS);
    (rounded.scale() == AMOUNT_DECIMALS).then_some(rounded)
}

/// Decodes a decimal from a string, or from a number as it is written. For `#[serde(deserialize_with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    deserializer.deserialize_any(ExactDecimal)
}

/// The decimal's own decoding rounds what has more than 28 digits; this one refuses it.
struct ExactDecimal;

impl Visitor<'_> for ExactDecimal {
    type Value = Decimal;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a decimal of at most 28 digits such as \"12.50\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
        Decimal::from_str_exact(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Decimal, E> {
        // The shortest text that reads as this number, which is what was written, up to 15 digits.
        Decimal::from_str_exact(&number.to_string()).map_err(|_| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Decimal, E> {
        Ok(number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Decimal, E> {
        Ok(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn amounts_are_rounded_half_up_and_have_two_decimals() {
        for (value, expected) in
            [("0.125", "0.13"), ("0.135", "0.14"), ("0.1249", "0.12"), ("2", "2.00"), ("0", "0.00"), ("9.999", "10.00")]
        {
            assert_eq!(amount(decimal(value)).unwrap().to_string(), expected, "{value}");
        }
    }

    #[test]
    fn what_would_lose_a_digit_is_refused() {
        let largest = Decimal::MAX;
        assert_eq!(multiply(largest, decimal("2")), None);
        assert_eq!(multiply(decimal("7922816251426433759354395.0335"), decimal("11")), None);
        assert_eq!(add(largest, decimal("1")), None);
        assert_eq!(add(largest, decimal("0.01")), None);
        assert_eq!(amount(largest), None);
    }

    #[test]
    fn what_is_exact_is_kept() {
        assert_eq!(multiply(decimal("4.9500"), decimal("3")), Some(decimal("14.85")));
        assert_eq!(multiply(decimal("0.0000"), decimal("4294967295")), Some(Decimal::ZERO));
        assert_eq!(add(decimal("0.50"), decimal("0.5")), Some(decimal("1")));
    }
}

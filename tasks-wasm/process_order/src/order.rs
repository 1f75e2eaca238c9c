//! The order as a publisher sends it, and the rules that it has to keep.

use rust_decimal::Decimal;
use serde::Deserialize;
use warren_task::Failure;

use crate::decimal;

/// Prices and rates with more decimals than this are a mistake rather than a wish.
const MAX_DECIMALS: u32 = 4;

/// An order. Fields that it doesn't know are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    /// The shop's own number, copied to the receipt.
    pub(crate) order_id: String,
    /// Three capital letters, as in ISO 4217.
    pub(crate) currency: String,
    /// The share of the subtotal that is added as tax, from 0 to 1: 0.19 for 19 %.
    #[serde(deserialize_with = "decimal::deserialize")]
    pub(crate) tax_rate: Decimal,
    pub(crate) lines: Vec<Line>,
}

/// So many of one thing.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u32,
    #[serde(deserialize_with = "decimal::deserialize")]
    pub(crate) unit_price: Decimal,
    /// The order's, where it is left out; never another.
    pub(crate) currency: Option<String>,
}

impl Order {
    /// Refuses an order that breaks a rule, with the first field that does.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.currency.len() != 3 || !self.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            let found = &self.currency;
            return Err(invalid("currency", format_args!("expected three capital letters, found {found:?}")));
        }
        if self.tax_rate < Decimal::ZERO || self.tax_rate > Decimal::ONE {
            return Err(invalid("tax_rate", format_args!("expected 0 to 1, found {}", self.tax_rate)));
        }
        decimals("tax_rate", self.tax_rate)?;
        if self.lines.is_empty() {
            return Err(Failure::business(format_args!("order {} has no lines", self.order_id)));
        }
        self.lines.iter().enumerate().try_for_each(|(index, line)| line.check(index, &self.currency))
    }
}

impl Line {
    fn check(&self, index: usize, order_currency: &str) -> Result<(), Failure> {
        let field = |name: &str| format!("lines[{index}].{name}");
        if self.sku.trim().is_empty() {
            return Err(invalid(&field("sku"), "expected a text, found none"));
        }
        if self.quantity < 1 {
            return Err(invalid(&field("quantity"), format_args!("expected at least 1, found {}", self.quantity)));
        }
        if self.unit_price < Decimal::ZERO {
            return Err(invalid(&field("unit_price"), format_args!("expected at least 0, found {}", self.unit_price)));
        }
        decimals(&field("unit_price"), self.unit_price)?;
        match &self.currency {
            Some(found) if found != order_currency => {
                let reason = format_args!("expected {order_currency} as in the order, found {found:?}").to_string();
                Err(invalid(&field("currency"), reason))
            }
            _ => Ok(()),
        }
    }
}

/// An `invalid` in the same form as those of a payload that doesn't decode: the field, then what is wrong with it.
pub(crate) fn invalid(field: &str, reason: impl std::fmt::Display) -> Failure {
    Failure::invalid(format_args!("payload.{field}: {reason}"))
}

/// Zeros at the end don't count: 12.500000 is 12.5.
fn decimals(field: &str, value: Decimal) -> Result<(), Failure> {
    if value.normalize().scale() <= MAX_DECIMALS {
        return Ok(());
    }
    Err(invalid(field, format_args!("expected at most {MAX_DECIMALS} decimals, found {value}")))
}

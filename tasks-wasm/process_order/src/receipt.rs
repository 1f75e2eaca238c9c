//! The receipt: what the order costs, each amount rounded and each sum exact.

use rust_decimal::Decimal;
use serde::Serialize;
use warren_task::Failure;

use crate::decimal;
use crate::order::{Line, Order, invalid};

/// What an order costs. Decimals are strings in JSON, so that no reader turns them into binary fractions.
#[derive(Debug, Serialize)]
pub(crate) struct Receipt {
    order_id: String,
    currency: String,
    lines: Vec<ReceiptLine>,
    /// The sum of the line totals.
    subtotal: Decimal,
    tax_rate: Decimal,
    /// The rate's share of the subtotal, rounded once for the whole order.
    tax: Decimal,
    /// Subtotal and tax.
    total: Decimal,
}

/// A line of the order with its total.
#[derive(Debug, Serialize)]
struct ReceiptLine {
    sku: String,
    quantity: u32,
    unit_price: Decimal,
    total: Decimal,
}

impl Receipt {
    /// The receipt of an order that was checked; `invalid` where an amount is too large to be exact.
    pub(crate) fn of(order: Order) -> Result<Self, Failure> {
        let mut subtotal = Decimal::new(0, 2);
        let mut lines = Vec::with_capacity(order.lines.len());
        for (index, line) in order.lines.into_iter().enumerate() {
            let line = ReceiptLine::of(line).ok_or_else(|| too_large(&format!("lines[{index}]"), "its total"))?;
            subtotal = decimal::add(subtotal, line.total)
                .ok_or_else(|| too_large(&format!("lines[{index}]"), "the subtotal up to it"))?;
            lines.push(line);
        }
        let tax = decimal::multiply(subtotal, order.tax_rate)
            .and_then(decimal::amount)
            .ok_or_else(|| too_large("tax_rate", "the tax"))?;
        let total = decimal::add(subtotal, tax).ok_or_else(|| too_large("lines", "the total"))?;
        let Order { order_id, currency, tax_rate, .. } = order;
        Ok(Self { order_id, currency, lines, subtotal, tax_rate, tax, total })
    }
}

impl ReceiptLine {
    fn of(line: Line) -> Option<Self> {
        let Line { sku, quantity, unit_price, currency: _ } = line;
        let total = decimal::multiply(unit_price, quantity.into()).and_then(decimal::amount)?;
        Some(Self { sku, quantity, unit_price, total })
    }
}

fn too_large(field: &str, what: &str) -> Failure {
    invalid(field, format_args!("{what} has more than 28 digits"))
}

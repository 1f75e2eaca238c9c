//! A component that checks an order and computes its receipt: line totals, subtotal, tax and total.
//!
//! ```text
//! payload  {"order_id": "A-1001", "currency": "EUR", "tax_rate": "0.19", "lines": [
//!            {"sku": "cup", "quantity": 3, "unit_price": "4.95"},
//!            {"sku": "tea", "quantity": 1, "unit_price": "7.1250", "currency": "EUR"}]}
//! result   {"order_id": "A-1001", "currency": "EUR", "lines": [
//!            {"sku": "cup", "quantity": 3, "unit_price": "4.95", "total": "14.85"},
//!            {"sku": "tea", "quantity": 1, "unit_price": "7.1250", "total": "7.13"}],
//!           "subtotal": "21.98", "tax_rate": "0.19", "tax": "4.18", "total": "26.16"}
//! ```
//!
//! Decimals are exact. Write them as strings; JSON numbers are taken as they are written, up to the 15 digits that every
//! JSON library keeps. Amounts have two decimals whatever the currency, rounded half-up (0.125 becomes 0.13): each line
//! total by itself, then the tax on the subtotal. So the lines of a receipt always add up to its subtotal, and subtotal
//! and tax to its total.
//!
//! An order without lines is refused as `business`. Everything else that is wrong is `invalid` and names the field: a
//! line without sku, a quantity below 1, a price below 0 or with more than four decimals, a line in another currency
//! than the order, an amount too large to be exact.

#![forbid(unsafe_code)]

mod decimal;
mod order;
mod receipt;

use warren_task::Failure;

use crate::order::Order;
use crate::receipt::Receipt;

/// Checks the order first and computes only what is sound.
#[warren_task::task]
fn execute(order: Order) -> Result<Receipt, Failure> {
    order.check()?;
    Receipt::of(order)
}

#[cfg(test)]
mod tests;

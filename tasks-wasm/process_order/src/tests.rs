//! Orders as a publisher would send them, and what becomes of each.

use warren_task::Failure;
use warren_task::serde_json::{self, Value, json};

use super::*;

fn processed(payload: Value) -> Result<Value, Failure> {
    let order = serde_json::from_value(payload).unwrap();
    execute(order).map(|receipt| serde_json::to_value(receipt).unwrap())
}

fn order(lines: Value) -> Value {
    json!({"order_id": "A-1001", "currency": "EUR", "tax_rate": "0.19", "lines": lines})
}

#[test]
fn an_order_gets_its_receipt() {
    let payload = order(json!([
        {"sku": "cup", "quantity": 3, "unit_price": "4.95"},
        {"sku": "tea", "quantity": 1, "unit_price": "7.1250", "currency": "EUR"},
    ]));
    let expected = json!({"order_id": "A-1001", "currency": "EUR", "lines": [
        {"sku": "cup", "quantity": 3, "unit_price": "4.95", "total": "14.85"},
        {"sku": "tea", "quantity": 1, "unit_price": "7.1250", "total": "7.13"},
    ], "subtotal": "21.98", "tax_rate": "0.19", "tax": "4.18", "total": "26.16"});
    assert_eq!(processed(payload).unwrap(), expected);
}

#[test]
fn a_price_may_be_a_number_and_is_taken_as_it_is_written() {
    let receipt = processed(order(json!([
        {"sku": "a", "quantity": 3, "unit_price": 0.1}, {"sku": "b", "quantity": 1, "unit_price": 2},
    ])));
    assert_eq!(receipt.unwrap()["subtotal"], "2.30");
}

#[test]
fn what_is_free_costs_nothing() {
    let receipt = processed(order(json!([{"sku": "flyer", "quantity": 1000, "unit_price": "0"}]))).unwrap();
    assert_eq!(
        (&receipt["subtotal"], &receipt["tax"], &receipt["total"]),
        (&json!("0.00"), &json!("0.00"), &json!("0.00"))
    );
}

#[test]
fn an_order_without_lines_is_refused_by_a_rule_of_the_business() {
    assert_eq!(processed(order(json!([]))), Err(Failure::business("order A-1001 has no lines")));
}

#[test]
fn a_line_that_breaks_a_rule_is_named_with_its_field() {
    let good = json!({"sku": "cup", "quantity": 1, "unit_price": "1"});
    let cases = [
        (json!({"sku": " ", "quantity": 1, "unit_price": "1"}), "sku: expected a text, found none"),
        (json!({"sku": "a", "quantity": 0, "unit_price": "1"}), "quantity: expected at least 1, found 0"),
        (json!({"sku": "a", "quantity": 1, "unit_price": "-0.01"}), "unit_price: expected at least 0, found -0.01"),
        (
            json!({"sku": "a", "quantity": 1, "unit_price": "0.00001"}),
            "unit_price: expected at most 4 decimals, found 0.00001",
        ),
        (
            json!({"sku": "a", "quantity": 1, "unit_price": "1", "currency": "USD"}),
            "currency: expected EUR as in the order, found \"USD\"",
        ),
    ];
    for (line, expected) in cases {
        let failure = processed(order(json!([good, line]))).unwrap_err();
        assert_eq!(failure, Failure::invalid(format_args!("payload.lines[1].{expected}")));
    }
}

#[test]
fn the_order_itself_has_rules_too() {
    let line = json!([{"sku": "cup", "quantity": 1, "unit_price": "1"}]);
    for (currency, tax_rate, field) in [
        ("euro", "0.19", "currency"),
        ("EUR", "19", "tax_rate"),
        ("EUR", "-0.1", "tax_rate"),
        ("EUR", "0.19999", "tax_rate"),
    ] {
        let payload = json!({"order_id": "1", "currency": currency, "tax_rate": tax_rate, "lines": line});
        let failure = processed(payload).unwrap_err();
        assert!(failure.reason().starts_with(&format!("payload.{field}: expected")), "{failure}");
    }
}

#[test]
fn an_amount_too_large_to_be_exact_is_refused_with_its_line() {
    let huge = json!({"sku": "moon", "quantity": 4_294_967_295_u32, "unit_price": "79228162514264337593543950335"});
    let large = json!({"sku": "hill", "quantity": 1, "unit_price": "500000000000000000000000000"});
    let cup = json!({"sku": "cup", "quantity": 1, "unit_price": "1"});
    let failure = processed(order(json!([cup, huge]))).unwrap_err();
    assert_eq!(failure, Failure::invalid("payload.lines[1]: its total has more than 28 digits"));
    let failure = processed(order(json!([large, large]))).unwrap_err();
    assert_eq!(failure, Failure::invalid("payload.lines[1]: the subtotal up to it has more than 28 digits"));
}

#[test]
fn a_decimal_that_would_be_rounded_while_reading_is_refused() {
    let line = json!([{"sku": "a", "quantity": 1, "unit_price": "0.00000000000000000000000000001"}]);
    let error = serde_json::from_value::<Order>(order(line)).unwrap_err();
    assert!(error.to_string().contains("expected a decimal of at most 28 digits"), "{error}");
}

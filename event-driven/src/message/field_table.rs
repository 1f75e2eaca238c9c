//! AMQP headers as JSON, and back.
//!
//! Every AMQP type has its JSON: numbers are numbers, a timestamp is its seconds since 1970, a decimal is a text such
//! as `12.34`, bytes that are no UTF-8 are base64, a number that JSON does not know (NaN, ∞) is its name. What nests deeper
//! than 32 tables becomes the text `…`: a database has limits of its own.

use base64::{Engine, prelude::BASE64_STANDARD};
use lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};
use serde_json::{Map, Value};

/// Deepest nesting of tables and arrays that is kept.
const MAX_DEPTH: usize = 32;

/// Why JSON can't be headers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A name is too long for AMQP.
    #[error("a header's name has at most 255 bytes, this one has {length}")]
    NameTooLong {
        /// Bytes of the name.
        length: usize,
    },
    /// A value nests too deep.
    #[error("a header's value nests deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// The headers as a JSON object.
pub fn field_table_to_json(table: &FieldTable) -> Map<String, Value> {
    table_to_json(table, MAX_DEPTH)
}

fn table_to_json(table: &FieldTable, depth: usize) -> Map<String, Value> {
    table.inner().iter().map(|(name, value)| (name.as_str().to_owned(), to_json(value, depth))).collect()
}

fn to_json(value: &AMQPValue, depth: usize) -> Value {
    match value {
        AMQPValue::Boolean(v) => (*v).into(),
        AMQPValue::ShortShortInt(v) => (*v).into(),
        AMQPValue::ShortShortUInt(v) => (*v).into(),
        AMQPValue::ShortInt(v) => (*v).into(),
        AMQPValue::ShortUInt(v) => (*v).into(),
        AMQPValue::LongInt(v) => (*v).into(),
        AMQPValue::LongUInt(v) => (*v).into(),
        AMQPValue::LongLongInt(v) => (*v).into(),
        AMQPValue::Timestamp(v) => (*v).into(),
        AMQPValue::Float(v) => float(f64::from(*v)),
        AMQPValue::Double(v) => float(*v),
        AMQPValue::DecimalValue(v) => decimal(*v).into(),
        AMQPValue::ShortString(v) => v.as_str().into(),
        AMQPValue::LongString(v) => bytes(v.as_bytes()),
        AMQPValue::ByteArray(v) => bytes(v.as_slice()),
        AMQPValue::Void => Value::Null,
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) if depth == 0 => "…".into(),
        AMQPValue::FieldArray(v) => v.as_slice().iter().map(|v| to_json(v, depth - 1)).collect(),
        AMQPValue::FieldTable(v) => table_to_json(v, depth - 1).into(),
    }
}

fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

/// The digits with a point before the last `scale` of them.
fn decimal(DecimalValue { scale, value }: DecimalValue) -> String {
    let scale = usize::from(scale);
    let digits = format!("{value:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

fn bytes(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| BASE64_STANDARD.encode(bytes).into(), Value::from)
}

/// A JSON object as headers: texts are long strings, whole numbers that fit are 64 bits, others are doubles.
///
/// # Errors
/// If a name is too long or a value nests too deep.
pub fn json_to_field_table(object: &Map<String, Value>) -> Result<FieldTable, HeaderError> {
    json_to_table(object, MAX_DEPTH)
}

fn json_to_table(object: &Map<String, Value>, depth: usize) -> Result<FieldTable, HeaderError> {
    let mut table = FieldTable::default();
    for (name, value) in object {
        let name = ShortString::try_new(name.as_str()).map_err(|_| HeaderError::NameTooLong { length: name.len() })?;
        table.insert(name, from_json(value, depth)?);
    }
    Ok(table)
}

fn from_json(value: &Value, depth: usize) -> Result<AMQPValue, HeaderError> {
    let inner = || depth.checked_sub(1).ok_or(HeaderError::TooDeep);
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(v) => AMQPValue::Boolean(*v),
        Value::Number(v) => {
            v.as_i64().map_or_else(|| AMQPValue::Double(v.as_f64().unwrap_or(f64::NAN)), AMQPValue::LongLongInt)
        }
        Value::String(v) => AMQPValue::LongString(v.as_str().into()),
        Value::Array(v) => {
            let depth = inner()?;
            let values = v.iter().map(|v| from_json(v, depth)).collect::<Result<Vec<_>, _>>()?;
            AMQPValue::FieldArray(FieldArray::from(values))
        }
        Value::Object(v) => AMQPValue::FieldTable(json_to_table(v, inner()?)?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_has_its_json() {
        for (value, expected) in [
            (AMQPValue::Boolean(true), json!(true)),
            (AMQPValue::ShortShortInt(-1), json!(-1)),
            (AMQPValue::ShortShortUInt(255), json!(255)),
            (AMQPValue::ShortInt(-2), json!(-2)),
            (AMQPValue::ShortUInt(2), json!(2)),
            (AMQPValue::LongInt(-3), json!(-3)),
            (AMQPValue::LongUInt(3), json!(3)),
            (AMQPValue::LongLongInt(i64::MIN), json!(i64::MIN)),
            (AMQPValue::Float(0.5), json!(0.5)),
            (AMQPValue::Double(0.25), json!(0.25)),
            (AMQPValue::Double(f64::NAN), json!("NaN")),
            (AMQPValue::Double(f64::INFINITY), json!("inf")),
            (AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 1234 }), json!("12.34")),
            (AMQPValue::DecimalValue(DecimalValue { scale: 3, value: 5 }), json!("0.005")),
            (AMQPValue::DecimalValue(DecimalValue { scale: 0, value: 5 }), json!("5")),
            (AMQPValue::DecimalValue(DecimalValue { scale: 255, value: 5 }), json!(format!("0.{:0>255}", 5))),
            (AMQPValue::ShortString("é".into()), json!("é")),
            (AMQPValue::LongString("é".into()), json!("é")),
            (AMQPValue::LongString(vec![0xff, 0].into()), json!("/wA=")),
            (AMQPValue::ByteArray(vec![0xff, 0].into()), json!("/wA=")),
            (AMQPValue::Timestamp(u64::MAX), json!(u64::MAX)),
            (AMQPValue::Void, json!(null)),
            (AMQPValue::FieldArray(vec![AMQPValue::Void].into()), json!([null])),
        ] {
            assert_eq!(to_json(&value, 1), expected, "{value:?}");
        }
    }

    #[test]
    fn what_nests_too_deep_is_cut() {
        let mut value = AMQPValue::Void;
        for _ in 0..1_000 {
            value = AMQPValue::FieldArray(vec![value].into());
        }
        let text = to_json(&value, MAX_DEPTH).to_string();
        assert_eq!(text, format!("{}\"…\"{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)));
        let deep: Value = serde_json::from_str(&format!("{}{}", "[".repeat(40), "]".repeat(40))).unwrap();
        assert_eq!(from_json(&deep, MAX_DEPTH), Err(HeaderError::TooDeep));
    }
}

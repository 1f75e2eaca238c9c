//! Each wrong signature: the token its error points at, and what it tells the author to write.

use quote::ToTokens as _;

use super::*;

/// The error that this source gives, as the source text under its span and its message.
fn refused(source: &str) -> (String, String) {
    let item: TokenStream = source.parse().unwrap();
    let error = function(item).and_then(|function| check(&function).map(|_| ())).unwrap_err();
    (error.span().source_text().unwrap_or_default(), error.to_string())
}

#[test]
fn each_wrong_signature_points_at_its_token_and_says_what_to_write() {
    let cases = [
        ("async fn execute(o: Order) -> Result<R, Failure> {}", "async", "a task is not async: remove `async`"),
        ("unsafe fn execute(o: Order) -> Result<R, Failure> {}", "unsafe", "a task is safe to call"),
        ("extern \"C\" fn execute(o: Order) -> Result<R, Failure> {}", "extern \"C\"", "a plain Rust function"),
        ("fn execute() -> Result<R, Failure> {}", "()", "takes its payload as its one argument"),
        ("fn execute(a: A, b: B) -> Result<R, Failure> {}", "b: B", "put the fields of both in one struct"),
        ("fn execute(&self) -> Result<R, Failure> {}", "&self", "not a method: remove `self`"),
        ("fn execute<T>(o: T) -> Result<R, Failure> {}", "<T>", "a task is not generic"),
        ("fn execute(o: impl Any) -> Result<R, Failure> {}", "impl Any", "a task is not generic"),
        ("fn execute(o: A) -> Result<R, Failure> where A: B {}", "where A: B", "has no `where` clause"),
        ("fn execute(o: &str) -> Result<R, Failure> {}", "&", "take it by value"),
        ("fn execute(o: Order) {}", ")", "a task returns a result"),
        ("struct Order;", "struct", "belongs on a function"),
    ];
    for (source, token, message) in cases {
        let (found_token, found_message) = refused(source);
        assert_eq!(found_token, token, "{source}");
        assert!(found_message.contains(message), "{source}: {found_message}");
        assert!(found_message.contains(EXAMPLE), "{source}: {found_message}");
    }
}

#[test]
fn any_owned_payload_and_any_written_result_will_do() {
    for source in [
        "fn execute(order: Order) -> Result<Receipt, Failure> {}",
        "pub(crate) fn resize(Order { lines, .. }: Order) -> warren_task::Result<Vec<Receipt>> {}",
        "fn execute(payload: serde_json::Value) -> Result<impl Serialize, Failure> {}",
        "fn execute((a, b): (u8, u8)) -> Outcome {}",
    ] {
        let function = function(source.parse().unwrap()).unwrap();
        let entry = check(&function).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert!(!entry.payload.to_token_stream().is_empty());
        assert!(!entry.returned.to_token_stream().is_empty());
    }
}

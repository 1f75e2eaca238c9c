//! Each wrong method: the token its error points at, and what it tells the author to write.

use super::*;

/// The error that this source gives, as the source text under its span and its message.
fn refused(source: &str) -> (String, String) {
    let error = method(source.parse().unwrap()).and_then(|method| check(&method).map(|_| ())).unwrap_err();
    (error.span().source_text().unwrap_or_default(), error.to_string())
}

#[test]
fn each_wrong_method_points_at_its_token_and_says_what_to_write() {
    let cases = [
        ("fn a(&self, p: &Publisher) -> Result<(), E> {}", "fn", "the method is async"),
        ("async fn a(&self) -> Result<(), E> {}", "(&self)", "needs a publisher to publish with"),
        ("async fn a(&self, p: Publisher) -> Result<(), E> {}", "(&self, p: Publisher)", "needs a publisher"),
        ("async fn a(&self, _: &Publisher) -> Result<(), E> {}", "_", "the publisher needs a name here"),
        ("async fn a(&self, p: &Publisher) {}", ")", "the method returns a `Result`"),
        ("async fn a(&self, p: &Publisher) -> u8 {}", "u8", "the method returns a `Result`"),
        ("struct A;", "struct", "belongs on a method"),
    ];
    for (source, token, message) in cases {
        let (found_token, found_message) = refused(source);
        assert_eq!(found_token, token, "{source}");
        assert!(found_message.contains(message), "{source}: {found_message}");
        assert!(found_message.contains(EXAMPLE), "{source}: {found_message}");
    }
}

#[test]
fn the_notification_needs_a_name() {
    for arguments in ["", "name", "\"\"", "name = \"a\"", "\"a\", \"b\""] {
        let error = name(arguments.parse().unwrap()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("write `#[on_notify(\"password_changed\")]`"), "{arguments}: {error}");
    }
}

#[test]
fn any_publisher_and_any_written_result_will_do() {
    for source in [
        "async fn a(&mut self, x: u8, publisher: &event_driven::publisher::Publisher) -> Result<u8, E> {}",
        "pub async fn a<'a>(p: &'a Publisher, (x, y): (u8, u8)) -> std::io::Result<()> {}",
        "async fn a(&self, p: &Publisher) -> AppResult<u8> {}",
    ] {
        let method = method(source.parse().unwrap()).unwrap();
        assert!(check(&method).is_ok(), "{source}");
    }
}

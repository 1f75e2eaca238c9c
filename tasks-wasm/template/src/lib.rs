//! The component `{{name}}`: greets whoever the payload names.
//!
//! ```text
//! payload  {"who": "world"}
//! result   {"greeting": "Hello, world!"}
//! ```

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use warren_task::Failure;

/// What a publisher sends. A payload that doesn't fit is refused as `invalid` before `execute` is called.
#[derive(Deserialize)]
struct Payload {
    who: String,
}

/// What is stored as the task's result.
#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

/// The component's entry. `?` works on any error: it becomes `technical`, which is tried again.
#[warren_task::task]
fn execute(payload: Payload) -> Result<Greeting, Failure> {
    let who = payload.who.trim();
    if who.is_empty() {
        return Err(Failure::business("there is nobody to greet"));
    }
    Ok(Greeting {
        greeting: format!("Hello, {who}!"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greet(who: &str) -> Result<String, Failure> {
        execute(Payload {
            who: who.to_owned(),
        })
        .map(|result| result.greeting)
    }

    #[test]
    fn the_world_is_greeted() {
        assert_eq!(greet(" world "), Ok("Hello, world!".to_owned()));
    }

    #[test]
    fn nobody_is_not_greeted() {
        assert_eq!(
            greet(" "),
            Err(Failure::business("there is nobody to greet"))
        );
    }
}

//! Who listens: sends a mail to each new user.
//!
//! It could be another service, in another language; here it is the same one. Its queue `event.create.user.to.user_service`
//! keeps the events while it does not run.

use event_driven::subscriber::{Delivery, HandlerError};

use crate::user::UserCreate;

/// Nobody reads what is sent there.
const BLOCKED: &str = "@blocked.example";

/// `Ok` acks the event. An error says by its kind what becomes of it: `business` (it is forbidden) and `model` (it is not what
/// was expected) are logged and acked, for the next time would be no better; `technical` (the mail server is away) comes back
/// after 3, 6 and 12 s and is then dead-lettered.
///
/// An event may be delivered twice, since a crash can come between the mail and the ack. Who must not act twice remembers
/// `delivery.headers.message_id`.
pub async fn welcome(user: UserCreate, delivery: &Delivery) -> Result<(), HandlerError> {
    if user.email.ends_with(BLOCKED) {
        return Err(HandlerError::business(format!("no mail goes to {}", user.email)));
    }
    // The id of the request that made the user. What a handler publishes carries it on by itself.
    let because_of = &delivery.headers.correlation_id;
    println!("mail to {}: welcome, {}! ({because_of})", user.email, user.username);
    Ok(())
}

//! An event is decoded or refused with a reason; what was decoded can be published again and reads the same.
#![no_main]

use event_driven::message::EventMessage;
use event_driven_fuzz::{MAX_SIZE, Message};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "routing.event.create.a";

fuzz_target!(|message: Message<'_>| {
    match EventMessage::decode(KEY, &message.properties(), message.body, MAX_SIZE) {
        Ok(event) => {
            let again = publish_again(&event);
            // A whole number beyond 63 bits has become a double, as documented: from then on it stays one.
            assert_eq!(publish_again(&again), again);
            assert_eq!(again, EventMessage { headers: again.headers.clone(), ..event });
        }
        Err(malformed) => assert!(!malformed.to_string().is_empty()),
    }
});

fn publish_again(event: &EventMessage) -> EventMessage {
    let encoded = event.encode().expect("headers of a message have room in one");
    EventMessage::decode(KEY, &encoded.properties, &encoded.body, MAX_SIZE).expect("it was right before")
}

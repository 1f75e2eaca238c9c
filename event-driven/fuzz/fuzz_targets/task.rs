//! A task is decoded or refused with a reason; what was decoded can be published again and reads the same.
#![no_main]

use event_driven::message::TaskRequest;
use event_driven_fuzz::{MAX_SIZE, Message};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "routing.task.a.b";

fuzz_target!(|message: Message<'_>| {
    match TaskRequest::decode(KEY, &message.properties(), message.body, MAX_SIZE) {
        Ok(task) => {
            let again = task.encode();
            // `arguments` are called `payload` now, and so on: the body may have another length.
            assert_eq!(TaskRequest::decode(KEY, &again.properties, &again.body, 2 * MAX_SIZE), Ok(task));
        }
        Err(malformed) => assert!(!malformed.to_string().is_empty()),
    }
});

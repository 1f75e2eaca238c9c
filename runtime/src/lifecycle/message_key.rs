//! The key of a row whose message has an id: made of that and its producer, so that who knows the two knows the row.

use event_driven::message::ShortText;
use uuid::{Builder, Uuid, Variant, Version};

/// The namespace of ids that are made of a producer and a message id: a UUID of our own, fixed for ever.
const MESSAGE_NAMESPACE: Uuid = Uuid::from_u128(0x6ac5_9a4e_7d0f_4b3c_9f6e_2c1d_8b7a_5e43);

/// The id of a message that its producer has given one: the same for each copy of it, on every runtime, so that the
/// row's key alone keeps it from being recorded twice.
///
/// A hash of the two. If the message's id begins with the time, as a UUID of version 7 does, so does this one: rows that come
/// together stand together in the index of the keys, and a large table has few of its pages in use.
pub fn id_of_message(producer_app: &ShortText, message_id: &ShortText) -> Uuid {
    let hash = Uuid::new_v5(&MESSAGE_NAMESPACE, format!("{producer_app}\0{message_id}").as_bytes());
    match Uuid::try_parse(message_id.as_str()) {
        Ok(given) if (given.get_version(), given.get_variant()) == (Some(Version::SortRand), Variant::RFC4122) => {
            // 48 bits are the time (RFC 9562, 5.7); 74 of the hash are left.
            let (mut bytes, time) = (hash.into_bytes(), given.as_bytes().iter().take(6));
            bytes.iter_mut().zip(time).for_each(|(byte, time)| *byte = *time);
            Builder::from_custom_bytes(bytes).into_uuid()
        }
        _ => hash,
    }
}

/// The id of the row that tells what is wrong with a message. Apart from the task of that message id, which may be a good one; the same
/// each time, so that it is recorded once.
pub fn id_of_malformed(producer_app: &ShortText, message_id: &ShortText) -> Uuid {
    Uuid::new_v5(&id_of_message(producer_app, message_id), b"malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_message_never_changes() {
        let id = |producer: &str, message: &str| {
            id_of_message(&producer.parse().unwrap(), &message.parse().unwrap()).to_string()
        };
        assert_eq!(id("shop", "order-17"), "0a3f8755-7931-544f-b944-bc52d022d11f");
        assert_ne!(id("shop", "order-17"), id("shop", "order-18"));
        assert_ne!(id("a", "bc"), id("ab", "c"));
        let given = "019ac4f0-5d7e-7b3a-8c11-0123456789ab";
        assert_eq!(id("shop", given), "019ac4f0-5d7e-841d-8a70-007a391561d8");
        assert_ne!(id("shop", given), id("other", given));
        assert_ne!(id("shop", given), id("shop", &given.to_uppercase()));
        assert!(id("shop", "019ac4f0-5d7e-4b3a-8c11-0123456789ab").get(14..15) == Some("5"), "a random one is hashed");
    }
}

//! The class of a task: the header `x-priority`.

use lapin::{BasicProperties, types::AMQPValue};

use super::{DecodeError, properties};
use crate::names::{Priority, header};

/// The class; normal if nothing is said.
pub(super) fn read(of: &BasicProperties) -> Result<Priority, DecodeError> {
    let name = header::PRIORITY;
    let Some(value) = properties::header_value(of, name) else { return Ok(Priority::default()) };
    let read = match properties::text(value) {
        Some(text) => text.parse::<Priority>().map_err(|error| error.to_string()),
        None => Err(format!("must be high, normal or low, not of AMQP type {}", value.get_type())),
    };
    read.map_err(|reason| DecodeError::BadHeader { name, reason })
}

/// The same properties, with what says this.
pub(super) fn write(priority: Priority, of: BasicProperties) -> BasicProperties {
    match priority {
        Priority::Normal => of,
        Priority::High | Priority::Low => {
            properties::with_header(of, header::PRIORITY, AMQPValue::LongString(priority.as_str().into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_value(value: AMQPValue) -> Result<Priority, String> {
        let properties = properties::with_header(BasicProperties::default(), header::PRIORITY, value);
        read(&properties).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wrong_class_is_refused_with_the_reason() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        for (value, told) in [
            (text("urgent"), "not \"urgent\""),
            (text("High"), "not \"High\""),
            (text(""), "not \"\""),
            (AMQPValue::LongInt(9), "not of AMQP type LongInt"),
        ] {
            assert_eq!(read_value(value), Err(format!("header x-priority must be high, normal or low, {told}")));
        }
    }

    #[test]
    fn a_class_is_read_as_it_was_written() {
        for priority in Priority::ALL {
            assert_eq!(read(&write(priority, BasicProperties::default())), Ok(priority));
        }
        assert_eq!(read(&BasicProperties::default()), Ok(Priority::Normal));
    }
}

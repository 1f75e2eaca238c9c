//! Which dead letters are meant.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Letter;

/// Which dead letters are meant: those that all of it is true of.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those with one of these ids, or beginnings of them; empty: with any.
    pub ids: Vec<String>,
    /// Those with this error class, or RabbitMQ's word.
    pub class: Option<String>,
    /// Those that ask for this component.
    pub task_name: Option<String>,
    /// Those that died longer ago than this. One that does not tell when it died is none of them.
    pub older_than: Option<Duration>,
}

impl Filter {
    /// Whether it leaves none out.
    pub fn takes_all(&self) -> bool {
        let Self { ids, class, task_name, older_than } = self;
        ids.is_empty() && class.is_none() && task_name.is_none() && older_than.is_none()
    }

    pub(super) fn takes(&self, letter: &Letter, now: DateTime<Utc>) -> bool {
        let is = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        let is_old = self.older_than.is_none_or(|time| {
            letter.died_at.is_some_and(|died_at| (now - died_at).to_std().is_ok_and(|age| age >= time))
        });
        let is_named = self.ids.is_empty() || self.ids.iter().any(|id| letter.id.starts_with(id.as_str()));
        is_named && is_old && is(&self.class, &letter.class) && is(&self.task_name, &letter.task_name)
    }
}

#[cfg(test)]
mod tests {
    use event_driven::lapin::{
        BasicProperties,
        types::{AMQPValue, FieldTable},
    };

    use super::*;

    fn letter(error: &str, died_at: u64) -> Letter {
        let mut headers = FieldTable::default();
        headers.insert("x-error".into(), AMQPValue::LongString(error.into()));
        headers.insert("x-dead-at".into(), AMQPValue::Timestamp(died_at));
        let properties = BasicProperties::default().with_headers(headers);
        Letter::read("dead.tasks", &properties, br#"{"task_name":"resize","payload":1}"#)
    }

    #[test]
    fn all_that_is_asked_for_has_to_be_true() {
        let (letter, now) = (letter("trap: unreachable", 1_000), DateTime::from_timestamp(1_060, 0).unwrap());
        let takes = |filter: Filter| filter.takes(&letter, now);
        assert!(takes(Filter::default()));
        let resize = Filter { class: Some("trap".into()), task_name: Some("resize".into()), ..Filter::default() };
        assert!(takes(resize.clone()));
        assert!(takes(Filter { older_than: Some(Duration::from_secs(60)), ..resize.clone() }));
        assert!(!takes(Filter { older_than: Some(Duration::from_secs(61)), ..resize.clone() }));
        assert!(!takes(Filter { class: Some("timeout".into()), ..resize.clone() }));
        assert!(takes(Filter { ids: vec!["ffff".into(), letter.id[..6].to_owned()], ..resize.clone() }));
        assert!(!takes(Filter { ids: vec!["x".into()], ..resize }));
    }

    #[test]
    fn what_does_not_tell_its_age_is_not_old() {
        let untold = Letter { died_at: None, ..letter("trap: x", 0) };
        let filter = Filter { older_than: Some(Duration::ZERO), ..Filter::default() };
        assert!(!filter.takes(&untold, Utc::now()));
    }
}

//! Events are stored once, and found again.

use warren::lifecycle::{EventFilter, EventRow, Recorder, RoutingKeyFilter};

use crate::{
    database::TestDatabase,
    rows::{event, id},
};

crate::on_both_databases!(
    an_event_is_stored_as_it_was_recorded_and_never_changed,
    events_are_listed_by_key_producer_and_correlation,
);

async fn an_event_is_stored_as_it_was_recorded_and_never_changed(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    recorder.record_event(event(1)).await.unwrap();
    recorder.record_event(EventRow { payload: Some("2".into()), ..event(1) }).await.unwrap();
    assert_eq!(db.find_event(id(1)).await.unwrap(), Some(event(1)));
    let bare = EventRow { correlation_id: None, producer_app: None, headers: None, payload: None, ..event(2) };
    recorder.record_event(bare.clone()).await.unwrap();
    assert_eq!(db.find_event(id(2)).await.unwrap(), Some(bare));
}

async fn events_are_listed_by_key_producer_and_correlation(test: TestDatabase) {
    let db = test.connect().await;
    let recorder = Recorder::start(&db);
    let keys =
        ["routing.event.create.user", "routing.event.create.USER", "routing.event.delete.user", "routing_event.x"];
    for (n, key) in keys.into_iter().enumerate() {
        let producer = if n == 0 { "accounts" } else { "shop" };
        let row = EventRow { routing_key: key.into(), producer_app: Some(producer.into()), ..event(n) };
        recorder.record_event(row).await.unwrap();
    }
    let list = async |filter: EventFilter| {
        let events = db.list_events(&filter, 10, None).await.unwrap();
        events.iter().map(|event| event.id.as_u128() - 1).collect::<Vec<_>>()
    };
    let by_key = |key| EventFilter { routing_key: Some(key), ..EventFilter::default() };
    let prefix = |prefix: &str| by_key(RoutingKeyFilter::Prefix(prefix.to_owned()));
    assert_eq!(list(EventFilter::default()).await, [3, 2, 1, 0]);
    assert_eq!(list(by_key(RoutingKeyFilter::Exact(keys[0].to_owned()))).await, [0]);
    assert_eq!(list(prefix("routing.event.")).await, [2, 1, 0]);
    assert_eq!(list(prefix("routing.event.create.u")).await, [0]);
    assert_eq!(list(prefix("routing%")).await, [0_u128; 0]);
    assert_eq!(list(EventFilter { producer_app: Some("accounts".into()), ..EventFilter::default() }).await, [0]);
    assert_eq!(list(EventFilter { correlation_id: Some("order-2".into()), ..EventFilter::default() }).await, [2]);
    let first = db.list_events(&EventFilter::default(), 3, None).await.unwrap();
    let rest = db.list_events(&EventFilter::default(), 3, first.last().map(|last| last.cursor())).await.unwrap();
    assert_eq!((first.len(), rest.len(), rest[0].id), (3, 1, id(0)));
}

//! A check says how things stand, and changes nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use event_driven::{
    lapin::{
        ExchangeKind,
        options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions},
        types::{AMQPValue, FieldTable},
    },
    names::TASK_UNROUTED_EXCHANGE,
    topology::{TopologyError, TopologySettings, apply, check, plan, route, subscription},
};

use crate::{
    channel, classic, connection, exchange, found, process_order, queue, subscription_of, text,
    vhost::{Vhost, rabbitmqctl},
    within,
};

/// Everything that RabbitMQ has in the virtual host.
fn listed(vhost: &Vhost) -> String {
    let list = |what: &str, columns: &[&str]| rabbitmqctl(&[&["-q", what, "-p", &vhost.name], columns].concat());
    [
        list("list_queues", &["name", "durable", "auto_delete", "arguments", "messages"]),
        list("list_exchanges", &["name", "type", "durable", "auto_delete", "internal", "arguments"]),
        list("list_bindings", &["source_name", "destination_name", "routing_key"]),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_changes_nothing() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let settings = TopologySettings::default();
    let plan =
        [plan(&settings), subscription(&subscription_of("billing"), &settings), route(&process_order(), &settings)]
            .concat();
    let before = listed(&vhost);
    for (thing, found) in found(&connection, &plan).await {
        assert_eq!(found, ("missing".to_owned(), Vec::new()), "{thing}");
    }
    assert_eq!(listed(&vhost), before);

    // Half of it is there, and differs.
    queue(&connection, "tasks", &[("x-queue-mode", text("lazy"))]).await;
    queue(&connection, "attempt.1.tasks", &[]).await;
    within(apply(&connection, &subscription(&subscription_of("billing"), &settings))).await.unwrap_err();
    let before = listed(&vhost);
    let found = found(&connection, &plan).await;
    assert_eq!(found["queue tasks"].0, "usable");
    assert_eq!(found[&format!("binding of tasks to {TASK_UNROUTED_EXCHANGE} by key ''")].0, "missing");
    assert!(found["queue attempt.1.tasks"].0.starts_with("unusable: "));
    assert_eq!(listed(&vhost), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_create_what_is_deleted_meanwhile() {
    let vhost = Vhost::create();
    let (owner, connection) = (connection(&vhost).await, connection(&vhost).await);
    let mut wanted = plan(&classic());
    wanted.retain(|declaration| ["queue tasks", "exchange event.exchange"].contains(&declaration.thing().as_str()));
    let own = crate::table(&[("x-max-length", AMQPValue::LongInt(5))]);
    let over = AtomicBool::new(false);
    let come_and_go = async {
        let channel = channel(&owner).await;
        for _ in 0..150 {
            // Refused if a check had created either with other arguments.
            channel.queue_declare("tasks".into(), QueueDeclareOptions::default(), own.clone()).await.unwrap();
            exchange(&owner, "event.exchange", ExchangeKind::Fanout, ExchangeDeclareOptions::default()).await;
            channel.queue_delete("tasks".into(), QueueDeleteOptions::default()).await.unwrap();
            channel.exchange_delete("event.exchange".into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
        over.store(true, Ordering::Relaxed);
    };
    let look = async {
        while !over.load(Ordering::Relaxed) {
            check(&connection, &wanted).await.unwrap();
        }
    };
    within(async { tokio::join!(come_and_go, look) }).await;
    for (thing, found) in found(&connection, &wanted).await {
        assert_eq!(found, ("missing".to_owned(), Vec::new()), "{thing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_to_configure_it_says_so_and_what_is_missing() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    queue(&connection, "tasks", &[]).await;
    rabbitmqctl(&["set_permissions", "-p", &vhost.name, &vhost.user(), "^$", ".*", ".*"]);
    let connection = crate::connection(&vhost).await;
    let plan = plan(&classic());
    let found = found(&connection, &plan).await;
    assert_eq!(found["queue dead.tasks"].0, "missing");
    let refused = &found["queue tasks"].0;
    assert!(refused.starts_with("unusable: RabbitMQ refuses to declare queue tasks: ACCESS_REFUSED"), "{refused}");
    assert!(refused.contains("has to be allowed to configure"), "{refused}");
    let error = within(apply(&connection, &plan)).await.unwrap_err();
    assert!(matches!(&error, TopologyError::Refused { reason, .. } if reason.contains("ACCESS_REFUSED")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_amqp_has_no_room_for_are_refused() {
    let vhost = Vhost::create();
    let connection = connection(&vhost).await;
    let plan = plan(&TopologySettings { task_keys: vec!["k".repeat(256)], ..classic() });
    let error = within(apply(&connection, &plan)).await.unwrap_err().to_string();
    assert!(error.contains("has 256 bytes, AMQP allows 255"), "{error}");
    let channel = channel(&connection).await;
    // The connection is as good as before.
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
}

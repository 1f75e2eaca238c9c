//! The outbox, on real databases and a real broker: nothing without the commit, at least once, in order for one entity.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "outbox/database.rs"]
mod database;
#[path = "outbox/kill.rs"]
mod kill;
#[path = "outbox/order.rs"]
mod order;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "outbox/refused.rs"]
mod refused;
#[path = "outbox/shop.rs"]
mod shop;
#[path = "outbox/speed.rs"]
mod speed;
#[path = "outbox/stop.rs"]
mod stop;
#[path = "outbox/unreadable.rs"]
mod unreadable;
#[path = "support/vhost.rs"]
mod vhost;
#[path = "outbox/wake.rs"]
mod wake;
#[path = "outbox/write.rs"]
mod write;

/// Each case on both databases.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::database::Kind::Postgres).await;
            })*
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::database::Kind::Sqlite).await;
            })*
        }
    };
}
use on_both;

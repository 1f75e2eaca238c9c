//! The transactional outbox: events that are published if, and only if, the transaction is committed that they tell of.
//!
//! A service that commits and then publishes loses the event if it dies in between; one that publishes and then commits
//! tells of what may never be. So the event is written into the table `event_outbox`, in the transaction of the change, and
//! a [`Relay`] publishes what stands there and deletes what RabbitMQ has confirmed.
//!
//! ```no_run
//! use event_driven::{entity::Event, outbox::{OutboxError, Relay, RelaySettings}, publisher::Publisher};
//! use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
//!
//! # async fn example(db: &DatabaseConnection, publisher: &Publisher, created: &impl Event) -> Result<(), OutboxError> {
//! // Once, when the service starts; `outbox::Migration` is in the list of its `Migrator`.
//! let relay = Relay::new(db, publisher, RelaySettings::default()).start();
//!
//! let transaction = db.begin().await?;
//! // … the change itself …
//! publisher.in_transaction(&transaction).event(created).await?;
//! transaction.commit().await?;
//!
//! // When it stops.
//! relay.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - **Nothing without the commit.** A transaction that is rolled back publishes nothing.
//! - **At least once.** An event of a committed transaction is published until RabbitMQ confirms it, whatever dies in
//!   between: the service, the relay, the broker, the database. It may come more than once, each time as the same message
//!   with the same `message_id`: a relay that is killed leaves those twice which were confirmed and not yet deleted, at most
//!   a batch ([`RelaySettings::batch`] keys with [`RelaySettings::chain`] rows each). So does one whose deletes Postgres
//!   took back, without any death: two relays can cross where an older id of a key is committed late, and then one of their
//!   deletes is a deadlock.
//! - **In order for one entity.** Events with the same entity key are published in the order of their ids, each only after
//!   the one before was confirmed: *the first arrivals of an entity's events are in order*. This holds with several relays
//!   and whenever one of them is killed. A duplicate may arrive later than it did first, behind younger events: who ignores
//!   the ids that it has seen sees the order. What a queue does with them afterwards (many consumers, retries) is another
//!   matter.
//! - The order of ids is that of the transactions if one was committed before the other wrote its event. Of two that overlap,
//!   either may come first; change the entity's row before the event is written, and the lock of that row keeps them apart.
//! - **No order without an entity key** ([`Event::entity_key`](crate::entity::Event::entity_key) gives `None`), nor between
//!   entities.
//! - An event that RabbitMQ refuses or does not confirm (no queue gets it and
//!   [`mandatory_events`](crate::publisher::PublisherSettings::mandatory_events) is set, a queue is full, it is too large)
//!   stays: it is tried again after a pause that grows from [`RelaySettings::first_retry`] to
//!   [`RelaySettings::longest_retry`], with the reason in `last_error` and the count in `attempts`. Later events of its
//!   entity wait for it; nobody else does. Delete the row to give it up.
//!
//! # The databases
//!
//! **Postgres**: any number of relays, in any number of processes, share the work; each locks the first row of each key
//! that it publishes (`FOR UPDATE SKIP LOCKED`), in a transaction that lasts as long as the batch. They are woken when a
//! transaction with events is committed (`LISTEN`), over one connection of their own. Where that can't be (a pooler that
//! hands out connections by transaction), the table is looked at every [`RelaySettings::safety_poll`].
//! During a batch a relay holds one connection of the pool: a pool of one is too small. The transaction is idle while RabbitMQ
//! confirms: `idle_in_transaction_session_timeout` has to be above twice [`RelaySettings::publish_timeout`].
//!
//! **SQLite**: **one** relay a database; a second one would publish everything twice. It is woken by what this process
//! writes with clones of its [`Publisher`](crate::publisher::Publisher), and looks by itself every [`RelaySettings::poll`].
//! The database is not locked while it publishes; it is while the relay deletes. A transaction that reads, and writes only
//! then, fails at that write with "database is locked" if anybody, the relay too, has written in between: no timeout helps,
//! what it has read is old. Begin it as one that writes:
//!
//! ```no_run
//! use sea_orm::{DatabaseConnection, DbErr, SqliteTransactionMode, TransactionOptions, TransactionTrait};
//!
//! # async fn example(db: &DatabaseConnection) -> Result<(), DbErr> {
//! let options = TransactionOptions {
//!     sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
//!     ..TransactionOptions::default()
//! };
//! let transaction = db.begin_with_options(options).await?;
//! # transaction.rollback().await
//! # }
//! ```

mod batch;
mod cursor;
mod dialect;
mod error;
pub mod event_outbox;
mod hold;
mod listener;
mod migration;
mod queries;
mod relay;
mod row;
mod sweep;
mod write;

pub use error::OutboxError;
pub use migration::Migration;
pub(crate) use relay::Written;
pub use relay::{Relay, RelayHandle, RelaySettings};
pub use write::InTransaction;

//! Connections to Postgres, as fast as warren's own, and the columns of a statement with many rows.

use std::str::FromStr;

use lapin::types::ShortString;
use sea_orm::sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use crate::Result;

/// Without TLS, as warren connects to a server on the same machine: with it, sqlx 0.9.0 waits 40 ms in a statement of more than
/// one record (<https://github.com/transact-rs/sqlx/issues/4335>).
pub(crate) async fn connect(url: &str, connections: u32) -> Result<PgPool> {
    let options = PgConnectOptions::from_str(url)?.ssl_mode(PgSslMode::Disable);
    Ok(PgPoolOptions::new().max_connections(connections).connect_with(options).await?)
}

/// One array.
pub(crate) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// A property of a message that it need not have.
pub(crate) fn text(text: &Option<ShortString>) -> Option<&str> {
    text.as_ref().map(ShortString::as_str)
}

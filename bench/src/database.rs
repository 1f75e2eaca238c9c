//! Connections to Postgres, as fast as warren's own.

use std::str::FromStr;

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

//! What a measurement was made on, so that its figures can be compared with others.

use std::time::Duration;

use event_driven::lapin::uri::{AMQPScheme, AMQPUri};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{BenchError, Machine};
use crate::lifecycle::Database;

/// The most that is read of it.
const FRAME: u64 = 64 * 1024;

/// How long RabbitMQ may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(5);

impl Machine {
    /// This one.
    pub(super) async fn look(broker: Option<&AMQPUri>, database: &Database) -> Result<Self, BenchError> {
        Ok(Self {
            warren: env!("CARGO_PKG_VERSION"),
            debug_build: cfg!(debug_assertions),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            broker: match broker {
                Some(at) => rabbitmq(at).await,
                None => "in process".to_owned(),
            },
            database: self::database(database).await?,
        })
    }
}

async fn database(database: &Database) -> Result<String, BenchError> {
    let connection = database.connection();
    let backend = connection.get_database_backend();
    let (name, sql) = match backend {
        DbBackend::Postgres => ("PostgreSQL", "SELECT current_setting('server_version')"),
        _ => ("SQLite", "SELECT sqlite_version()"),
    };
    let failed = BenchError::sql("the database does not tell its version");
    let row = connection.query_one_raw(Statement::from_string(backend, sql)).await.map_err(&failed)?;
    let version: String = row.map(|row| row.try_get_by_index(0)).transpose().map_err(&failed)?.unwrap_or_default();
    // Debian adds its own: "15.14 (Debian 15.14-0+deb12u1)".
    Ok(format!("{name} {}", version.split_whitespace().next().unwrap_or_default()))
}

async fn rabbitmq(at: &AMQPUri) -> String {
    let version = match at.scheme {
        AMQPScheme::AMQP => timeout(PATIENCE, greeting(at)).await.ok().and_then(Result::ok),
        AMQPScheme::AMQPS => None,
    };
    match version.as_deref().and_then(version_in) {
        Some(version) => format!("RabbitMQ {version}"),
        None => "RabbitMQ".to_owned(),
    }
}

/// The first bytes that RabbitMQ sends: `connection.start`, with its properties. lapin reads them and tells nobody.
async fn greeting(at: &AMQPUri) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((at.authority.host.as_str(), at.authority.port)).await?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let mut header = [0; 7];
    stream.read_exact(&mut header).await?;
    let [.., a, b, c, d] = header;
    let mut frame = Vec::new();
    stream.take(u64::from(u32::from_be_bytes([a, b, c, d])).min(FRAME)).read_to_end(&mut frame).await?;
    Ok(frame)
}

/// The property `version`: a field's name, and a long string.
fn version_in(frame: &[u8]) -> Option<&str> {
    const FIELD: &[u8] = b"\x07versionS";
    let begin = frame.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len();
    let (length, rest) = frame.get(begin..)?.split_at_checked(4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_among_the_properties() {
        assert_eq!(version_in(b"...\x07versionS\x00\x00\x00\x063.10.8\x08informationS"), Some("3.10.8"));
        for wrong in [&b"\x07versionS\x00\x00\x00\xff3.10.8"[..], b"\x07versionS\x00", b"", b"\x07versiont\x01"] {
            assert_eq!(version_in(wrong), None);
        }
    }
}

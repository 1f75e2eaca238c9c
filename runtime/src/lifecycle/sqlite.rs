//! Rows into SQLite: a transaction of multi-row inserts, by SeaORM.
//!
//! SQLite has no arrays: each value is a parameter, and each number of rows another text to prepare. So the rows go in
//! pieces whose sizes are powers of two, of which there are few; prepared once, they stay so.

use std::{collections::HashMap, sync::Arc};

use entity::{event_store, task_attempt, task_store};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sea_query::{Alias, Expr, OnConflict},
};
use uuid::Uuid;

use super::{AttemptRow, EventRow, TaskRow, upsert};

/// The most rows of a statement. SQLite takes 32,766 parameters, of which these need 1,536; more rows bring nothing.
const STATEMENT_ROWS: usize = 64;

/// Inserts each task, or updates its row if that yields; and its attempts.
pub(super) async fn upsert_tasks(db: &DatabaseConnection, rows: &[&TaskRow]) -> Result<(), DbErr> {
    let transaction = begin(db).await?;
    let written = write_tasks(&transaction, rows, &task_conflict()).await?;
    let others = rows.iter().flat_map(|row| row.other_attempts().iter().map(|attempt| (row.id, attempt)));
    let mut attempts: Vec<_> = others.collect();
    if written < rows.len() as u64 {
        attempts.extend(left_over(&transaction, rows).await?);
    }
    write_attempts(&transaction, &attempts).await?;
    transaction.commit().await
}

/// The attempts that were to be kept in rows which did not yield, each with its task. A stored row that has the very attempt was
/// written before, when the answer was lost.
async fn left_over<'r>(
    transaction: &DatabaseTransaction,
    rows: &[&'r TaskRow],
) -> Result<Vec<(Uuid, &'r AttemptRow)>, DbErr> {
    let kept: Vec<_> = rows.iter().filter_map(|row| Some((row.id, row.kept_attempt()?))).collect();
    let mut stored = HashMap::with_capacity(kept.len());
    for piece in pieces(&kept) {
        let found = task_store::Entity::find()
            .select_only()
            .columns([task_store::Column::IdTask, task_store::Column::IdAttempt])
            .filter(task_store::Column::IdTask.is_in(piece.iter().map(|(task, _)| *task)))
            .into_tuple::<(Uuid, Option<Uuid>)>();
        stored.extend(found.all(transaction).await?);
    }
    Ok(kept.into_iter().filter(|(task, attempt)| stored.get(task) != Some(&Some(attempt.id))).collect())
}

/// Inserts each task that has no row yet; says how many.
pub(super) async fn insert_tasks(db: &DatabaseConnection, rows: &[&TaskRow]) -> Result<u64, DbErr> {
    let mut conflict = OnConflict::column(task_store::Column::IdTask);
    let transaction = begin(db).await?;
    let written = write_tasks(&transaction, rows, conflict.do_nothing()).await?;
    transaction.commit().await?;
    Ok(written)
}

async fn write_tasks(
    transaction: &DatabaseTransaction,
    rows: &[&TaskRow],
    conflict: &OnConflict,
) -> Result<u64, DbErr> {
    let mut written = 0;
    for piece in pieces(rows) {
        let models = piece.iter().map(|row| task_model(row));
        let insert = task_store::Entity::insert_many(models).on_conflict(conflict.clone());
        written += insert.exec_without_returning(transaction).await?;
    }
    Ok(written)
}

/// `attempts`: each with its task.
async fn write_attempts(transaction: &DatabaseTransaction, attempts: &[(Uuid, &AttemptRow)]) -> Result<(), DbErr> {
    let conflict = attempt_conflict();
    for piece in pieces(attempts) {
        let models = piece.iter().map(|(task, attempt)| attempt_model(*task, attempt));
        let insert = task_attempt::Entity::insert_many(models).on_conflict(conflict.clone());
        insert.exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// Inserts each event that has no row yet.
pub(super) async fn insert_events(db: &DatabaseConnection, rows: &[&EventRow]) -> Result<(), DbErr> {
    let conflict = OnConflict::column(event_store::Column::IdEventStore).do_nothing().to_owned();
    let transaction = begin(db).await?;
    for piece in pieces(rows) {
        let models = piece.iter().map(|row| event_model(row));
        let insert = event_store::Entity::insert_many(models).on_conflict(conflict.clone());
        insert.exec_without_returning(&transaction).await?;
    }
    transaction.commit().await
}

/// Takes the write lock at once: a transaction that began by reading could not wait for another writer.
pub(super) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    db.begin_with_options(options).await
}

/// Splits rows into pieces of 64, and what is left by its binary digits.
fn pieces<R>(mut rows: &[R]) -> impl Iterator<Item = &[R]> {
    std::iter::from_fn(move || {
        let size = STATEMENT_ROWS.min(1 << rows.len().checked_ilog2()?);
        let (piece, rest) = rows.split_at_checked(size)?;
        rows = rest;
        Some(piece)
    })
}

fn task_conflict() -> OnConflict {
    let mut conflict = OnConflict::column(task_store::Column::IdTask);
    for column in upsert::KEPT {
        conflict.value(Alias::new(column), Expr::cust(upsert::kept(column)));
    }
    for column in upsert::SET.into_iter().chain(upsert::RECEIPT) {
        conflict.update_column(Alias::new(column));
    }
    conflict.action_and_where(Expr::cust(upsert::YIELDS)).to_owned()
}

fn attempt_conflict() -> OnConflict {
    let mut conflict = OnConflict::columns([task_attempt::Column::IdTask, task_attempt::Column::IdAttempt]);
    for column in upsert::ATTEMPT_SET.into_iter().chain(upsert::RECEIPT) {
        conflict.update_column(Alias::new(column));
    }
    conflict.action_and_where(Expr::cust(upsert::ATTEMPT_YIELDS)).to_owned()
}

fn task_model(row: &TaskRow) -> task_store::ActiveModel {
    let text = |value: &Option<Arc<str>>| Set(value.as_deref().map(str::to_owned));
    let kept = row.kept_attempt();
    task_store::ActiveModel {
        id_task: Set(row.id),
        correlation_id: text(&row.correlation_id),
        producer_app: text(&row.producer_app),
        created_at: Set(row.created_at),
        task_name: text(&row.task_name),
        payload: text(&row.payload),
        status: Set(row.status),
        result: text(&row.result),
        error: text(&row.error),
        message_id: text(&row.message_id),
        routing_key: text(&row.routing_key),
        attempt: Set(row.attempt.try_into().unwrap_or(i32::MAX)),
        component_digest: text(&row.component_digest),
        runtime_id: text(&row.runtime_id),
        started_at: Set(row.started_at),
        finished_at: Set(row.finished_at),
        id_attempt: Set(kept.map(|attempt| attempt.id)),
        cpu_us: Set(kept.and_then(AttemptRow::cpu_us)),
        memory_bytes: Set(kept.and_then(|attempt| attempt.bytes(|receipt| receipt.memory))),
        payload_bytes: Set(kept.and_then(|attempt| attempt.bytes(|receipt| receipt.payload))),
        result_bytes: Set(kept.and_then(|attempt| attempt.bytes(|receipt| receipt.result))),
        log_bytes: Set(kept.and_then(AttemptRow::log_bytes)),
        http: Set(kept.and_then(AttemptRow::http)),
        log: Set(kept.and_then(AttemptRow::log).map(str::to_owned)),
    }
}

fn attempt_model(task: Uuid, attempt: &AttemptRow) -> task_attempt::ActiveModel {
    task_attempt::ActiveModel {
        id_task: Set(task),
        id_attempt: Set(attempt.id),
        attempt: Set(attempt.attempt.try_into().unwrap_or(i32::MAX)),
        runtime_id: Set((*attempt.runtime_id).to_owned()),
        component_digest: Set(attempt.component_digest.as_deref().map(str::to_owned)),
        started_at: Set(attempt.started_at),
        finished_at: Set(attempt.finished_at),
        outcome: Set(attempt.outcome),
        error_class: Set(attempt.error_class().map(str::to_owned)),
        error: Set(attempt.error().map(str::to_owned)),
        cpu_us: Set(attempt.cpu_us()),
        memory_bytes: Set(attempt.bytes(|receipt| receipt.memory)),
        payload_bytes: Set(attempt.bytes(|receipt| receipt.payload)),
        result_bytes: Set(attempt.bytes(|receipt| receipt.result)),
        log_bytes: Set(attempt.log_bytes()),
        http: Set(attempt.http()),
        log: Set(attempt.log().map(str::to_owned)),
    }
}

fn event_model(row: &EventRow) -> event_store::ActiveModel {
    let text = |value: &Option<Arc<str>>| Set(value.as_deref().map(str::to_owned));
    event_store::ActiveModel {
        id_event_store: Set(row.id),
        correlation_id: text(&row.correlation_id),
        producer_app: text(&row.producer_app),
        created_at: Set(row.created_at),
        headers: text(&row.headers),
        payload: text(&row.payload),
        routing_key: Set((*row.routing_key).to_owned()),
        message_id: text(&row.message_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_sizes_of_statement_serve_every_number_of_rows() {
        let sizes = |rows: usize| pieces(&vec![&(); rows]).map(<[_]>::len).collect::<Vec<_>>();
        assert!(sizes(0).is_empty());
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(100), [64, 32, 4]);
        assert_eq!(sizes(200), [64, 64, 64, 8]);
    }
}

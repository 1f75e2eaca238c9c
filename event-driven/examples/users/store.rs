//! The table `users`, beside that of the outbox: one transaction has to reach both.

use chrono::{DateTime, Utc};
use event_driven::outbox;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait,
    sqlx::sqlite::SqliteJournalMode,
};
use sea_orm_migration::{MigratorTrait, prelude::*};
use serde::Deserialize;

use crate::user::User;

mod users {
    use sea_orm::entity::prelude::*;

    #[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub user_id: i64,
        pub username: String,
        #[sea_orm(unique)]
        pub email: String,
        pub full_name: Option<String>,
        /// Concerns nobody else, so it is not in [`User`](super::User).
        pub password_changed_at: Option<DateTimeUtc>,
    }

    #[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl From<users::Model> for User {
    fn from(row: users::Model) -> Self {
        Self { user_id: row.user_id, username: row.username, email: row.email, full_name: row.full_name }
    }
}

/// The outbox's table is made as any other: its migration stands in the list.
struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateUsers), Box::new(outbox::Migration)]
    }
}

struct CreateUsers;

impl MigrationName for CreateUsers {
    fn name(&self) -> &'static str {
        "m20260801_000000_users"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateUsers {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table
            .table(users::Entity)
            // An id is not given again when its user was deleted: to others it would be the same user.
            .col(ColumnDef::new(users::Column::UserId).big_integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new(users::Column::Username).text().not_null())
            .col(ColumnDef::new(users::Column::Email).text().not_null().unique_key())
            .col(ColumnDef::new(users::Column::FullName).text())
            .col(ColumnDef::new(users::Column::PasswordChangedAt).timestamp_with_time_zone());
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(users::Entity).take()).await
    }
}

/// What a new user is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    pub username: String,
    pub email: String,
    pub full_name: Option<String>,
}

/// What can be changed. An email can't, so who sends one is told rather than ignored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub username: String,
    pub full_name: Option<String>,
}

/// Connects, and brings the tables up to date.
pub async fn open(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    // With a write-ahead log, who reads does not wait for who writes.
    options.sqlx_logging(false).map_sqlx_sqlite_opts(|sqlite| sqlite.journal_mode(SqliteJournalMode::Wal));
    let db = Database::connect(options).await?;
    Migrator::up(&db, None).await?;
    Ok(db)
}

pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<User>, DbErr> {
    let rows = users::Entity::find().order_by_id_asc().all(db).await?;
    Ok(rows.into_iter().map(User::from).collect())
}

pub async fn find(db: &impl ConnectionTrait, user_id: i64) -> Result<Option<User>, DbErr> {
    Ok(users::Entity::find_by_id(user_id).one(db).await?.map(User::from))
}

pub async fn insert(db: &impl ConnectionTrait, new: NewUser) -> Result<User, DbErr> {
    let row = users::ActiveModel {
        user_id: NotSet,
        username: Set(new.username),
        email: Set(new.email),
        full_name: Set(new.full_name),
        password_changed_at: Set(None),
    };
    Ok(users::Entity::insert(row).exec_with_returning(db).await?.into())
}

/// `None` if there is no such user.
pub async fn update(db: &impl ConnectionTrait, user_id: i64, change: Change) -> Result<Option<User>, DbErr> {
    let row = users::ActiveModel {
        user_id: Set(user_id),
        username: Set(change.username),
        full_name: Set(change.full_name),
        ..Default::default()
    };
    write(db, row).await
}

/// `None` if there is no such user.
pub async fn password_changed(
    db: &impl ConnectionTrait,
    user_id: i64,
    at: DateTime<Utc>,
) -> Result<Option<User>, DbErr> {
    let row = users::ActiveModel { user_id: Set(user_id), password_changed_at: Set(Some(at)), ..Default::default() };
    write(db, row).await
}

async fn write(db: &impl ConnectionTrait, row: users::ActiveModel) -> Result<Option<User>, DbErr> {
    match users::Entity::update(row).exec(db).await {
        Ok(row) => Ok(Some(row.into())),
        Err(DbErr::RecordNotUpdated) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether there was one.
pub async fn delete(db: &impl ConnectionTrait, user_id: i64) -> Result<bool, DbErr> {
    Ok(users::Entity::delete_by_id(user_id).exec(db).await?.rows_affected > 0)
}

//! What other services are told of a user. It is not the row: what stands in the table and concerns nobody else is not here.

use chrono::{DateTime, Utc};
use event_driven::{EventObject, on_notify, publisher::Publisher};
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};

use crate::{problem::Problem, store};

/// `crud` writes the types of four events: `UserCreate`, `UserUpdate`, `UserDelete` and `UserRead`. Their routing keys are
/// `routing.event.create.user` and so on.
#[derive(Debug, Clone, Serialize, Deserialize, EventObject)]
#[event(crud)]
pub struct User {
    /// Which user it is. The events of one user leave the outbox in order, because of this key.
    #[event(key)]
    pub user_id: i64,
    pub username: String,
    /// Never changes, so `UserUpdate` does not have it.
    #[event(disable_update)]
    pub email: String,
    pub full_name: Option<String>,
}

/// What others are told when a password was changed. The password is not in it.
#[derive(Debug, Clone, Serialize)]
pub struct PasswordChanged {
    pub user_id: i64,
    pub changed_at: DateTime<Utc>,
}

impl User {
    /// What this returns is published as `routing.event.notify.user`, with `"event_name": "password_changed"` in it; nothing
    /// is if it returns an error.
    ///
    /// The event is published after the body is over, which is after the change is committed: if the process dies just then,
    /// nobody is told. Where that must not be, the event goes into the outbox, as in `api`.
    #[on_notify("password_changed")]
    pub async fn change_password(
        &self,
        password: &str,
        db: &DatabaseConnection,
        publisher: &Publisher,
    ) -> Result<PasswordChanged, Problem> {
        if password.chars().count() < 8 {
            return Err(Problem::invalid("a password has at least 8 characters"));
        }
        // This example has no login and keeps no password, only when it was changed. A service with a login stores a hash that
        // is made for passwords (argon2), in the same statement.
        let changed_at = Utc::now();
        let changed = store::password_changed(db, self.user_id, changed_at).await?;
        let user = changed.ok_or_else(|| Problem::no_user(self.user_id))?;
        Ok(PasswordChanged { user_id: user.user_id, changed_at })
    }
}

//! The routes, and how each of them tells others what it did.

use axum::{
    Json, Router,
    extract::{
        Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::{HeaderName, StatusCode, header::LOCATION},
    routing::{get, put},
};
use event_driven::{
    axum::{Event, SendEventLayer},
    publisher::Publisher,
};
use sea_orm::{DatabaseConnection, TransactionTrait};
use serde::Deserialize;

use crate::{
    problem::Problem,
    store::{self, Change, NewUser},
    user::{PasswordChanged, User, UserCreate, UserDelete, UserRead, UserUpdate},
};

/// No `Debug`: it must not get into a log.
#[derive(Deserialize)]
pub struct NewPassword {
    password: String,
}

// Without these, axum would say in plain text what is wrong with a request.
type Id = Result<Path<i64>, PathRejection>;
type Body<T> = Result<Json<T>, JsonRejection>;

/// The layer stands around all routes: it publishes the answers that are events, gives handlers the publisher, and takes the
/// correlation id from the header `x-correlation-id`, or makes one.
pub fn router(db: DatabaseConnection, publisher: Publisher) -> Router {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/{id}", get(read).put(update).delete(delete))
        .route("/users/{id}/password", put(change_password))
        .layer(SendEventLayer::new(publisher))
        .with_state(db)
}

/// A change, by the outbox: the row and its event are committed together or not at all. RabbitMQ is not asked here; the relay
/// publishes what is committed, also if this process is killed right after the commit, and RabbitMQ is away for a day.
async fn create(
    State(db): State<DatabaseConnection>,
    publisher: Publisher,
    new: Body<NewUser>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<User>), Problem> {
    let Json(new) = new?;
    let transaction = db.begin().await?;
    // An error from here on drops the transaction, which takes both back.
    let user = store::insert(&transaction, new).await?;
    publisher.in_transaction(&transaction).event(&UserCreate::from(&user)).await?;
    transaction.commit().await?;
    let location = [(LOCATION, format!("/users/{}", user.user_id))];
    Ok((StatusCode::CREATED, location, Json(user)))
}

/// The row first, then the event: the lock of the row keeps two changes of one user apart, so that their events stand in the
/// outbox in the order of the changes.
async fn update(
    State(db): State<DatabaseConnection>,
    publisher: Publisher,
    id: Id,
    change: Body<Change>,
) -> Result<Json<User>, Problem> {
    let (Path(id), Json(change)) = (id?, change?);
    let transaction = db.begin().await?;
    let user = store::update(&transaction, id, change).await?.ok_or_else(|| Problem::no_user(id))?;
    publisher.in_transaction(&transaction).event(&UserUpdate::from(&user)).await?;
    transaction.commit().await?;
    Ok(Json(user))
}

/// An event is written by hand where `From<&User>` would tell too much: who is deleted is not told of once more.
async fn delete(State(db): State<DatabaseConnection>, publisher: Publisher, id: Id) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    let transaction = db.begin().await?;
    if !store::delete(&transaction, id).await? {
        return Err(Problem::no_user(id));
    }
    let deleted = UserDelete { user_id: id, username: None, email: None, full_name: None };
    publisher.in_transaction(&transaction).event(&deleted).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An answer that is an event: the layer publishes it and then lets the answer go. No change and its event can come apart
/// here, and the outbox would make a write of each read. The price: who reads gets 503 while RabbitMQ is away.
async fn read(State(db): State<DatabaseConnection>, id: Id) -> Result<Event<UserRead>, Problem> {
    let Path(id) = id?;
    let user = store::find(&db, id).await?.ok_or_else(|| Problem::no_user(id))?;
    Ok(Event(UserRead::from(&user)))
}

/// Nobody wants to know of this.
async fn list(State(db): State<DatabaseConnection>) -> Result<Json<Vec<User>>, Problem> {
    Ok(Json(store::all(&db).await?))
}

/// A notification, by a method that says itself that it tells what it returned.
async fn change_password(
    State(db): State<DatabaseConnection>,
    publisher: Publisher,
    id: Id,
    new: Body<NewPassword>,
) -> Result<Json<PasswordChanged>, Problem> {
    let (Path(id), Json(new)) = (id?, new?);
    let user = store::find(&db, id).await?.ok_or_else(|| Problem::no_user(id))?;
    Ok(Json(user.change_password(&new.password, &db, &publisher).await?))
}

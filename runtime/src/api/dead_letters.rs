//! `/v1/dead-letters`: what could not be handled, read, tried again, thrown away; in the words of `warren dead`.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{
        FromRequest, Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
};
use event_driven::names::DEAD_TASKS_QUEUE;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    Doors,
    page::Page,
    problem::Problem,
    wait::duration,
    walks::{Asked, queues},
};
use crate::{
    config::Scope,
    dead_letters::{Action, Changed, Filter, Letter, check_id},
    service::Service,
};

/// The most letters that one request changes.
const MOST: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those in this queue. Default: `dead.tasks` and `dead.event.store`.
    queue: Option<String>,
    /// Only those that died of this: an error class (`timeout`, `trap`, `malformed` …), or RabbitMQ's `expired`, `maxlen`,
    /// `rejected`, `delivery_limit`.
    reason: Option<String>,
    /// Only tasks for this component.
    component: Option<String>,
    /// Only those that died longer ago (`1h`).
    older_than: Option<String>,
    /// At most this many, up to 1,000. Default: 50.
    limit: Option<u64>,
}

/// Some dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LetterList {
    /// Of each queue the oldest first.
    items: Vec<Letter>,
    /// How many nobody has looked at, because the limit or the time was over.
    not_looked_at: u64,
}

/// List dead letters. While they are read they are held; afterwards they are back in their places.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "dead letters", params(ListQuery), responses(
    (status = 200, description = "those that are meant", body = LetterList),
    (status = 400, description = "a parameter is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "there is no such queue of dead letters", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "somebody else goes through them (Retry-After), or RabbitMQ can't be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<LetterList>, Problem> {
    let Query(query) = query?;
    let limit = usize::try_from(Page::parse(query.limit, None)?.limit).unwrap_or(usize::MAX);
    let older_than = query.older_than.as_deref().map(|text| duration("older_than", text)).transpose()?;
    let filter = Filter { ids: Vec::new(), class: query.reason, task_name: query.component, older_than };
    let asked = Asked { queue: query.queue, filter, limit, action: Action::Look };
    let walked = doors.walks.walk(&service, asked).await?;
    Ok(Json(LetterList { items: walked.letters, not_looked_at: walked.not_looked_at }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ShowQuery {
    /// The queue that it is in. Default: `dead.tasks` and `dead.event.store` are looked through.
    queue: Option<String>,
}

/// A dead letter with all that it says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeLetter {
    #[serde(flatten)]
    letter: Letter,
    /// Its headers.
    #[schema(value_type = Object)]
    headers: Option<Value>,
    /// Its body: JSON, or a text.
    #[schema(value_type = Object)]
    body: Value,
}

/// Read one dead letter: its headers, its body, why it died.
#[utoipa::path(get, path = "/v1/dead-letters/{id}", tag = "dead letters", params(("id" = String, Path), ShowQuery), responses(
    (status = 200, description = "the letter", body = WholeLetter),
    (status = 400, description = "this is no id", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "no dead letter has this id", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "there is no such queue of dead letters", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "somebody else goes through them (Retry-After), or RabbitMQ can't be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<ShowQuery>, QueryRejection>,
) -> Result<Json<WholeLetter>, Problem> {
    let Path(id) = id.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let id = check_id(&id).map_err(|error| Problem::bad_request(error.to_string()))?;
    let queue = query?.0.queue;
    let filter = Filter { ids: vec![id.clone()], ..Filter::default() };
    let asked = Asked { queue: queue.clone(), filter, limit: 1, action: Action::Look };
    let walked = doors.walks.walk(&service, asked).await?;
    match (walked.letters.into_iter().next(), walked.last) {
        (Some(letter), Some(last)) => Ok(Json(WholeLetter { letter, headers: last.headers(), body: last.body() })),
        _ if walked.not_looked_at > 0 => Err(Problem::unavailable(format!(
            "the time was over before {} letters were looked at; name its queue, or try again",
            walked.not_looked_at
        ))),
        _ => Err(Problem::not_found(format!("no dead letter in {} has the id {id}", queues(queue).join(", ")))),
    }
}

/// Which dead letters are meant: those that all of it is true of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody {
    /// Those with these ids, or the first six digits of each or more.
    ids: Option<Vec<String>>,
    /// Those in this queue. Default: `dead.tasks` and `dead.event.store`.
    queue: Option<String>,
    /// Those that died of this: an error class, or RabbitMQ's word.
    #[schema(example = "timeout")]
    reason: Option<String>,
    /// Tasks for this component.
    component: Option<String>,
    /// Those that died longer ago.
    #[schema(example = "1h")]
    older_than: Option<String>,
    /// At most this many, up to 10,000, which is the default.
    limit: Option<usize>,
    /// All: has to be said where nothing else says which.
    #[serde(default)]
    all: bool,
}

impl ChangeBody {
    fn into_asked(self, action: Action) -> Result<Asked, Problem> {
        let ids = match self.ids {
            Some(ids) if ids.is_empty() => {
                return Err(Problem::unprocessable("ids is empty: name some, or leave it out"));
            }
            ids => ids.unwrap_or_default(),
        };
        let ids = ids.iter().map(|id| check_id(id).map_err(|error| Problem::unprocessable(format!("{id:?}: {error}"))));
        let filter = Filter {
            ids: ids.collect::<Result<_, _>>()?,
            class: self.reason,
            task_name: self.component,
            older_than: self.older_than.as_deref().map(|text| duration("older_than", text)).transpose()?,
        };
        match (filter.takes_all(), self.all) {
            (true, false) => Err(Problem::unprocessable(
                "nothing says which: ids, reason, component or older_than; \"all\": true means all",
            )),
            (false, true) => Err(Problem::unprocessable("all stands beside what says which: one of them")),
            _ => Ok(()),
        }?;
        let limit = self.limit.unwrap_or(MOST);
        if !(1..=MOST).contains(&limit) {
            return Err(Problem::unprocessable(format!("limit {limit} is not between 1 and {MOST}")));
        }
        Ok(Asked { queue: self.queue, filter, limit, action })
    }
}

/// Have dead letters tried again, as if they had just been published: each goes into the queue that it came from, and to no
/// other.
#[utoipa::path(post, path = "/v1/dead-letters/retry", tag = "dead letters", request_body = ChangeBody, responses(
    (status = 200, description = "how many were tried again, and which stay", body = Changed),
    (status = 401, description = "there is no token, or none that is good", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "the token is not good for this, or nobody may write", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "the body does not say which, or there is no such queue", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "somebody else goes through them (Retry-After), or RabbitMQ can't be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn retry(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
    request: Request,
) -> Result<Json<Changed>, Problem> {
    change(&service, &doors, request, Action::Retry, "tried again").await
}

/// Throw dead letters away. They are gone for good; the rows of tasks stay.
#[utoipa::path(post, path = "/v1/dead-letters/discard", tag = "dead letters", request_body = ChangeBody, responses(
    (status = 200, description = "how many were thrown away, and how many stay", body = Changed),
    (status = 401, description = "there is no token, or none that is good", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "the token is not good for this, or nobody may write", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "the body does not say which, or there is no such queue", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "somebody else goes through them (Retry-After), or RabbitMQ can't be asked", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn discard(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
    request: Request,
) -> Result<Json<Changed>, Problem> {
    change(&service, &doors, request, Action::Discard, "thrown away").await
}

async fn change(
    service: &Service,
    doors: &Doors,
    request: Request,
    action: Action,
    what: &str,
) -> Result<Json<Changed>, Problem> {
    let now = service.parts().database.clock().now();
    let writer = doors.access.writer(request.headers(), now, Scope::DeadLettersWrite)?;
    // Only now: of those who may not write, nothing is read.
    let Json(mut body) = Json::<ChangeBody>::from_request(request, &()).await?;
    if writer.is_for_some_components() {
        writer.ensure_for_letters_of(body.component.as_deref())?;
        // Elsewhere it is services that know what a task's name means.
        if body.queue.get_or_insert_with(|| DEAD_TASKS_QUEUE.to_owned()) != DEAD_TASKS_QUEUE {
            return Err(Problem::forbidden(format!(
                "the token {} is good for some components alone, whose dead letters are in {DEAD_TASKS_QUEUE}",
                writer.name()
            )));
        }
    }
    let by = format!("{what} over HTTP by {}", writer.name());
    Ok(Json(Changed::from(doors.walks.change(service, body.into_asked(action)?, by).await?)))
}

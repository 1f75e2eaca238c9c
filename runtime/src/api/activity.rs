//! `/v1/activity`: what goes on at this moment, for `warren top` and other views.
//!
//! However many look on, there is one look at a time, and one that is fresh serves all.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State};
use tokio::{sync::Mutex, time::Instant};

use super::Doors;
use crate::{
    activity::{Observer, Snapshot},
    broker::Broker,
    service::Service,
};

/// How long a look is fresh.
const FRESH: Duration = Duration::from_millis(200);

/// Looks for all who ask.
#[derive(Debug)]
pub(super) struct Lookout(Mutex<Watch>);

#[derive(Debug)]
struct Watch {
    observer: Observer,
    last: Option<(Instant, Snapshot)>,
}

impl Lookout {
    pub(super) fn of(service: &Service) -> Self {
        let parts = service.parts();
        let observer = Observer::with_database(parts.config.clone(), parts.database.clone());
        Self(Mutex::new(Watch { observer, last: None }))
    }

    async fn look(&self, broker: &Broker) -> Snapshot {
        let mut watch = self.0.lock().await;
        if let Some((_, last)) = watch.last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return last.clone();
        }
        let snapshot = match broker {
            Broker::RabbitMq(_) => watch.observer.look().await,
            Broker::InProcess(broker) => watch.observer.look_with(broker.depths()).await,
        };
        watch.last = Some((Instant::now(), snapshot.clone()));
        snapshot
    }
}

/// What goes on at this moment: what ends a second, queues, what runs, what fails, which runtimes are there. What can't be
/// asked says why.
#[utoipa::path(get, path = "/v1/activity", tag = "activity", responses(
    (status = 200, description = "as far as it is known", body = Snapshot),
))]
pub(super) async fn activity(
    State(service): State<Arc<Service>>,
    Extension(doors): Extension<Arc<Doors>>,
) -> Json<Snapshot> {
    Json(doors.lookout.look(&service.parts().broker).await)
}

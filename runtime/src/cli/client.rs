//! How commands reach a running warren: over HTTP. Used where the settings name no broker (to publish) or no database
//! (to read), as beside `warren dev`.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::{config::Config, tls};

/// Beyond what an answer itself may wait for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The HTTP interface of a running warren.
pub(super) struct Client {
    base: String,
    /// For what takes one. From the environment alone: arguments are seen by everybody on the machine.
    token: Option<String>,
    http: reqwest::Client,
}

impl Client {
    /// The one at `WARREN_URL`, else where the settings say that it listens.
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let base = std::env::var("WARREN_URL").unwrap_or_else(|_| format!("http://{}", config.http.addr));
        // Loopback needs no proxy, and a proxy would see every payload.
        tls::install_ring();
        let http = reqwest::Client::builder().no_proxy().build()?;
        let token = std::env::var("WARREN_TOKEN").ok().filter(|token| !token.is_empty());
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token, http })
    }

    /// GET; `None` for a 404.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Option<Value>> {
        self.get_patiently(path, query, Duration::ZERO).await
    }

    /// GET; the answer may take `wait` longer than usual.
    pub(super) async fn get_patiently(
        &self,
        path: &str,
        query: &[(&str, String)],
        wait: Duration,
    ) -> anyhow::Result<Option<Value>> {
        self.send(self.http.get(format!("{}{path}", self.base)).query(query), wait).await
    }

    /// POST; the answer may take `wait` longer than usual.
    pub(super) async fn post(&self, path: &str, body: &Value, wait: Duration) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        self.send(request, wait).await?.with_context(|| format!("{}{path} is not there", self.base))
    }

    /// PUT; what is sent takes the place of what is there.
    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.put(format!("{}{path}", self.base)).json(body);
        self.send(request, Duration::ZERO).await?.with_context(|| format!("{}{path} is not there", self.base))
    }

    /// DELETE; whether it was there.
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<bool> {
        let request = self.http.delete(format!("{}{path}", self.base));
        Ok(self.send(request, Duration::ZERO).await?.is_some())
    }

    async fn send(&self, request: RequestBuilder, wait: Duration) -> anyhow::Result<Option<Value>> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.timeout(PATIENCE + wait).send().await.with_context(|| {
            format!(
                "no warren answers at {} (is `warren dev` running? WARREN_URL says where; RABBITMQ_URL and DATABASE_URL \
                 take the place of HTTP)",
                self.base
            )
        })?;
        let status = response.status();
        let text = response.text().await?;
        match status {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::NO_CONTENT => return Ok(Some(Value::Null)),
            _ => {}
        }
        let body: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} answered {status} with something that is no JSON", self.base))?;
        if status.is_success() {
            return Ok(Some(body));
        }
        bail!("{}: {}", status, body.get("detail").and_then(Value::as_str).unwrap_or(&text));
    }
}

//! The hub as the agent sees it: one HTTP client with keep-alive and a bearer token.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use penstock_shared::answer::{
    BACKLOG_PARAMETER, BacklogGrant, BatchesAnswer, FRAMES_CONTENT_TYPE, FrameAnswer,
};
use penstock_shared::join::{JoinAnswer, JoinRequest};
use penstock_shared::report::AgentReport;
use reqwest::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::ForwardError;
use super::core::Outcome;
use super::settings::ForwardSettings;
use crate::tls::{Peer, explain_tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer is a few hundred bytes; what is larger does not come from a hub.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// So much of an error text is worth showing.
const MAX_DETAIL_CHARS: usize = 300;

/// A frame as the body of a request: behind its length. Each attempt to send shares the bytes.
#[derive(Debug)]
pub(super) struct FrameBody(Bytes);

impl FrameBody {
    pub(super) fn of(frame: &[u8]) -> Self {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let length = length.to_le_bytes();
        let mut body = Vec::with_capacity(length.len() + frame.len());
        body.extend_from_slice(&length);
        body.extend_from_slice(frame);
        Self(body.into())
    }
}

/// What came of sending a frame, and what the hub grants.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) outcome: Outcome,
    /// None unless the hub answered and grants something.
    pub(super) grant: Option<BacklogGrant>,
}

/// Why the hub does not enrol this gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinFault {
    /// It was not reached, so that the code is not used.
    #[error("not reached: {0}")]
    Unreachable(String),
    /// No whole answer came. Whether the code is used is not known; the same code with the same token may be sent again.
    #[error("no answer ({0}); the same command again has the same outcome")]
    Silent(String),
    /// It says no.
    #[error("{0}")]
    Refused(String),
    /// It says no to everybody for a while.
    #[error("is busy (status {0}): try again in some seconds")]
    Busy(u16),
    /// It answers what no hub answers that knows of this.
    #[error("is no hub, or one of an older version: {0}")]
    Strange(String),
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, grant: None }
    }
}

/// The way to one hub.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    client: reqwest::Client,
    batches_url: String,
    backlog_url: String,
    report_url: String,
    join_url: String,
    token: Option<String>,
}

impl Hub {
    pub(crate) fn new(settings: &ForwardSettings) -> Result<Self, ForwardError> {
        // An error only says that a provider is installed already.
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::trace!("tls provider was installed before");
        }
        let mut client = reqwest::Client::builder();
        if settings.hub_url.starts_with("http://") {
            // No certificate is looked at, so a machine that trusts none must not keep the agent from starting.
            client = client.tls_certs_only([]);
        }
        let client = client
            .timeout(settings.timeout)
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .pool_max_idle_per_host(2)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(ForwardError::Client)?;
        let base = settings.hub_url.trim_end_matches('/');
        Ok(Self {
            client,
            batches_url: format!("{base}/api/v1/batches"),
            backlog_url: format!("{base}/api/v1/batches?{BACKLOG_PARAMETER}=true"),
            report_url: format!("{base}/api/v1/agents/report"),
            join_url: format!("{base}/api/v1/join"),
            token: settings.token.clone().filter(|token| !token.is_empty()),
        })
    }

    /// Sends one frame, of a backlog or not, and says what came of it.
    pub(super) async fn send(&self, frame: &FrameBody, is_backlog: bool) -> Reply {
        let url = if is_backlog { &self.backlog_url } else { &self.batches_url };
        let request = self.client.post(url).header(CONTENT_TYPE, FRAMES_CONTENT_TYPE).body(frame.0.clone());
        match self.authorized(request).send().await {
            Ok(response) => understand(response).await,
            Err(error) => Outcome::Unreachable(chain(&error)).into(),
        }
    }

    /// Sends a report; an error text says why the hub does not have it.
    pub(crate) async fn report(&self, report: &AgentReport) -> Result<(), String> {
        let request = self.client.post(&self.report_url).json(report);
        let response = self.authorized(request).send().await.map_err(|error| chain(&error))?;
        if response.status().is_success() { Ok(()) } else { Err(format!("status {}", response.status())) }
    }

    /// Tells whether anything answers where frames go, by sending none.
    pub(super) async fn answers(&self) -> bool {
        self.no_frame().send().await.is_ok()
    }

    fn no_frame(&self) -> reqwest::RequestBuilder {
        self.authorized(self.client.post(&self.batches_url).header(CONTENT_TYPE, FRAMES_CONTENT_TYPE))
    }

    /// Asks the hub whether it would take this agent's batches, sending none; returns by how many seconds its clock is
    /// ahead of this machine's.
    pub(crate) async fn probe(&self) -> Result<i64, String> {
        let response = self.no_frame().send().await.map_err(|error| why(&error))?;
        let status = response.status();
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let ahead = date.map_or(0, |date| date.timestamp() - Utc::now().timestamp());
        match (status, body(response).await?) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, body) => {
                let message = hub_message(&body).unwrap_or_default();
                Err(format!("refuses this agent's token (status {}): {message}", status.as_u16()))
            }
            // A body without a frame is what a hub complains of when all else is well.
            (StatusCode::BAD_REQUEST, body) if hub_message(&body).is_some() => Ok(ahead),
            (_, body) => Err(format!("is no hub: {}", strange(status, &body))),
        }
    }

    /// Hands over the code of an invitation, and the token that this gateway wants to have by it.
    pub(crate) async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, JoinFault> {
        let sent = self.client.post(&self.join_url).json(request).send().await;
        let response = sent.map_err(|error| match error.is_connect() {
            true => JoinFault::Unreachable(why(&error)),
            false => JoinFault::Silent(why(&error)),
        })?;
        let status = response.status();
        let body = body(response).await.map_err(JoinFault::Silent)?;
        match status {
            StatusCode::OK => {
                serde_json::from_slice(&body).map_err(|_| JoinFault::Strange(strange(status, &body)))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(JoinFault::Busy(status.as_u16()))
            }
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::CONFLICT => Err(hub_message(&body)
                .map_or_else(|| JoinFault::Strange(strange(status, &body)), JoinFault::Refused)),
            _ => Err(JoinFault::Strange(strange(status, &body))),
        }
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

async fn understand(response: Response) -> Reply {
    let status = response.status();
    let retry_after = retry_after(&response);
    let body = match body(response).await {
        Ok(body) => body,
        Err(detail) => return Outcome::Failed(detail).into(),
    };
    if status == StatusCode::OK {
        return match serde_json::from_slice::<BatchesAnswer>(&body) {
            Ok(answer) => Reply { grant: answer.backlog, outcome: fate(answer) },
            Err(error) => Outcome::Failed(format!("answer does not parse: {error}")).into(),
        };
    }
    let outcome = match status {
        StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Unauthorized(status.as_u16()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Outcome::Later(retry_after),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => match hub_message(&body) {
            Some(message) => Outcome::Refused(format!("status {}: {message}", status.as_u16())),
            None => Outcome::Failed(strange(status, &body)),
        },
        // Also 404 and its like: a wrong address must not turn readings into dead letters.
        _ => Outcome::Failed(strange(status, &body)),
    };
    outcome.into()
}

fn fate(answer: BatchesAnswer) -> Outcome {
    match answer.answers.into_iter().next() {
        Some(FrameAnswer::Have { have_through }) => Outcome::Have(have_through),
        Some(FrameAnswer::Gap { have_through }) => Outcome::Gap(have_through),
        Some(FrameAnswer::Refused { reason }) => Outcome::Refused(reason),
        Some(FrameAnswer::Skipped) | None => Outcome::Failed("frame was not looked at".to_owned()),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            return Err("answer is too long to come from a hub".to_owned());
        }
    }
    Ok(body)
}

/// Returns the message of the hub's error envelope; none when somebody else answered.
fn hub_message(body: &[u8]) -> Option<String> {
    let envelope: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(envelope.get("error")?.get("message")?.as_str()?.chars().take(MAX_DETAIL_CHARS).collect())
}

fn strange(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    format!("status {status}: {}", text.trim().chars().take(MAX_DETAIL_CHARS).collect::<String>())
}

/// Says why a request failed, in words that name what an operator can change.
fn why(error: &reqwest::Error) -> String {
    match tls_error(error) {
        Some(error) => explain_tls(Peer::Hub, error),
        None => chain(error),
    }
}

/// Finds what TLS says among the causes. I/O errors pass over the one that they hold.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(error) = error.downcast_ref() {
        return Some(error);
    }
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let held = held.map(|held| held as &(dyn std::error::Error + 'static));
    tls_error(held.or_else(|| error.source())?)
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

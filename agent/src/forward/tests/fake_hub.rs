//! A hub in memory: keeps the order as the real one does, and misbehaves on request.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use penstock_shared::answer::{BacklogGrant, BatchesAnswer, FrameAnswer};
use penstock_shared::batch::Batch;
use penstock_shared::frame;
use penstock_shared::id::{CommitNumber, Epoch};
use penstock_shared::report::AgentReport;

/// How the hub misbehaves, once.
pub(super) enum Trick {
    /// Stores the frame and cuts the answer off.
    CutAnswer,
    /// Answers with a status, and Retry-After if not 0.
    Status(StatusCode, u64),
    /// Forgets everything before it looks at the frame.
    Forget,
}

#[derive(Default)]
pub(super) struct Ledger {
    /// The last commit of each epoch.
    pub(super) have_through: HashMap<Epoch, CommitNumber>,
    /// What is granted for a backlog.
    pub(super) grant: Option<BacklogGrant>,
    pub(super) batches: Vec<Batch>,
    pub(super) tricks: VecDeque<Trick>,
    /// Frames with this commit are refused.
    pub(super) poison: Option<CommitNumber>,
    /// Frames of more readings are too large.
    pub(super) most_readings: Option<usize>,
    pub(super) requests: Vec<Instant>,
    pub(super) tokens: Vec<String>,
    pub(super) reports: Vec<AgentReport>,
}

impl Ledger {
    pub(super) fn readings(&self) -> usize {
        self.batches.iter().flat_map(|batch| &batch.commits).map(|commit| commit.readings.len()).sum()
    }

    pub(super) fn commits(&self) -> Vec<u64> {
        self.batches.iter().flat_map(|batch| &batch.commits).map(|commit| commit.number.0).collect()
    }

    fn take(&mut self, batch: Batch) -> FrameAnswer {
        let readings: usize = batch.commits.iter().map(|commit| commit.readings.len()).sum();
        let first = batch.commits[0].number;
        let last = batch.commits.last().unwrap().number;
        let follows = batch.gaps.first().map_or(first, |gap| gap.first).previous();
        if self.poison.is_some_and(|poison| (first..=last).contains(&poison)) {
            return FrameAnswer::Refused { reason: "poison".into() };
        }
        assert!(self.most_readings.is_none_or(|most| readings <= most), "413 comes before");
        let have_through = self.have_through.entry(batch.epoch).or_default();
        if first <= *have_through {
            return FrameAnswer::Have { have_through: *have_through };
        }
        if follows > *have_through {
            return FrameAnswer::Gap { have_through: *have_through };
        }
        *have_through = last;
        self.batches.push(batch);
        FrameAnswer::Have { have_through: last }
    }
}

#[derive(Clone)]
pub(super) struct FakeHub {
    pub(super) url: String,
    ledger: Arc<Mutex<Ledger>>,
}

impl FakeHub {
    pub(super) async fn start() -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let hub = Self { url, ledger: Arc::default() };
        let router = Router::new()
            .route("/api/v1/batches", post(batches))
            .route("/api/v1/agents/report", post(report))
            .with_state(hub.clone());
        tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        hub
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.ledger.lock().unwrap())
    }
}

async fn report(State(hub): State<FakeHub>, Json(report): Json<AgentReport>) -> StatusCode {
    hub.with(|ledger| ledger.reports.push(report));
    StatusCode::NO_CONTENT
}

async fn batches(State(hub): State<FakeHub>, headers: HeaderMap, body: Bytes) -> Response {
    if body.is_empty() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let length = u32::from_le_bytes(body[..4].try_into().unwrap()) as usize;
    assert_eq!(body.len(), 4 + length);
    let batch = match frame::open(&body[4..]) {
        Ok(batch) => batch,
        Err(error) => {
            let answers = vec![FrameAnswer::Refused { reason: error.to_string() }];
            return Json(BatchesAnswer { answers, backlog: None }).into_response();
        }
    };
    let readings: usize = batch.commits.iter().map(|commit| commit.readings.len()).sum();
    hub.with(|ledger| {
        ledger.requests.push(Instant::now());
        ledger.tokens.extend(headers.get("authorization").map(|token| token.to_str().unwrap().to_owned()));
        let trick = ledger.tricks.pop_front();
        if let Some(Trick::Status(status, retry_after)) = trick {
            return (status, [("retry-after", retry_after.to_string())]).into_response();
        }
        if ledger.most_readings.is_some_and(|most| readings > most) {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        }
        if matches!(trick, Some(Trick::Forget)) {
            ledger.have_through.clear();
            ledger.batches.clear();
        }
        let answers = vec![ledger.take(batch)];
        if matches!(trick, Some(Trick::CutAnswer)) {
            let cut = futures_util::stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("cut"))]);
            return Body::from_stream(cut).into_response();
        }
        Json(BatchesAnswer { answers, backlog: ledger.grant }).into_response()
    })
}

/// Waits until `claim` holds; fails after ten seconds.
pub(super) async fn eventually(what: &str, mut claim: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !claim() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

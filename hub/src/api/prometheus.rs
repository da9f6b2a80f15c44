//! `GET /metrics`: the hub's counters in Prometheus' text format.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::telemetry::{Counter, Telemetry};

use super::callers::Viewer;
use super::state::ApiState;

/// The format's content type.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers all counters.
pub(super) async fn get(_: Viewer, State(state): State<ApiState>) -> Response {
    let mut text = String::new();
    counters(&mut text, state.telemetry());
    let telemetry = state.telemetry();
    let lag_seconds = state.processing_lag_ms() as f64 / 1000.0;
    let pending = state.ingest().pending().readings() as f64;
    let gauges = [
        ("processing_lag_seconds", "Age of the oldest batch in the ledger that is not applied.", lag_seconds),
        ("ledger_pending_readings", "Readings in the ledger that are not applied.", pending),
        ("websocket_clients", "WebSocket clients.", telemetry.websocket_clients.value() as f64),
        ("http_connections", "Open HTTP connections.", telemetry.connections.value() as f64),
    ];
    for (name, help, value) in gauges {
        metric(&mut text, name, help, "gauge", value);
    }
    quantiles(&mut text, telemetry);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

fn counters(text: &mut String, telemetry: &Telemetry) {
    let counters: [(&str, &str, &Counter); 15] = [
        ("frames_confirmed_total", "Frames that stand in the ledger.", &telemetry.frames_confirmed),
        ("frames_gapped_total", "Frames that did not follow the ledger.", &telemetry.frames_gapped),
        ("frames_refused_total", "Frames that can never be accepted.", &telemetry.frames_refused),
        ("frames_skipped_total", "Frames behind one that was not stored.", &telemetry.frames_skipped),
        ("frame_bytes_total", "Bytes of frames received.", &telemetry.frame_bytes),
        ("requests_held_back_total", "Requests of frames asked to wait.", &telemetry.requests_held_back),
        ("groups_applied_total", "Groups that the processor applied.", &telemetry.groups_applied),
        ("readings_applied_total", "Readings that the processor applied.", &telemetry.readings_applied),
        ("groups_recovered_total", "Groups in doubt that were read back.", &telemetry.groups_recovered),
        ("groups_failed_total", "Groups that failed and were tried again.", &telemetry.groups_failed),
        ("change_streams_reopened_total", "Change streams opened again.", &telemetry.change_streams_reopened),
        ("messages_pushed_total", "Messages pushed to WebSocket clients.", &telemetry.messages_pushed),
        ("http_requests_total", "HTTP requests answered.", &telemetry.requests_answered),
        ("http_requests_failed_total", "HTTP answers of 500 and above.", &telemetry.requests_failed),
        ("http_requests_limited_total", "HTTP requests above a caller's rate.", &telemetry.requests_limited),
    ];
    for (name, help, counter) in counters {
        metric(text, name, help, "counter", counter.value() as f64);
    }
}

fn quantiles(text: &mut String, telemetry: &Telemetry) {
    for (name, q) in [("publish_to_push_p50_seconds", 0.50), ("publish_to_push_p99_seconds", 0.99)] {
        if let Some(ms) = telemetry.publish_to_push.quantile_ms(q) {
            let help = "From arrival at the gateway to the push, over the last minutes.";
            metric(text, name, help, "gauge", ms / 1000.0);
        }
    }
}

fn metric(text: &mut String, name: &str, help: &str, kind: &str, value: f64) {
    let lines = format_args!(
        "# HELP penstock_hub_{name} {help}\n# TYPE penstock_hub_{name} {kind}\npenstock_hub_{name} {value}\n"
    );
    text.write_fmt(lines).expect("writing to a string does not fail");
}

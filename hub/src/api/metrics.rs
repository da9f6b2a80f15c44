//! `GET /api/v1/metrics/{type}`: the rollup buckets of a type, or of one of its sources.

use axum::Json;
use axum::extract::{Path, State};
use penstock_shared::metrics::{Figures, Granularity};
use penstock_shared::reading::TimestampMicros;
use serde::{Deserialize, Serialize};

use crate::live::rfc3339_millis;
use crate::store::rollups;

use super::callers::Viewer;
use super::errors::ApiError;
use super::params::{Params, parse_time_millis};
use super::state::ApiState;

/// The most buckets that one answer has: two weeks of minutes.
const MAX_BUCKETS: i64 = 20_160;

/// The query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    granularity: Option<String>,
    from: Option<String>,
    to: Option<String>,
    source: Option<String>,
}

/// One bucket of the answer.
#[derive(Debug, Serialize)]
pub(super) struct Bucket {
    timestamp: String,
    #[serde(flatten)]
    figures: Figures,
}

/// A validated query: which buckets, `from <= start < to`, in milliseconds.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    granularity: Granularity,
    from: i64,
    to: i64,
}

/// Answers the buckets, oldest first. Buckets without numbers are left out.
pub(super) async fn get(
    _: Viewer,
    State(state): State<ApiState>,
    Path(event_type): Path<String>,
    Params(query): Params<Query>,
) -> Result<Json<Vec<Bucket>>, ApiError> {
    let span = Span::of(&query, TimestampMicros::now())?;
    let source = query.source.as_deref().filter(|source| !source.is_empty());
    let buckets =
        rollups::range(state.store(), &event_type, source, span.granularity, span.from, span.to).await?;
    let answer = buckets.into_iter().map(|bucket| Bucket {
        timestamp: rfc3339_millis(bucket.key.bucket_millis),
        figures: bucket.rollup.figures(),
    });
    Ok(Json(answer.collect()))
}

impl Span {
    /// The bucket that holds `from` is part of the answer, even where it starts before.
    fn of(query: &Query, now: TimestampMicros) -> Result<Self, ApiError> {
        let granularity: Granularity = match &query.granularity {
            None => Granularity::Minute,
            Some(text) => text.parse().map_err(|error| ApiError::BadRequest(format!("{error}")))?,
        };
        let to = parse_time_millis("to", query.to.as_deref())?.unwrap_or(now.millis() + granularity.millis());
        let from = parse_time_millis("from", query.from.as_deref())?;
        let from = from.unwrap_or(to - default_buckets(granularity) * granularity.millis());
        if from > to {
            return Err(ApiError::BadRequest("from must not be after to".to_owned()));
        }
        if (to - from) / granularity.millis() > MAX_BUCKETS {
            let message =
                format!("at most {MAX_BUCKETS} buckets at once; ask for a shorter span or longer buckets");
            return Err(ApiError::BadRequest(message));
        }
        Ok(Self { granularity, from: from - from.rem_euclid(granularity.millis()), to })
    }
}

/// The last hour of minutes, two days of hours, 60 days of days.
const fn default_buckets(granularity: Granularity) -> i64 {
    match granularity {
        Granularity::Minute => 60,
        Granularity::Hour => 48,
        Granularity::Day => 60,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(granularity: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<Span, ApiError> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let query = Query { granularity: owned(granularity), from: owned(from), to: owned(to), source: None };
        Span::of(&query, TimestampMicros(7_200_000_000))
    }

    #[test]
    fn the_last_hour_of_minutes_is_what_nobody_asked_otherwise() {
        let found = span(None, None, None).expect("valid");
        assert_eq!(found, Span { granularity: Granularity::Minute, from: 3_660_000, to: 7_260_000 });
    }

    #[test]
    fn the_bucket_that_holds_the_start_is_part_of_the_answer() {
        let found = span(Some("hour"), Some("1970-01-01T01:30:00Z"), Some("7200000")).expect("valid");
        assert_eq!((found.from, found.to), (3_600_000, 7_200_000));
    }

    #[test]
    fn a_span_that_is_upside_down_or_endless_is_refused() {
        assert!(span(None, Some("7200000"), Some("0")).is_err());
        assert!(span(None, Some("0"), Some("2026-01-01T00:00:00Z")).is_err());
        assert!(span(Some("second"), None, None).is_err());
    }
}

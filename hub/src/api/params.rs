//! Query parameters and JSON bodies: read strictly, refused with words that help.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use chrono::DateTime;
use serde::de::DeserializeOwned;

use super::errors::ApiError;

/// The query's parameters as `T`.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

/// The body as `T`, from JSON.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(params)| Self(params))
            .map_err(|error: QueryRejection| ApiError::BadRequest(error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(body)| Self(body)).map_err(|error: JsonRejection| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::TooLarge(error.body_text()),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::UnsupportedMediaType(error.body_text()),
            _ => ApiError::BadRequest(error.body_text()),
        })
    }
}

/// Reads a moment: RFC 3339, or a number of milliseconds since 1970. Returns microseconds.
pub(super) fn parse_time(name: &str, text: &str) -> Result<i64, ApiError> {
    let wrong =
        || ApiError::BadRequest(format!("{name} must be RFC 3339 or milliseconds since 1970, not {text:?}"));
    let micros = match text.parse::<i64>() {
        Ok(millis) => millis.checked_mul(1000).ok_or_else(wrong)?,
        Err(_) => DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?.timestamp_micros(),
    };
    // What chrono and BSON can both say.
    let is_sayable = DateTime::from_timestamp_micros(micros).is_some();
    if is_sayable { Ok(micros) } else { Err(wrong()) }
}

/// Reads an optional moment and returns milliseconds.
pub(super) fn parse_time_millis(name: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    text.map(|text| parse_time(name, text).map(|micros| micros.div_euclid(1000))).transpose()
}

/// Reads `limit`: at least 1, at most `max`.
pub(super) fn parse_limit(limit: Option<usize>, default: usize, max: usize) -> Result<usize, ApiError> {
    match limit {
        None => Ok(default),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => Err(ApiError::BadRequest(format!("limit must lie between 1 and {max}, not {limit}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc3339_or_milliseconds() {
        assert_eq!(parse_time("from", "1500").ok(), Some(1_500_000));
        assert_eq!(parse_time("from", "1970-01-01T01:00:00.5+01:00").ok(), Some(500_000));
        for wrong in ["", "yesterday", "2026-01-01", "9223372036854775807", "1e3"] {
            assert!(matches!(parse_time("from", wrong), Err(ApiError::BadRequest(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_limit_is_bounded() {
        assert_eq!(parse_limit(None, 100, 1000).ok(), Some(100));
        assert_eq!(parse_limit(Some(1000), 100, 1000).ok(), Some(1000));
        assert!(parse_limit(Some(0), 100, 1000).is_err() && parse_limit(Some(1001), 100, 1000).is_err());
    }
}

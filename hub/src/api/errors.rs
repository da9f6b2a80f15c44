//! What the API answers when it cannot do what was asked: the one place that decides status codes.
//!
//! The public message is for the caller; what went wrong inside goes to the log only.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::warn;

use crate::access::AccessError;
use crate::ingest::IngestError;
use crate::store::StoreError;

/// When to come back to a hub whose processor has fallen behind.
const BEHIND_RETRY_SECONDS: u64 = 5;

/// Why a request was not served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A parameter or the body is wrong; the message says which and why.
    #[error("{0}")]
    BadRequest(String),
    /// A token is needed and missing, unknown or expired.
    #[error("a valid token is needed")]
    Unauthorized,
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The path exists, but not with this method.
    #[error("this method is not allowed here")]
    MethodNotAllowed,
    /// The request contradicts an earlier one.
    #[error("{0}")]
    Conflict(String),
    /// The body is too large.
    #[error("{0}")]
    TooLarge(String),
    /// The body has a type that is not served here.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The caller asks too often.
    #[error("too many requests, come back in {retry_after_seconds} s")]
    TooManyRequests {
        /// When to come back.
        retry_after_seconds: u64,
    },
    /// The hub cannot serve this now, and may later.
    #[error("{message}")]
    Unavailable {
        /// A sentence for the caller.
        message: String,
        /// When to come back.
        retry_after_seconds: u64,
    },
    /// The request took too long.
    #[error("the request took too long")]
    TimedOut,
    /// The database failed.
    #[error("the database does not answer")]
    Database(#[from] mongodb::error::Error),
    /// Something that must not happen; the text is for the log.
    #[error("internal error")]
    Internal(String),
}

impl ApiError {
    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } | Self::TimedOut | Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the code that programs tell errors apart by.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict(_) => "conflict",
            Self::TooLarge(_) => "too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Unavailable { .. } | Self::Database(_) => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Internal(_) => "internal",
        }
    }

    const fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_seconds } | Self::Unavailable { retry_after_seconds, .. } => {
                Some(*retry_after_seconds)
            }
            Self::Database(_) | Self::TimedOut => Some(1),
            _ => None,
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Database(source) => Self::Database(source),
            other => Self::BadRequest(other.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database { source, .. } => Self::Database(*source),
            damaged @ StoreError::Document { .. } => Self::Internal(damaged.to_string()),
        }
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        let later = |message: String, retry_after_seconds| Self::Unavailable { message, retry_after_seconds };
        match error {
            IngestError::Store(source) => source.into(),
            IngestError::Behind { .. } => later(error.to_string(), BEHIND_RETRY_SECONDS),
            IngestError::InDoubt(_) => {
                later("the ledger did not confirm; sending again is safe".to_owned(), 1)
            }
            IngestError::Stopping => later(error.to_string(), 1),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            Self::Database(source) => warn!(error = %source, "the database failed a request"),
            Self::Internal(reason) => tracing::error!(reason, "a request failed"),
            _ => {}
        }
        let body = json!({ "error": { "code": self.code(), "message": self.to_string() } });
        let mut response = (self.status(), Json(body)).into_response();
        if let Some(seconds) = self.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self, Self::Unauthorized) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

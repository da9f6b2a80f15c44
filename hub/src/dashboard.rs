//! The dashboard's files, built by Vite and embedded in the program.

use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use crate::api::ApiError;

/// Serves a file of the dashboard; any other path gets the page, whose own routes decide.
pub async fn serve(uri: Uri) -> Response {
    ApiError::NotFound(format!("there is nothing at {}", uri.path())).into_response()
}

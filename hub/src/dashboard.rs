//! The dashboard's files, built by Vite and embedded in the program.
//!
//! Files below `assets/` have a hash in their name and are cached for ever; the page itself is asked for each time.
//! Any other path gets the page, whose own routes decide.

use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use crate::api::ApiError;

/// The page.
const INDEX: &str = "index.html";
/// Where Vite puts files with a hash in their name.
const HASHED: &str = "assets/";
/// Smaller files gain nothing from compression.
const MIN_COMPRESSED_BYTES: usize = 1_024;

#[derive(RustEmbed)]
#[folder = "dashboard/dist"]
struct Embedded;

/// A file with what its answer needs, made once.
struct File {
    plain: Bytes,
    /// None where compression does not pay.
    gzip: Option<Bytes>,
    content_type: &'static str,
    etag: HeaderValue,
}

static FILES: LazyLock<HashMap<String, File>> = LazyLock::new(|| {
    let files = Embedded::iter().filter_map(|path| Some((path.to_string(), File::load(&path)?)));
    files.collect()
});

/// Serves a file of the dashboard, or the page.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return ApiError::MethodNotAllowed.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let is_hashed = path.starts_with(HASHED);
    let file = match FILES.get(path) {
        Some(file) => file,
        // A missing asset must not be answered with a page: a browser would cache it as a script.
        None if is_hashed => {
            return ApiError::NotFound(format!("there is nothing at /{path}")).into_response();
        }
        None => match FILES.get(INDEX) {
            Some(page) => page,
            None => return ApiError::NotFound("this hub has no dashboard".to_owned()).into_response(),
        },
    };
    file.answer(is_hashed, &headers)
}

impl File {
    fn load(path: &str) -> Option<Self> {
        let embedded = Embedded::get(path)?;
        let hash = embedded.metadata.sha256_hash();
        let tag: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let plain = Bytes::from(embedded.data.into_owned());
        let gzip = compress(&plain).filter(|gzip| gzip.len() < plain.len()).map(Bytes::from);
        Some(Self { plain, gzip, content_type: content_type(path), etag: quoted(&tag)? })
    }

    fn answer(&self, is_hashed: bool, headers: &HeaderMap) -> Response {
        let cache_control = if is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        let accepts_gzip =
            headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(|value| {
                value.split(',').any(|coding| coding.split(';').next().map(str::trim) == Some("gzip"))
            });
        let is_known = headers.get(header::IF_NONE_MATCH) == Some(&self.etag);
        let (status, body, is_gzip) = match (&self.gzip, is_known) {
            (_, true) => (StatusCode::NOT_MODIFIED, Bytes::new(), false),
            (Some(gzip), false) if accepts_gzip => (StatusCode::OK, gzip.clone(), true),
            _ => (StatusCode::OK, self.plain.clone(), false),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let answer_headers = response.headers_mut();
        answer_headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        answer_headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
        answer_headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        answer_headers.insert(header::ETAG, self.etag.clone());
        if is_gzip {
            answer_headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

fn quoted(tag: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{tag}\"")).ok()
}

fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    if plain.len() < MIN_COMPRESSED_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str) -> Response {
        serve(Method::GET, path.parse().expect("a path"), HeaderMap::new()).await
    }

    #[tokio::test]
    async fn the_pages_own_routes_get_the_page_and_it_is_asked_for_each_time() {
        for path in ["/", "/types/temperature"] {
            let response = get(path).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        }
    }

    #[tokio::test]
    async fn a_missing_asset_is_missing() {
        assert_eq!(get("/assets/index-00000000.js").await.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn a_page_that_the_browser_has_is_not_sent_again() {
        let etag = get("/").await.headers()[header::ETAG].clone();
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, etag);
        let again = serve(Method::GET, "/".parse().expect("a path"), headers).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}

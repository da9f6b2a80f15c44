//! `GET /api/v1/openapi.json`: the surface as programs read it, written by hand beside this file.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The document, OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

/// Answers the document.
pub(super) async fn get() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the paths that the router's source names.
    fn routes() -> BTreeSet<String> {
        let quoted = include_str!("mod.rs").split(".route(\"").skip(1);
        let mut paths: BTreeSet<String> =
            quoted.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect();
        paths.remove("/api/{*rest}");
        paths
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).expect("the document is JSON");
        let paths = document["paths"].as_object().expect("the document has paths");
        let described: BTreeSet<String> = paths.keys().cloned().collect();
        assert_eq!(described, routes());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).expect("the document is JSON");
        for reference in DOCUMENT.split("\"$ref\": \"#").skip(1) {
            let pointer = reference.split('"').next().expect("a reference ends");
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}

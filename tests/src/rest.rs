//! The hub's HTTP surface, as an application sees it.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;

/// A client of one hub.
#[derive(Debug, Clone)]
pub struct Rest {
    http: Client,
    base: String,
    token: Option<String>,
}

impl Rest {
    /// Makes a client; connects nothing.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { http: http(), base: base.to_owned(), token: None }
    }

    /// Uses a bearer token from now on.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Gets JSON; `path` begins with `/`.
    ///
    /// # Errors
    /// When the hub cannot be reached, or does not answer 200 with JSON.
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        let request = self.authorised(self.http.get(format!("{}{path}", self.base)));
        let response = request.send().await.map_err(|fault| fault.to_string())?;
        let status = response.status();
        let text = response.text().await.map_err(|fault| fault.to_string())?;
        if !status.is_success() {
            return Err(format!("{path}: {status}: {text}"));
        }
        serde_json::from_str(&text).map_err(|fault| format!("{path}: {fault}: {text}"))
    }

    /// Posts bytes and returns the answer as it is.
    ///
    /// # Errors
    /// When the hub cannot be reached.
    pub async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<Response, String> {
        let request = self.authorised(self.http.post(format!("{}{path}", self.base)));
        let request = request.header("content-type", content_type).body(body);
        request.send().await.map_err(|fault| fault.to_string())
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

fn http() -> Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        // An error means that the process has a provider already.
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            println!("the process had a TLS provider");
        }
    });
    Client::builder().timeout(Duration::from_secs(30)).build().expect("a plain client can be built")
}

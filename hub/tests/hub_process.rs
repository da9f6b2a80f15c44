//! The hub as a program: its command line, its door, its own mongod, a kill.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

const PATIENCE: Duration = Duration::from_secs(60);

/// A hub with a directory of its own. Dropping it ends it and its mongod.
struct Hub {
    child: Child,
    url: String,
    config: PathBuf,
    client: reqwest::Client,
    _directory: tempfile::TempDir,
}

fn command(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock-hub"));
    command.args(arguments).arg("--config").arg(config).stdin(Stdio::null());
    command
}

fn write_config(directory: &Path, listen: &str) -> PathBuf {
    let config = directory.join("hub.toml");
    let data_dir = directory.join("mongo");
    let text = format!(
        "[http]\nlisten = \"{listen}\"\n[mongodb.managed]\ndata_dir = {data_dir:?}\n\
         [access]\ncache_seconds = 1\n[processor]\nlease_seconds = 2\n"
    );
    std::fs::write(&config, text).expect("written");
    config
}

/// Starts the program and returns it with the address that it prints.
fn start(config: &Path) -> (Child, String) {
    let log = config.with_file_name("hub.log");
    let out = config.with_file_name("hub.out");
    let stdout = std::fs::File::create(&out).expect("created");
    let stderr = std::fs::File::create(&log).expect("created");
    let mut child = command(&["run"], config).stdout(stdout).stderr(stderr).spawn().expect("starts");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let printed = std::fs::read_to_string(&out).expect("readable");
        if let Some(url) = printed.lines().find_map(|line| line.strip_prefix("penstock-hub listening on ")) {
            return (child, url.to_owned());
        }
        let ended = child.try_wait().expect("waited");
        let log = || std::fs::read_to_string(&log).expect("readable");
        assert!(ended.is_none(), "the hub ended with {ended:?}: {}", log());
        assert!(Instant::now() < deadline, "the hub does not listen: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, signal).expect("signalled");
}

impl Hub {
    fn run() -> Self {
        // A second test finds the provider installed, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::new();
        let directory = tempfile::tempdir().expect("a directory");
        let config = write_config(directory.path(), "127.0.0.1:0");
        let (child, url) = start(&config);
        Self { child, url, config, client, _directory: directory }
    }

    fn kill_and_start_again(&mut self) {
        signal(&self.child, Signal::KILL);
        self.child.wait().expect("ended");
        (self.child, self.url) = start(&self.config);
    }

    /// Runs a command beside the hub and returns what it prints.
    fn command(&self, arguments: &[&str]) -> String {
        let output = command(arguments, &self.config).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a text").trim().to_owned()
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.expect("answers");
        response.json().await.expect("JSON")
    }

    async fn send_events(&self, key: &str, events: &Value) -> Value {
        let request = self.client.post(format!("{}/api/v1/events", self.url)).json(events);
        request.header("idempotency-key", key).send().await.expect("answers").json().await.expect("JSON")
    }

    /// Polls until `path` answers what `is_expected` wants.
    async fn eventually(&self, path: &str, is_expected: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if is_expected(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path} still answers {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks to join and returns status and answer.
    async fn join(&self, request: &Value) -> (u16, Value) {
        let response = self.client.post(format!("{}/api/v1/join", self.url)).json(request).send().await;
        let response = response.expect("answers");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    /// Sends batches without a frame, as an agent does to hear whether its token is good.
    async fn send_no_frame(&self, token: &str) -> StatusCode {
        let request = self.client.post(format!("{}/api/v1/batches", self.url)).bearer_auth(token);
        let request = request.header("content-type", "application/vnd.penstock.frames");
        request.send().await.expect("answers").status()
    }

    /// Polls until a token is refused: the hub believes what it knew for a second.
    async fn until_refused(&self, token: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.send_no_frame(token).await != StatusCode::UNAUTHORIZED {
            assert!(Instant::now() < deadline, "a revoked token is good for ever");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn status_of(&self, token: &str) -> StatusCode {
        let request = self.client.get(format!("{}/api/v1/status", self.url)).bearer_auth(token);
        request.send().await.expect("answers").status()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        signal(&self.child, Signal::TERM);
        self.child.wait().expect("ended");
    }
}

#[tokio::test]
async fn what_an_application_sends_is_read_back_and_a_repetition_counts_once() {
    let hub = Hub::run();
    let events = json!([
        { "type": "order", "source": "shop", "value": 2.5, "userId": "ada", "properties": { "items": [1, 2] } },
        { "type": "order", "source": "shop", "value": 4.5 },
    ]);
    assert_eq!(hub.send_events("k1", &events).await, json!({ "accepted": 2, "repeated": false }));
    assert_eq!(hub.send_events("k1", &events).await, json!({ "accepted": 2, "repeated": true }));
    let counted = |answer: &Value| answer["types"][0]["lastHour"]["count"] == 2;
    let summary = hub.eventually("/api/v1/summary", counted).await;
    assert_eq!(summary["types"][0]["lastDay"], json!({ "count": 2, "total": 7.0 }));
    let hours =
        hub.eventually("/api/v1/metrics/order?granularity=hour", |hours| hours[0]["count"] == 2).await;
    assert_eq!((&hours[0]["min"], &hours[0]["max"]), (&json!(2.5), &json!(4.5)));
    let found = hub.get("/api/v1/events?type=order&userId=ada").await;
    assert_eq!(found["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["events"][0]["properties"], json!({ "items": [1, 2] }));
}

#[tokio::test]
async fn pages_of_events_neither_repeat_nor_miss_one() {
    let hub = Hub::run();
    // Most of them in the same few milliseconds: more than a page reads at once.
    let event = |n: i64| json!({ "type": "burst", "value": n, "timestamp": 1_790_000_000_000_i64 + n / 300 });
    let events: Vec<Value> = (0..1_000).map(event).collect();
    hub.send_events("k1", &json!(events)).await;
    hub.eventually("/api/v1/summary", |answer| answer["types"][0]["sources"] == 1).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = hub.get(&format!("/api/v1/events?type=burst&limit=70{cursor}")).await;
        seen.extend(page["events"].as_array().expect("a page").iter().map(|event| event["value"].as_f64()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 1_000);
    seen.sort_by(|one, other| one.partial_cmp(other).expect("numbers"));
    seen.dedup();
    assert_eq!(seen.len(), 1_000);
}

#[tokio::test]
async fn a_killed_hub_comes_back_on_its_data_by_itself() {
    let mut hub = Hub::run();
    hub.send_events("k1", &json!({ "type": "door", "source": "hall", "value": true })).await;
    hub.kill_and_start_again();
    let stored = |answer: &Value| answer["events"].as_array().map(Vec::len) == Some(1);
    let found = hub.eventually("/api/v1/events?type=door", stored).await;
    assert_eq!(found["events"][0]["value"], true);
    assert_eq!(hub.get("/health").await["status"], "ok");
}

#[tokio::test]
async fn from_the_first_users_token_on_people_need_one() {
    let hub = Hub::run();
    assert_eq!(hub.status_of("anything").await, StatusCode::OK);
    let token = hub.command(&["users", "add", "ada", "--role", "viewer"]);
    assert!(hub.command(&["users", "list"]).starts_with("ada\tviewer\t"));
    let denied = |answer: &Value| answer["error"]["code"] == "unauthorized";
    hub.eventually("/api/v1/status", denied).await;
    assert_eq!(hub.status_of(&token).await, StatusCode::OK);
    let events =
        hub.client.post(format!("{}/api/v1/events", hub.url)).json(&json!({ "type": "t", "value": 1 }));
    assert_eq!(events.bearer_auth(&token).send().await.expect("answers").status(), StatusCode::FORBIDDEN);

    let login = hub.client.post(format!("{}/api/v1/session", hub.url)).json(&json!({ "token": token }));
    let cookie =
        login.send().await.expect("answers").headers()["set-cookie"].to_str().expect("a text").to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(&token));
    let session = cookie.split(';').next().expect("a cookie");
    let with_session = || hub.client.get(format!("{}/api/v1/status", hub.url)).header("cookie", session);
    assert_eq!(with_session().send().await.expect("answers").status(), StatusCode::OK);
    let logout = hub.client.delete(format!("{}/api/v1/session", hub.url)).header("cookie", session);
    logout.send().await.expect("answers");
    assert_eq!(with_session().send().await.expect("answers").status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn only_pages_of_the_hub_itself_may_open_the_websocket() {
    let hub = Hub::run();
    let address = hub.url.strip_prefix("http://").expect("an address");
    let request = |origin: String| {
        let mut request = format!("ws://{address}/api/v1/live").into_client_request().expect("a request");
        request.headers_mut().insert("origin", origin.parse().expect("an origin"));
        request
    };
    let refused = tokio_tungstenite::connect_async(request("https://elsewhere.example".to_owned())).await;
    let Err(WebSocketError::Http(response)) = refused else { panic!("a foreign page was let in") };
    assert_eq!(response.status().as_u16(), 403);
    let (mut socket, _) = tokio_tungstenite::connect_async(request(hub.url.clone())).await.expect("opens");
    let subscribe = json!({ "type": "subscribe", "channel": "order:minute" }).to_string();
    socket.send(Message::text(subscribe)).await.expect("sent");
    let snapshot = loop {
        // A ping may come first.
        if let Message::Text(text) = socket.next().await.expect("an answer").expect("a message") {
            break serde_json::from_str::<Value>(&text).expect("JSON");
        }
    };
    assert_eq!((&snapshot["type"], &snapshot["channel"]), (&json!("snapshot"), &json!("order:minute")));
}

#[tokio::test]
async fn a_code_enrols_one_gateway_once_and_every_other_code_is_answered_alike() {
    let hub = Hub::run();
    let (first, second) = ("1".repeat(64), "2".repeat(64));
    let code = hub.command(&["agents", "invite", "gw", "--valid-for", "30m"]);
    assert!(hub.command(&["agents", "list"]).starts_with("gw\tinvited\tuntil "));
    let (status, other) = hub.join(&json!({ "code": code, "token": first, "agent": "another" })).await;
    assert_eq!((status, &other["error"]["message"]), (409, &json!("this code is for agent gw")));
    // Typed as people do.
    let joined = hub.join(&json!({ "code": code.to_lowercase().replace('-', " "), "token": first })).await;
    assert_eq!(joined, (200, json!({ "agent": "gw" })));
    let lost = hub.join(&json!({ "code": code, "token": first, "agent": "gw" })).await;
    assert_eq!(lost, joined, "an answer that was lost is given again");
    let listed = hub.command(&["agents", "list"]);
    assert!(listed.starts_with("gw\tagent\t") && listed.lines().count() == 1, "{listed}");
    // What a hub says to a known agent whose request has no frame.
    assert_eq!(hub.send_no_frame(&first).await, StatusCode::BAD_REQUEST);
    assert_eq!(hub.send_no_frame(&second).await, StatusCode::UNAUTHORIZED);

    let wrong = hub.join(&json!({ "code": "0000-0000-0000-0000", "token": second })).await;
    assert_eq!(wrong.0, 403);
    let replaced = hub.command(&["agents", "invite", "gw2"]);
    let newer = hub.command(&["agents", "invite", "gw2"]);
    let withdrawn = hub.command(&["agents", "invite", "gw3"]);
    hub.command(&["agents", "uninvite", "gw3"]);
    let expired = hub.command(&["agents", "invite", "gw4", "--valid-for", "1s"]);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for code in [&code, &replaced, &withdrawn, &expired, "no code at all"] {
        assert_eq!(hub.join(&json!({ "code": code, "token": second })).await, wrong, "{code}");
    }
    // A token that is another agent's already stays that agent's.
    assert_eq!(hub.join(&json!({ "code": newer, "token": first })).await, wrong);
    let weak = hub.join(&json!({ "code": newer, "token": "0000" })).await;
    assert_eq!(weak.0, 400);
}

#[tokio::test]
async fn of_many_gateways_with_one_code_one_has_it_and_guessing_is_slowed() {
    let hub = Hub::run();
    let code = hub.command(&["agents", "invite", "gw"]);
    let tokens: Vec<String> = (1..=8).map(|n| n.to_string().repeat(64)).collect();
    let requests: Vec<Value> = tokens.iter().map(|token| json!({ "code": code, "token": token })).collect();
    let answers = futures_util::future::join_all(requests.iter().map(|request| hub.join(request))).await;
    let winners: Vec<usize> = (0..8).filter(|n| answers[*n].0 == 200).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!((0..8).all(|n| winners.contains(&n) || answers[n].0 == 403), "{answers:?}");
    for (n, token) in tokens.iter().enumerate() {
        let accepted = hub.send_no_frame(token).await == StatusCode::BAD_REQUEST;
        assert_eq!(accepted, winners.contains(&n));
    }
    let guess = json!({ "code": "0000-0000-0000-0000", "token": tokens[0] });
    let guesses = futures_util::future::join_all((0..60).map(|_| hub.join(&guess))).await;
    let slowed = guesses.iter().filter(|(status, _)| *status == 429).count();
    assert!(slowed > 0 && guesses.iter().all(|(status, _)| matches!(*status, 403 | 429)), "{guesses:?}");
}

#[tokio::test]
async fn a_revoked_token_is_refused_also_when_it_was_the_last_and_the_newest_one_can_be_left() {
    let hub = Hub::run();
    let former = hub.command(&["agents", "add", "gw"]);
    let code = hub.command(&["agents", "invite", "gw"]);
    let newest = "1".repeat(64);
    assert_eq!(hub.join(&json!({ "code": code, "token": newest })).await.0, 200);
    for token in [&former, &newest] {
        assert_eq!(hub.send_no_frame(token).await, StatusCode::BAD_REQUEST);
    }
    hub.command(&["agents", "revoke", "gw", "--former"]);
    hub.until_refused(&former).await;
    assert_eq!(hub.send_no_frame(&newest).await, StatusCode::BAD_REQUEST);
    let invited_again = hub.command(&["agents", "invite", "gw"]);
    hub.command(&["agents", "revoke", "gw"]);
    hub.until_refused(&newest).await;
    let listed = hub.command(&["agents", "list"]);
    assert!(
        listed.lines().count() == 2 && listed.lines().all(|line| line.contains("\trevoked ")),
        "{listed}"
    );
    // Neither the code that was taken nor the one that stood brings it back, and nothing is open to everybody.
    for code in [&code, &invited_again] {
        assert_eq!(hub.join(&json!({ "code": code, "token": newest })).await.0, 403);
    }
    assert_eq!(hub.send_no_frame(&"2".repeat(64)).await, StatusCode::UNAUTHORIZED);
    let again = command(&["agents", "revoke", "gw"], &hub.config).output().expect("runs");
    assert_eq!(again.status.code(), Some(1), "{again:?}");
}

#[tokio::test]
async fn an_open_dashboard_is_closed_when_its_token_is_revoked() {
    let hub = Hub::run();
    let token = hub.command(&["users", "add", "ada"]);
    let url = hub.url.replace("http://", "ws://") + "/api/v1/live";
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("opens");
    hub.command(&["users", "revoke", "ada"]);
    let closed = async { while !matches!(socket.next().await, None | Some(Ok(Message::Close(_)))) {} };
    tokio::time::timeout(PATIENCE / 4, closed).await.expect("it is closed");
    let users = hub.command(&["users", "list"]);
    assert!(users.starts_with("ada\tviewer\t") && users.contains("\trevoked "), "{users}");
}

#[test]
fn a_hub_that_others_can_reach_runs_once_a_gateway_is_invited() {
    let directory = tempfile::tempdir().expect("a directory");
    // The loopback interface by a name that does not tell.
    let config = write_config(directory.path(), "[::ffff:127.0.0.1]:0");
    let output = command(&["run"], &config).output().expect("runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no token and no invitation exists"));
    let invited = command(&["agents", "invite", "gw"], &config).output().expect("runs");
    assert!(invited.status.success(), "{}", String::from_utf8_lossy(&invited.stderr));
    let (mut child, _) = start(&config);
    signal(&child, Signal::TERM);
    child.wait().expect("ended");
}

#[test]
fn an_open_hub_does_not_listen_where_others_can_reach_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = write_config(directory.path(), "0.0.0.0:0");
    let output = command(&["run"], &config).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no token and no invitation exists"));
}

#[test]
fn a_bad_configuration_ends_with_78_and_names_every_fault() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("hub.toml");
    std::fs::write(&config, "[http]\nlisten = 5\n[nonsense]\n").expect("written");
    let output = command(&["check"], &config).output().expect("runs");
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("hub.toml:2: http.listen") && said.contains("hub.toml:3: nonsense"), "{said}");
}

//! `join`, against a stand-in for the hub that can be told to misbehave.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::world::{World, assert_says};

const CODE: &str = "7QK3-M9FD-X2VB-8HNT";
const JOINED: Answer = Answer::Says(200, r#"{"agent":"gw-7"}"#);
const REFUSED: Answer = Answer::Says(
    403,
    r#"{"error":{"code":"forbidden","message":"this code is unknown, was used, or has expired"}}"#,
);

#[derive(Clone, Copy)]
enum Answer {
    Says(u16, &'static str),
    Lost,
}

/// Answers to codes as it was told, and to everything else as a hub does that knows the token.
struct StandIn {
    url: String,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let (heard, mut answers) = (Arc::clone(&tokens), VecDeque::from(answers.to_vec()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let (path, body) = request(&stream);
                let answer = if path == "/api/v1/join" {
                    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                    heard.lock().expect("a lock").push(body["token"].as_str().expect("a token").to_owned());
                    answers.pop_front().expect("asked more often than expected")
                } else {
                    Answer::Says(400, r#"{"error":{"code":"bad_request","message":"no frame"}}"#)
                };
                if let Answer::Says(status, text) = answer {
                    let head = format!(
                        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        text.len()
                    );
                    stream.write_all((head + text).as_bytes()).expect("sent");
                }
            }
        });
        Self { url, tokens }
    }

    fn tokens(&self) -> Vec<String> {
        self.tokens.lock().expect("a lock").clone()
    }
}

fn request(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let line = line.trim_end().to_lowercase();
        if line.is_empty() {
            break;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1).expect("a path").to_owned();
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (path, body)
}

/// Returns the names in the directory of the drop-ins, sorted.
fn names(world: &World) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(world.dir.path().join("agent.d")) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn token_file(world: &World) -> PathBuf {
    let names = names(world);
    let tokens: Vec<_> = names.iter().filter(|name| name.ends_with(".token")).collect();
    assert_eq!(tokens.len(), 1, "{names:?}");
    world.dir.path().join("agent.d").join(tokens[0])
}

fn token(world: &World) -> String {
    std::fs::read_to_string(token_file(world)).expect("a token").trim().to_owned()
}

#[test]
fn a_gateway_has_name_address_and_token_by_one_command() {
    let world = World::new();
    let hub = StandIn::start(&[JOINED]);
    let (code, told) = world.run(&["join", &hub.url, CODE]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(
        &told,
        &["✓ enrolled as agent gw-7 of http://", "accepts this agent", "next: start the agent"],
    );
    assert_eq!(names(&world).len(), 2, "{:?}", names(&world));
    assert_eq!(hub.tokens(), [token(&world)]);
    let kept = token_file(&world).metadata().expect("a file");
    assert_eq!((kept.mode() & 0o777, kept.len()), (0o600, 65));
    assert!(!told.contains(&token(&world)), "a secret on the screen: {told}");
    let (code, told) = world.run(&["check", "--config-only"]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &[&format!("✓ agent gw-7 sends to {}", hub.url)]);
}

#[test]
fn two_at_once_do_not_take_each_others_token_away() {
    let world = World::new();
    let hub = StandIn::start(&[JOINED]);
    let first = std::fs::File::open(world.dir.path().join("agent.toml")).expect("a configuration");
    first.lock().expect("a lock");
    let (code, told) = world.run(&["join", &hub.url, CODE]);
    assert_eq!(code, Some(1), "{told}");
    assert_says(&told, &["another `join` is at work, by "]);
    drop(first);
    assert_eq!(world.run(&["join", &hub.url, CODE]).0, Some(0));
    assert_eq!(hub.tokens(), [token(&world)]);
}

#[test]
fn a_lost_answer_and_an_end_half_way_are_made_good_by_the_same_command() {
    let world = World::new();
    let hub = StandIn::start(&[Answer::Lost, REFUSED, JOINED]);
    let (code, told) = world.run(&["join", &hub.url, CODE]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["no answer", "the same command again has the same outcome"]);
    assert_eq!(names(&world), ["50-join.pending"]);
    let pending = world.dir.path().join("agent.d/50-join.pending").metadata().expect("a file");
    assert_eq!(pending.mode() & 0o777, 0o600);
    // Another code is another gateway's, perhaps another hub's: it never goes with a token that was sent before.
    let (code, told) = world.run(&["join", &hub.url, "0000-0000-0000-0000"]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["this code is unknown, was used, or has expired"]);
    let tokens = hub.tokens();
    assert_ne!(tokens[0], tokens[1]);
    // It was mistyped, and what was sent before holds on.
    let (code, told) = world.run(&["join", &hub.url, &CODE.to_lowercase()]);
    assert_eq!(code, Some(0), "{told}");
    let tokens = hub.tokens();
    assert_eq!((&tokens[0], tokens.len()), (&tokens[2], 3));
    assert_eq!(token(&world), tokens[0]);
}

#[test]
fn an_end_behind_the_moment_of_the_change_is_made_good_without_the_hub() {
    let world = World::new();
    let hub = StandIn::start(&[JOINED]);
    assert_eq!(world.run(&["join", &hub.url, CODE]).0, Some(0));
    let former = (names(&world), token(&world));
    let attempt = format!("{} {} {}\n", hub.url, CODE.replace('-', ""), token(&world));
    std::fs::write(world.dir.path().join("agent.d/50-join.pending"), attempt).expect("written");
    let (code, told) = world.run(&["join", &hub.url, CODE]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &["✓ enrolled as agent gw-7"]);
    assert_eq!((names(&world), token(&world)), former);
}

#[test]
fn a_configuration_that_is_named_from_where_one_stands_is_enrolled_for_everywhere() {
    let world = World::new();
    let hub = StandIn::start(&[JOINED]);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_penstock-agent"));
    command.current_dir(world.dir.path()).args(["join", &hub.url, CODE, "--config", "agent.toml"]);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (code, told) = world.run(&["check", "--config-only"]);
    assert_eq!(code, Some(0), "{told}");
    assert_says(&told, &["✓ agent gw-7 sends to "]);
}

#[test]
fn a_machine_that_trusts_nobody_reaches_a_hub_without_tls() {
    let world = World::new();
    let hub = StandIn::start(&[JOINED]);
    let mut command = world.command(&["join", &hub.url, CODE]);
    let output = command.envs([("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nonexistent")]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_code_can_be_given_where_nobody_sees_it() {
    let world = World::new();
    let hub = StandIn::start(&[JOINED]);
    let (code, told) = world.run_with_input(&["join", &hub.url], "no code\n");
    assert_eq!(code, Some(1));
    assert_says(&told, &["CODE: "]);
    let (code, told) = world.run_with_input(&["join", &hub.url, "-"], &format!("{CODE}\n"));
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(hub.tokens(), [token(&world)]);
}

#[test]
fn an_enrolment_is_replaced_when_told_and_kept_when_that_fails() {
    let world = World::new();
    let hub = StandIn::start(&[JOINED, REFUSED, Answer::Says(200, r#"{"agent":"gw-8"}"#)]);
    assert_eq!(world.run(&["join", &hub.url, CODE]).0, Some(0));
    let former = token(&world);
    let (code, told) = world.run(&["join", &hub.url, CODE]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["enrolled already, as agent gw-7 of hub http://", ".token; --force enrols it anew"]);
    assert_eq!(hub.tokens().len(), 1, "the hub is not asked");
    assert_eq!(world.run(&["join", "--force", &hub.url, CODE]).0, Some(1));
    assert_eq!(token(&world), former);
    assert_says(&world.run(&["check", "--config-only"]).1, &["✓ agent gw-7 sends to "]);
    assert_eq!(world.run(&["join", "--force", &hub.url, CODE]).0, Some(0));
    assert_eq!(hub.tokens().last(), Some(&token(&world)));
    assert_ne!(token(&world), former);
    assert_says(&world.run(&["check", "--config-only"]).1, &["✓ agent gw-8 sends to "]);
    assert_eq!(names(&world).len(), 2);
}

#[test]
fn a_token_in_the_configuration_is_an_enrolment_too() {
    let world = World::new();
    let text =
        std::fs::read_to_string(world.config()).expect("a file").replace("[hub]", "[hub]\ntoken = \"x\"");
    std::fs::write(world.config(), text).expect("a file");
    let hub = StandIn::start(&[JOINED]);
    let (code, told) = world.run(&["join", &hub.url, CODE]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["enrolled already, as agent gw of hub http://127.0.0.1:9; --force"]);
    assert_eq!(world.run(&["join", "--force", &hub.url, CODE]).0, Some(0));
    assert_says(&world.run(&["check", "--config-only"]).1, &["✓ agent gw-7 sends to "]);
}

#[test]
fn what_can_fail_here_fails_before_the_code_is_spent() {
    let world = World::new();
    let hub = StandIn::start(&[]);
    let mut overruled = world.command(&["join", &hub.url, CODE]);
    let output = overruled.env("PENSTOCK_AGENT__HUB__URL", "http://127.0.0.1:7").output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert_says(
        &String::from_utf8_lossy(&output.stderr),
        &["hub.url is set by the environment or by a drop-in"],
    );
    for (words, exit, expected) in [
        (["join", "ftp://hub", CODE], 2, "must be http://HOST[:PORT] or https://HOST[:PORT]"),
        (["join", &hub.url, "7QK3"], 2, "a code has 16 letters and digits"),
    ] {
        let (code, told) = world.run(&words);
        assert_eq!(code, Some(exit), "{told}");
        assert_says(&told, &[expected]);
    }
    if let Some((code, told)) = world.run_as_nobody(&["join", &hub.url, CODE]) {
        assert_eq!(code, Some(1));
        assert_says(&told, &["agent.d cannot be written, the code is not used: Permission denied"]);
        std::fs::create_dir(world.buffer()).expect("a directory");
        let (_, told) = world.run_as_nobody(&["join", &hub.url, CODE]).expect("as before");
        assert_says(&told, &["buffer is owned by root: run this as that user or as root"]);
    }
    std::fs::write(world.dir.path().join("agent.d"), "in the way").expect("a file");
    assert_eq!(world.run(&["join", &hub.url, CODE]).0, Some(78));
    assert!(hub.tokens().is_empty());
}

#[test]
fn the_token_is_the_user_s_who_runs_the_agent() {
    let world = World::new();
    std::fs::create_dir(world.buffer()).expect("a directory");
    // Only root can give a file away.
    if std::os::unix::fs::chown(world.buffer(), Some(65534), Some(65534)).is_err() {
        return;
    }
    let hub = StandIn::start(&[JOINED]);
    let (code, told) = world.run(&["join", &hub.url, CODE]);
    assert_eq!(code, Some(0), "{told}");
    let kept = token_file(&world).metadata().expect("a file");
    assert_eq!((kept.uid(), kept.gid(), kept.mode() & 0o777), (65534, 65534, 0o600));
    let (code, told) = world.run_as_nobody(&["check", "--config-only"]).expect("root can");
    assert_eq!(code, Some(0), "{told}");
    std::fs::set_permissions(token_file(&world), std::fs::Permissions::from_mode(0o604))
        .expect("permissions");
    assert_says(&world.run(&["check"]).1, &[".token holds the hub's token and is readable by everybody"]);
}

#[test]
fn a_hub_that_cannot_be_spoken_to_is_told_from_one_that_refuses() {
    let world = World::new();
    let (code, told) = world.run(&["join", "http://127.0.0.1:9", CODE]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["hub http://127.0.0.1:9: not reached: ", "Connection refused"]);
    let hub = StandIn::start(&[
        Answer::Says(404, "<html>"),
        Answer::Says(429, "{}"),
        Answer::Says(200, r#"{"agent":"a b"}"#),
    ]);
    // One that is busy is asked again.
    for expected in ["is no hub, or one of an older version: status 404", "gives a name that is none"] {
        let (code, told) = world.run(&["join", &hub.url, CODE]);
        assert_eq!(code, Some(1));
        assert_says(&told, &[expected]);
    }
    let url = untrusted();
    let (code, told) = world.run(&["join", &url, CODE]);
    assert_eq!(code, Some(1));
    assert_says(&told, &["not reached: hub's certificate is signed by an unknown authority"]);
    assert_eq!(names(&world), ["50-join.pending"]);
}

/// Starts a server whose certificate nobody knows.
fn untrusted() -> String {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate and its key");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut session = rustls::ServerConnection::new(Arc::new(config)).expect("a session");
        session.complete_io(&mut stream).expect_err("the client goes away");
    });
    url
}

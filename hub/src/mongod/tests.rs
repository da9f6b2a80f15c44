//! Tests against a real mongod: they start, kill and adopt it.

use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::doc;

use super::*;

/// Returns settings for a fresh directory; none where no mongod is installed, which CI does not forgive.
fn settings(directory: &Path) -> Option<ManagedSettings> {
    match binary::find(None) {
        Ok(_) => {}
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("skipped: {error}");
            return None;
        }
        Err(error) => panic!("{error}"),
    }
    let managed = crate::config::Settings::default().mongodb.managed;
    Some(ManagedSettings { data_dir: directory.join("mongo"), ..managed })
}

async fn write_and_count(uri: &str) -> Result<u64, mongodb::error::Error> {
    let collection = Client::with_uri_str(uri).await?.database("test").collection("kept");
    collection.insert_one(doc! { "some": "document" }).await?;
    collection.count_documents(doc! {}).await
}

async fn eventually_counts(uri: &str, expected: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match write_and_count(uri).await {
            Ok(count) => return assert_eq!(count, expected),
            Err(error) => assert!(Instant::now() < deadline, "mongod did not come back: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn pid_of(settings: &ManagedSettings) -> i32 {
    let data_dir = DataDir::open(&settings.data_dir).expect("directory");
    Process::left_over(&data_dir).expect("a mongod runs").0.pid()
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_mongod_comes_back_on_the_same_port_with_its_data() {
    let directory = tempfile::tempdir().expect("directory");
    let Some(settings) = settings(directory.path()) else { return };
    let mongod = ManagedMongod::start(&settings).await.expect("starts");
    assert_eq!(write_and_count(mongod.uri()).await.expect("written"), 1);
    let first_pid = pid_of(&settings);
    kill(first_pid);
    eventually_counts(mongod.uri(), 2).await;
    assert_ne!(pid_of(&settings), first_pid);
    mongod.stop().await;
    assert!(Process::left_over(&DataDir::open(&settings.data_dir).expect("directory")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mongod_of_a_killed_hub_is_adopted_and_survives_its_own_death_there() {
    let directory = tempfile::tempdir().expect("directory");
    let Some(settings) = settings(directory.path()) else { return };
    let abandoned = ManagedMongod::start(&settings).await.expect("starts");
    let pid = pid_of(&settings);
    abandoned.supervisor.abort();
    let adopted = ManagedMongod::start(&settings).await.expect("adopts");
    assert_eq!(pid_of(&settings), pid);
    assert_eq!(adopted.uri(), abandoned.uri());
    kill(pid);
    eventually_counts(adopted.uri(), 1).await;
    adopted.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_was_taken_meanwhile_is_replaced_in_the_replica_set() {
    let directory = tempfile::tempdir().expect("directory");
    let Some(settings) = settings(directory.path()) else { return };
    let first = ManagedMongod::start(&settings).await.expect("starts");
    let first_uri = first.uri().to_owned();
    assert_eq!(write_and_count(&first_uri).await.expect("written"), 1);
    first.stop().await;
    let port = DataDir::open(&settings.data_dir).expect("directory").remembered_port().expect("kept");
    let squatter = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free again");
    // mongod looks who listens where it used to; one that never answers would cost it half a minute.
    let squatting = tokio::spawn(async move { while squatter.accept().await.is_ok() {} });
    let second = ManagedMongod::start(&settings).await.expect("starts elsewhere");
    assert_ne!(second.uri(), first_uri);
    assert_eq!(write_and_count(second.uri()).await.expect("written"), 2);
    second.stop().await;
    squatting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_visits_the_mongod_of_a_running_hub_and_leaves_it_running() {
    let directory = tempfile::tempdir().expect("directory");
    let Some(settings) = settings(directory.path()) else { return };
    let mongod = ManagedMongod::start(&settings).await.expect("starts");
    assert!(matches!(ManagedMongod::start(&settings).await, Err(MongodError::InUse(_))));
    let visit = Visit::begin(&settings).await.expect("finds it");
    assert_eq!(visit.uri(), mongod.uri());
    visit.end().await;
    assert_eq!(write_and_count(mongod.uri()).await.expect("still there"), 1);
    mongod.stop().await;
}

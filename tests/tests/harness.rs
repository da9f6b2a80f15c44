//! The harness itself: a judge is only worth what its instruments are worth.

use std::time::Duration;

use penstock_tests::device::{Pace, Sensor, Sensors};
use penstock_tests::eventually::eventually;
use penstock_tests::world::{Broker, Fault, Link, Mongod};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn sensors_come_back_to_a_broker_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(directory.path()).await;
    let sensors = Sensors::start(broker.address(), "gw", 3, 300.0);
    let acknowledged = async |more: u64| {
        let goal = sensors.acknowledged() + more;
        eventually("more is acknowledged", async || {
            let now = sensors.acknowledged();
            if now >= goal { Ok(()) } else { Err(format!("{now} of {goal}")) }
        })
        .await;
    };
    acknowledged(100).await;
    broker.process.kill();
    broker.process.start();
    acknowledged(100).await;
    let attempted = sensors.attempted();
    let records = sensors.stop().await;
    let heard: usize = records.iter().map(|record| record.acknowledged.len()).sum();
    let sent: usize = records.iter().map(|record| record.times.len()).sum();
    assert!(heard >= 200 && sent as u64 >= attempted && heard <= sent, "{heard} of {sent}");
}

#[tokio::test]
async fn a_limited_sensor_ends_with_everything_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path()).await;
    let sensor = Sensor::new("one", Pace::Unlimited).limited_to(5000);
    let records = Sensors::start_each(broker.address(), "gw", [sensor]).finish().await;
    assert_eq!(records[0].acknowledged.len(), 5000);
}

#[tokio::test]
async fn mongod_keeps_its_data_over_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut mongod = Mongod::start(directory.path()).await;
    let collection = mongod.database().collection::<mongodb::bson::Document>("things");
    collection.insert_one(mongodb::bson::doc! { "_id": 1 }).await.unwrap();
    // The default write concern of a replica set is majority, which waits for the journal.
    mongod.process.kill();
    mongod.restart().await;
    assert_eq!(collection.count_documents(mongodb::bson::doc! {}).await.unwrap(), 1);
}

#[tokio::test]
async fn a_link_cuts_a_request_at_the_byte_asked_for_and_then_works_again() {
    let hub = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let link = Link::to(hub.local_addr().unwrap().port()).await;
    let port: u16 = link.url().rsplit(':').next().unwrap().parse().unwrap();
    link.set(Fault::RequestDiesAfter(30));

    let mut agent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    agent.write_all(&[b"POST /api/v1/batches HTTP/1.1\r\n".as_slice(), &[7; 1000]].concat()).await.unwrap();
    let (mut accepted, _) = hub.accept().await.unwrap();
    let mut received = Vec::new();
    accepted.read_to_end(&mut received).await.unwrap();
    assert_eq!((received.len(), link.struck()), (30, 1));

    let mut again = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    again.write_all(b"hello").await.unwrap();
    let (mut accepted, _) = hub.accept().await.unwrap();
    let mut hello = [0; 5];
    accepted.read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello");
}

#[tokio::test]
async fn a_link_loses_the_answer_to_a_request_that_arrived() {
    let hub = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let link = Link::to(hub.local_addr().unwrap().port()).await;
    let port: u16 = link.url().rsplit(':').next().unwrap().parse().unwrap();
    link.set(Fault::AnswerLost);

    let mut agent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    agent.write_all(b"POST /api/v1/batches HTTP/1.1\r\n\r\n").await.unwrap();
    let (mut accepted, _) = hub.accept().await.unwrap();
    let mut request = [0; 33];
    accepted.read_exact(&mut request).await.unwrap();
    accepted.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), agent.read_to_end(&mut answer)).await.unwrap();
    // The end may look like a close or like a reset; the answer must not have come.
    assert!(answer.is_empty(), "{ended:?} {answer:?}");
    assert_eq!(link.struck(), 1);
}

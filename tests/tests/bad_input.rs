//! Bad input gets a clear error or a dead letter, disturbs nothing else, and costs no memory.

#![expect(clippy::unwrap_used, reason = "what a test's helpers cannot do, the test cannot either")]

use std::sync::Arc;

use penstock_shared::answer::FrameAnswer;
use penstock_shared::batch::Batch;
use penstock_shared::frame::seal;
use penstock_shared::reading::TimestampMicros;
use penstock_tests::device::{Message, Pace, Progress, Publisher, Sensors};
use penstock_tests::eventually::eventually;
use penstock_tests::frames::{Gateway, post};
use penstock_tests::recount::{everything_holds, stored_readings};
use penstock_tests::world::{AGENT, Agent, Hub, World};
use reqwest::StatusCode;

const MEGABYTE: usize = 1024 * 1024;
/// How much more memory a process may take for all the bad input together.
const FLAT: u64 = 48 * MEGABYTE as u64;
/// Only `plant/…` is mapped, as the default mapping has it.
const MAPPED: &str = "[[mapping]]\ntopic = \"plant/{source}/{type}\"\nvalue = \"/value\"\ntime = \"/ts\"\n\
                      [[mapping]]\ntopic = \"{source}/load\"\ntype = \"load\"\nvalue = \"/value\"\ntime = \"/ts\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_messages_become_dead_letters_beside_good_ones() {
    let world = World::with().agent(MAPPED).start().await;
    let good = Sensors::start(world.agent.listener(), AGENT, 5, 200.0);
    let before = world.agent.process.resident_bytes();
    for (topic, payload) in [
        ("plant/press/temperature", "{\"value\": 1,"),
        ("plant/press/temperature", "{\"value\": 20.5, \"ts\": \"1969-07-20T20:17:40Z\"}"),
        ("nobody/mapped/this/topic", "1"),
        ("plant/press/temperature", ""),
    ] {
        let dead = world.agent.counts().unwrap_or_default().dead_lettered;
        assert_eq!(
            publish(&world.agent, topic, payload.as_bytes().to_vec(), 1).await,
            1,
            "{payload:?} was not taken"
        );
        eventually("the message is a dead letter", async || {
            let counts = world.agent.counts()?;
            if counts.dead_lettered == dead + 1 {
                Ok(())
            } else {
                Err(format!("{topic} {payload}: {counts:?}"))
            }
        })
        .await;
    }
    let records = good.stop().await;
    everything_holds(&world, &records).await;
    assert_flat("agent", before, world.agent.process.resident_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_ten_megabytes_is_refused_and_disturbs_nobody() {
    let world = World::start().await;
    let good = Sensors::start(world.agent.listener(), AGENT, 5, 200.0);
    let before = world.agent.process.resident_bytes();
    for _ in 0..3 {
        assert_eq!(publish(&world.agent, "plant/huge", vec![b'7'; 10 * MEGABYTE], 1).await, 0);
    }
    let records = good.stop().await;
    everything_holds(&world, &records).await;
    assert_flat("agent", before, world.agent.process.peak_resident_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_hostile_frames_are_refused_and_disturb_nobody() {
    let world = World::start().await;
    let good = Sensors::start(world.agent.listener(), AGENT, 5, 200.0);
    let gateway = Gateway::new("bad", 100);
    let frame = gateway.frame(1..=10);
    let mut flipped = frame.clone();
    flipped[frame.len() / 2] ^= 0x10;
    let cut = frame[..frame.len() - 20].to_vec();
    let before = world.hub.process.resident_bytes();
    for (name, bad) in [
        ("a flipped bit", flipped),
        ("a cut frame", cut),
        ("a zstd bomb", bomb(&frame)),
        ("an empty frame", Vec::new()),
        ("a frame of nothing known", vec![9; 1000]),
    ] {
        assert_refused(&world.hub, name, &bad).await;
    }
    let records = good.stop().await;
    everything_holds(&world, &records).await;
    assert_flat("hub", before, world.hub.process.resident_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_with_a_time_in_1969_never_reaches_the_time_series() {
    let world = World::start().await;
    let gateway = Gateway { start: TimestampMicros(-14_182_940_000_000), ..Gateway::new("moon", 10) };
    let moon: Batch = gateway.batch(1..=1);
    assert_refused(&world.hub, "a time in 1969", &seal(&moon).unwrap()).await;
    let good = Sensors::start(world.agent.listener(), AGENT, 2, 100.0);
    eventually("readings go on", async || match good.acknowledged() {
        0 => Err("nothing acknowledged yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    let records = good.stop().await;
    everything_holds(&world, &records).await;
    let stored = stored_readings(&world.mongod.database()).await.unwrap();
    assert!(stored.iter().all(|reading| reading.time.is_storable()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_refused_and_the_right_one_is_not() {
    let world = World::start().await;
    let token = world.hub.add_agent("known");
    let frame = Gateway::new("known", 10).frame(1..=1);
    let status = async |token: &str| {
        let rest = world.hub.rest().with_token(token);
        post(&rest, std::slice::from_ref(&frame)).await.map(|(status, _)| status)
    };
    eventually("a wrong token is refused", async || match status("wrong").await? {
        StatusCode::UNAUTHORIZED => Ok(()),
        other => Err(other.to_string()),
    })
    .await;
    assert_eq!(status(&token).await, Ok(StatusCode::OK));
    // A token speaks for its own agent only.
    let rest = world.hub.rest().with_token(&token);
    let (foreign, answers) = post(&rest, &[Gateway::new("other", 10).frame(1..=1)]).await.unwrap();
    let refused = answers.is_some_and(|answers| matches!(answers.answers[..], [FrameAnswer::Refused { .. }]));
    assert!(foreign == StatusCode::FORBIDDEN || refused, "{foreign}");
}

/// Publishes a message `times` times over a connection of its own and returns how many were acknowledged in time.
async fn publish(agent: &Agent, topic: &str, payload: Vec<u8>, times: u64) -> u64 {
    let topic = topic.to_owned();
    let publisher = Publisher {
        address: agent.listener(),
        client: "bad".into(),
        window: 1,
        pace: Pace::Unlimited,
        next: move |attempt| {
            (attempt <= times).then(|| Message { topic: topic.clone(), payload: payload.clone() })
        },
        acknowledged: |_| {},
    };
    let progress = Arc::new(Progress::default());
    publisher.run(Arc::clone(&progress)).await;
    progress.acknowledged()
}

async fn assert_refused(hub: &Hub, name: &str, frame: &[u8]) {
    let (status, answers) = post(&hub.rest(), &[frame.to_vec()]).await.unwrap();
    match answers {
        Some(answers) => {
            assert!(matches!(answers.answers[..], [FrameAnswer::Refused { .. }]), "{name}: {answers:?}")
        }
        None => assert!(status.is_client_error(), "{name}: {status}"),
    }
}

fn assert_flat(process: &str, before: u64, after: u64) {
    assert!(after <= before + FLAT, "{process} grew from {before} to {after} bytes");
}

/// Puts a gigabyte of zeros where a good frame has its columns, and makes the checksum right again.
fn bomb(frame: &[u8]) -> Vec<u8> {
    let header = u32::from_le_bytes(frame[1..5].try_into().unwrap()) as usize;
    let zeros = std::io::Read::take(std::io::repeat(0), 1024 * MEGABYTE as u64);
    let body = zstd::encode_all(zeros, 1).unwrap();
    let mut bomb = frame[..5 + header].to_vec();
    bomb.extend((8 * MEGABYTE as u32).to_le_bytes());
    bomb.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    bomb.extend(body);
    bomb.extend(xxhash_rust::xxh3::xxh3_64(&bomb).to_le_bytes());
    bomb
}

//! An instrument that must be asked.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::world::World;
use crate::config::SerialSettings;
use crate::config::serial::PollSettings;

#[tokio::test]
async fn an_answer_is_stored_and_what_comes_unasked_is_not() {
    let poll = PollSettings {
        send: b"READ?\r\n".to_vec(),
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(500),
    };
    let world = World::start(SerialSettings { poll: Some(poll), ..SerialSettings::default() });
    let mut instrument = world.plug().await;
    for answer in 0..5 {
        let mut question = [0; 7];
        instrument.line.read_exact(&mut question).await.expect("a question");
        assert_eq!(&question, b"READ?\r\n");
        // It repeats the question, answers, and says something more.
        instrument.say(format!("READ?\r\n{answer}\n99\n").as_bytes()).await;
    }
    world.until(|counts| counts.frames >= 15).await;
    assert_eq!(world.stop().await.0.numbers(), [0.0, 1.0, 2.0, 3.0, 4.0]);
}

#[tokio::test]
async fn a_question_without_an_answer_is_counted_and_asked_again() {
    let poll = PollSettings {
        send: b"?".to_vec(),
        interval: Duration::from_millis(20),
        timeout: Duration::from_millis(40),
    };
    let world = World::start(SerialSettings { poll: Some(poll), ..SerialSettings::default() });
    let mut instrument = world.plug().await;
    world.until(|counts| counts.unanswered >= 3).await;
    let mut questions = [0; 3];
    instrument.line.read_exact(&mut questions).await.expect("three questions");
    assert_eq!(&questions, b"???");
    let _counts = world.stop().await;
}

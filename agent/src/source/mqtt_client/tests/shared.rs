//! A group of two agents at a real Mosquitto, which share what is published.

use super::*;

const MESSAGES: usize = 200;

fn member(broker: &Broker, name: &str, version: MqttVersion, leaves: bool) -> World {
    World::start(broker, |settings| {
        settings.client_id = Some(name.to_owned());
        settings.version = version;
        settings.leave_groups = leaves;
        // The unshared one only shows that the subscriptions of this packet stand.
        settings.topics = vec!["$share/gateways/plant/#".to_owned(), "are/#".to_owned()];
    })
}

/// Publishes numbers in a row, beginning with `first`.
async fn publish_numbers(broker: &Broker, first: usize, count: usize) {
    for number in first..first + count {
        broker.publish("plant/press/temperature", false, number.to_string()).await;
    }
}

/// Acknowledges a reading of the group and returns its number.
fn take(delivery: Delivery) -> usize {
    assert!(delivery.dead_letters.is_empty());
    assert_eq!(delivery.readings[0].series.to_string(), "temperature@gw/plant/press");
    let Value::Number(number) = delivery.readings[0].value else { panic!("no number") };
    (delivery.done)(Ok(()));
    number as usize
}

/// Takes what one member is given until nothing more comes.
async fn take_all(world: &mut World) -> Vec<usize> {
    let mut taken = Vec::new();
    while let Ok(Some(delivery)) = tokio::time::timeout(A_WHILE, world.deliveries.recv()).await {
        taken.push(take(delivery));
    }
    taken
}

async fn take_in_sum(expected: usize, left: &mut World, right: &mut World) -> (Vec<usize>, Vec<usize>) {
    let (mut lefts, mut rights) = (Vec::new(), Vec::new());
    let all = async {
        while lefts.len() + rights.len() < expected {
            lefts.extend(take_all(left).await);
            rights.extend(take_all(right).await);
        }
    };
    tokio::time::timeout(SOON, all).await.expect("all of them in time");
    lefts.extend(take_all(left).await);
    rights.extend(take_all(right).await);
    (lefts, rights)
}

fn in_order(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}

/// The second member's greetings reach the first one too.
async fn take_greetings(world: &mut World) {
    while let Ok(Some(greeting)) = tokio::time::timeout(A_WHILE, world.deliveries.recv()).await {
        (greeting.done)(Ok(()));
    }
}

async fn a_group_takes_each_message_once_and_the_rest_when_one_leaves(version: MqttVersion) {
    let broker = Broker::start();
    let mut left = member(&broker, "left", version, true);
    broker.until_subscribed(&mut left).await;
    let mut right = member(&broker, "right", version, true);
    broker.until_subscribed(&mut right).await;
    take_greetings(&mut left).await;

    publish_numbers(&broker, 0, MESSAGES).await;
    let (lefts, rights) = take_in_sum(MESSAGES, &mut left, &mut right).await;
    assert!(!lefts.is_empty() && !rights.is_empty(), "{} and {}", lefts.len(), rights.len());
    assert_eq!(in_order([lefts, rights].concat()), (0..MESSAGES).collect::<Vec<_>>());

    left.client.stop(DRAIN_TIMEOUT * 2).await;
    publish_numbers(&broker, MESSAGES, 50).await;
    assert_eq!(in_order(take_all(&mut right).await), (MESSAGES..MESSAGES + 50).collect::<Vec<_>>());
}

#[tokio::test]
async fn at_3_1_1_a_group_takes_each_message_once_and_the_rest_when_one_leaves() {
    a_group_takes_each_message_once_and_the_rest_when_one_leaves(MqttVersion::V311).await;
}

#[tokio::test]
async fn at_5_a_group_takes_each_message_once_and_the_rest_when_one_leaves() {
    a_group_takes_each_message_once_and_the_rest_when_one_leaves(MqttVersion::V5).await;
}

#[tokio::test]
async fn a_member_that_only_restarts_loses_nothing_of_its_share() {
    let broker = Broker::start();
    let mut left = member(&broker, "left", MqttVersion::V5, false);
    broker.until_subscribed(&mut left).await;
    left.client.stop(DRAIN_TIMEOUT * 2).await;
    publish_numbers(&broker, 0, 20).await;
    let mut again = member(&broker, "left", MqttVersion::V5, false);
    let mut taken = Vec::new();
    while taken.len() < 20 {
        taken.push(take(again.delivery().await));
    }
    assert_eq!(in_order(taken), (0..20).collect::<Vec<_>>());
}

//! A link that dies in the middle of a request or loses an answer leaves nothing out and brings nothing twice.

use penstock_tests::chance::{Chance, rounds};
use penstock_tests::device::Sensors;
use penstock_tests::eventually::eventually;
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, Fault, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_in_requests_and_answers_lose_and_double_nothing() {
    let mut chance = Chance::seeded();
    let world = World::start().await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 20, 2000.0);
    for round in 0..rounds(10) {
        match round % 3 {
            0 => strike(&world, Fault::RequestDiesAfter(chance.number(1..4000) as u64)).await,
            1 => strike(&world, Fault::AnswerLost).await,
            _ => {
                world.link.set(Fault::Cut);
                tokio::time::sleep(chance.millis(50..1000)).await;
                world.link.set(Fault::None);
            }
        }
        tokio::time::sleep(chance.millis(50..400)).await;
    }
    let records = sensors.stop().await;
    let verdict = everything_holds(&world, &records).await;
    println!("{verdict:?}");
}

async fn strike(world: &World, fault: Fault) {
    let goal = world.link.struck() + 1;
    world.link.set(fault);
    eventually("the fault strikes", async || {
        let struck = world.link.struck();
        if struck >= goal { Ok(()) } else { Err(format!("{struck} of {goal}")) }
    })
    .await;
}

//! A gateway enrols with one command and what waited arrives; a code serves one gateway once; a gateway that is enrolled
//! anew loses nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use penstock_tests::device::Sensors;
use penstock_tests::eventually::eventually;
use penstock_tests::recount::everything_holds;
use penstock_tests::world::{AGENT, World, program};

const REFUSED: &str = "this code is unknown, was used, or has expired";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_enrols_once_with_one_command_and_again_only_when_told() {
    let mut world = World::with().hub("[access]\ncache_seconds = 1").start().await;
    // From now on agents need a token.
    assert_eq!(world.hub.add_agent("another").len(), 64);
    eventually("the agent is refused", async || refused(&world)).await;
    let sensors = Sensors::start(world.agent.listener(), AGENT, 3, 300.0);

    let code = world.hub.invite(AGENT, &[]);
    let first = joined(&world, &[&code]);
    assert!(first.status.success(), "{first:?}");
    reload(&world).await;
    eventually("what waited is sent", async || stored(&world, 1)).await;

    let again = joined(&world, &[&code]);
    assert!(!again.status.success() && said(&again).contains("enrolled already, as agent gw"), "{again:?}");
    let elsewhere = gateway(world.directory.path(), "elsewhere");
    refuses(&output(&mut join(&elsewhere, &world, &[&code])));
    let expired = world.hub.invite("late", &["--valid-for", "1s"]);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    refuses(&output(&mut join(&elsewhere, &world, &[&expired])));

    // A failed attempt takes nothing from the gateway, a good one gives it another token: no reading minds.
    refuses(&joined(&world, &["--force", &code]));
    world.agent.process.stop().await;
    world.agent.restart().await;
    let anew = world.hub.invite(AGENT, &[]);
    let anew = joined(&world, &["--force", &anew]);
    assert!(anew.status.success(), "{anew:?}");
    reload(&world).await;
    let verdict = everything_holds(&world, &sensors.stop().await).await;
    println!("{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_gateways_that_enrol_at_once_with_one_code_one_does() {
    let world = World::start().await;
    let code = world.hub.invite("wanted", &[]);
    let gateways: Vec<_> = (0..4).map(|n| gateway(world.directory.path(), &format!("gateway-{n}"))).collect();
    let start = |config: &PathBuf| join(config, &world, &[&code]).spawn().expect("the program starts");
    let attempts: Vec<Child> = gateways.iter().map(start).collect();
    let outcomes: Vec<Output> =
        attempts.into_iter().map(|attempt| attempt.wait_with_output().expect("it ends")).collect();
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| outcome.status.success());
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert!(said(won[0]).contains("enrolled as agent wanted"), "{won:?}");
    lost.into_iter().for_each(refuses);
    let enrolled = gateways.iter().filter(|config| config.with_extension("d").join("50-join.toml").exists());
    assert_eq!(enrolled.count(), 1);
}

/// Writes the configuration of a gateway that does not run.
fn gateway(directory: &Path, name: &str) -> PathBuf {
    let config = directory.join(format!("{name}.toml"));
    let buffer = directory.join(name);
    fs::write(&config, format!("[buffer]\ndir = {buffer:?}\n")).expect("the world's directory is writable");
    config
}

fn join(config: &Path, world: &World, words: &[&str]) -> Command {
    let mut command = Command::new(program("penstock-agent"));
    command.args(["join", &world.link.url()]).args(words).arg("--config").arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn joined(world: &World, words: &[&str]) -> Output {
    output(&mut join(world.agent.config(), world, words))
}

fn output(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn refuses(output: &Output) {
    assert!(!output.status.success() && said(output).contains(REFUSED), "{output:?}");
}

/// Has the running agent take what `join` wrote.
async fn reload(world: &World) {
    let taken = || world.agent.process.log().matches("configuration taken").count();
    let before = taken();
    world.agent.process.hang_up();
    eventually("the configuration is taken", async || {
        if taken() > before { Ok(()) } else { Err(world.agent.process.log()) }
    })
    .await;
}

fn refused(world: &World) -> Result<(), String> {
    let output =
        output(Command::new(program("penstock-agent")).args(["check", "--config"]).arg(world.agent.config()));
    let told = said(&output);
    if told.contains("refuses this agent's token") { Ok(()) } else { Err(told) }
}

fn stored(world: &World, least: u64) -> Result<(), String> {
    let counts = world.agent.counts()?;
    if counts.stored >= least { Ok(()) } else { Err(format!("{counts:?}")) }
}

//! Runs the simulated plant against any MQTT listener and says in JSON what it published.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use penstock_tests::plant::Plant;

/// Publishes wandering values of about a hundred series over MQTT 3.1.1 with QoS 1, until Ctrl-C.
#[derive(Debug, Parser)]
struct Arguments {
    /// The listener or broker.
    #[arg(long, default_value = "127.0.0.1:1883")]
    listener: SocketAddr,
    /// Readings a second, in all.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Ends after so many seconds.
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let plant = Plant::start(arguments.listener, arguments.rate);
    let end = Duration::from_secs(arguments.seconds.unwrap_or(u64::MAX / 1000));
    tokio::select! {
        () = tokio::time::sleep(end) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    println!("{}", serde_json::to_string(&plant.stop().await)?);
    Ok(())
}

//! Against a real Mosquitto and a real device at the listener: what is told, and that nothing is taken away.

use std::net::TcpListener;
use std::path::Path;

use super::*;
use crate::config;
use crate::source::mqtt_client::tests::Broker;

fn settings(text: &str) -> Settings {
    config::parse(Path::new("agent.toml"), text, []).expect("a good configuration")
}

/// Runs a sample while `busy` happens.
fn sample_while(settings: &Settings, busy: impl Future<Output = ()> + Send + 'static) -> String {
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(busy);
    });
    let report = run(settings, Duration::from_secs(4)).expect("a report");
    thread.join().expect("no panic");
    report
}

#[test]
fn a_broker_is_heard_and_keeps_no_trace_of_it() {
    let broker = Broker::start();
    let port = broker.port;
    let settings = settings(&format!(
        "[agent]\nid = \"gw\"\n[mqtt_listener]\nenabled = false\n\
         [[mqtt_client]]\nurl = \"mqtt://127.0.0.1:{port}\"\ntopics = [\"plant/#\"]\n\
         [[series]]\ntype = \"still\"\ndeadband = 0\n"
    ));
    let report = sample_while(&settings, async move {
        for _ in 0..30 {
            broker.publish("plant/press4/temperature", false, r#"{"value": 21.5, "unit": "°C"}"#).await;
            broker.publish("plant/press4/still", false, "1").await;
            broker.publish("plant/press4/broken", false, "{\"value\": ").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    for expected in
        ["temperature", "gw/plant/press4", "°C", "21.5", "bad_json", "unchanged", "nothing was stored"]
    {
        assert!(report.contains(expected), "no {expected} in:\n{report}");
    }
    assert!(report.starts_with('✓'), "{report}");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let settings = settings(&format!("[mqtt_listener]\nlisten = \"{address}\"\n"));
    let report = run(&settings, Duration::from_millis(100)).expect("a report");
    assert!(report.contains("does the agent run?") && report.contains("✗ 0 readings"), "{report}");
}

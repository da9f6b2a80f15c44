//! Every configuration in `deploy/examples`, with the devices it is written for: what `check --sample` tells of them.
//!
//! Only addresses are put in place of the example's own; everything else is as it stands in the file.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serialport::{SerialPort, TTYPort};

const SECONDS: &str = "4";

/// An example with this machine's addresses, and what is told of it.
struct Example {
    text: String,
    dir: tempfile::TempDir,
}

impl Example {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples").join(name);
        let text = std::fs::read_to_string(path).expect("an example");
        let mut example = Self { text, dir: tempfile::tempdir().expect("a directory") };
        if example.text.contains("token_file") {
            let token = example.dir.path().join("hub.token");
            std::fs::write(&token, "secret\n").expect("a file");
            example.put(token.to_str().expect("text"), "/etc/penstock/hub.token");
        }
        example
    }

    /// Puts something else in place of what the example says.
    fn put(&mut self, here: &str, there: &str) {
        assert_eq!(self.text.matches(there).count(), 1, "{there} in the example");
        self.text = self.text.replace(there, here);
    }

    fn sample(&self) -> String {
        let config = self.dir.path().join("agent.toml");
        std::fs::write(&config, &self.text).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_penstock-agent"))
            .args(["check", "--sample", "--seconds", SECONDS, "--config"])
            .arg(&config)
            .output()
            .expect("the agent runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(told.contains("nothing was stored"), "{told}");
        told
    }
}

/// Asserts that there is a line with all these words, in this order.
fn assert_told(told: &str, words: &[&str]) {
    let has_all = |line: &str| {
        let mut rest = line;
        words.iter().all(|word| match rest.split_once(word) {
            Some((_, behind)) => {
                rest = behind;
                true
            }
            None => false,
        })
    };
    assert!(told.lines().any(has_all), "no line with {words:?} in:\n{told}");
}

/// Something that goes on in the background until it is dropped.
struct Going {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Going {
    fn on(mut turn: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                turn();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}

/// Returns the path of a line, and the instrument's end of it. The third is kept so that the line stays.
fn line() -> (String, TTYPort, TTYPort) {
    let (mut instrument, port) = TTYPort::pair().expect("a pseudo terminal");
    instrument.set_timeout(Duration::from_millis(100)).expect("a timeout");
    let path = port.name().expect("a name");
    (path, instrument, port)
}

/// An instrument that says something again and again.
fn speaks(mut line: TTYPort, kept: TTYPort, says: Vec<u8>) -> Going {
    Going::on(move || {
        let _kept = &kept;
        line.write_all(&says).expect("the line takes it");
        std::thread::sleep(Duration::from_millis(100));
    })
}

/// An instrument that answers.
fn answers(
    mut line: TTYPort,
    kept: TTYPort,
    answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> Going {
    let mut asked = Vec::new();
    Going::on(move || {
        let _kept = &kept;
        let mut chunk = [0; 256];
        let count = line.read(&mut chunk).unwrap_or(0);
        asked.extend_from_slice(&chunk[..count]);
        if let Some(answer) = answer(&asked) {
            asked.clear();
            line.write_all(&answer).expect("the line takes it");
        }
    })
}

fn crc16_modbus(bytes: &[u8]) -> [u8; 2] {
    crc::Crc::<u16>::new(&crc::CRC_16_MODBUS).checksum(bytes).to_le_bytes()
}

/// Answers requests for holding or input registers and coils, with the registers' own numbers.
fn modbus_answer(pdu: &[u8]) -> Option<Vec<u8>> {
    let [function, address_high, address_low, _, count, ..] = *pdu else { return None };
    let address = u16::from_be_bytes([address_high, address_low]);
    let data: Vec<u8> = match function {
        1 => vec![1],
        // 1.5 as a float, the less significant word first; and 12,345 as a long.
        4 => [0x0000, 0x3FC0, 0x0000, 0x3039].iter().flat_map(|word: &u16| word.to_be_bytes()).collect(),
        _ => (0..u16::from(count)).flat_map(|n| (address + n + 200).to_be_bytes()).collect(),
    };
    let mut answer = vec![function, u8::try_from(data.len()).ok()?];
    answer.extend(data);
    Some(answer)
}

/// Modbus TCP slaves.
fn modbus_tcp() -> (SocketAddr, Going) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    let address = listener.local_addr().expect("an address");
    let serve = |mut stream: TcpStream| {
        stream.set_nonblocking(false).expect("blocking");
        let mut header = [0; 7];
        while stream.read_exact(&mut header).is_ok() {
            let mut pdu = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]])) - 1];
            stream.read_exact(&mut pdu).expect("a request");
            let answer = modbus_answer(&pdu).expect("a known request");
            let length = u16::try_from(answer.len() + 1).expect("short").to_be_bytes();
            let frame = [&header[..4], &length, &header[6..], &answer].concat();
            if stream.write_all(&frame).is_err() {
                return;
            }
        }
    };
    let going = Going::on(move || match listener.accept() {
        Ok((stream, _)) => drop(std::thread::spawn(move || serve(stream))),
        Err(_) => std::thread::sleep(Duration::from_millis(20)),
    });
    (address, going)
}

/// A Mosquitto, and devices that publish over it.
struct Broker {
    process: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Broker {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = dir.path().join("mosquitto.conf");
        let free =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let port = free.port();
        std::fs::write(
            &config,
            format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"),
        )
        .expect("a file");
        let search_path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let process = Command::new("mosquitto")
            .env("PATH", search_path)
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto, which this test needs: Debian's package of that name");
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port, _dir: dir }
    }

    fn publish(port: u16, topic: &str, payload: &str, retain: bool) {
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-p", &port.to_string(), "-t", topic, "-m", payload]);
        if retain {
            publish.arg("-r");
        }
        let status = publish.status().expect("mosquitto_pub, of Debian's package mosquitto-clients");
        assert!(status.success(), "{topic} not published");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

#[test]
fn the_plant() {
    let mut example = Example::new("plant.toml");
    let (tcp, _slaves) = modbus_tcp();
    example.put(&tcp.to_string(), "192.0.2.20:502");
    example.put("127.0.0.1:0", "0.0.0.0:1883");
    let (path, line_end, kept) = line();
    example.put(&path, "/dev/serial/by-id/usb-FTDI_USB-RS485_Cable_FT0001-if00-port0");
    let _furnace = answers(line_end, kept, |asked| {
        let (request, _crc) = asked.split_at_checked(6)?;
        (asked.len() >= 8).then_some(())?;
        let mut frame = vec![request[0]];
        frame.extend(modbus_answer(&request[1..])?);
        frame.extend(crc16_modbus(&frame));
        Some(frame)
    });
    let (path, line_end, kept) = line();
    example.put(&path, "/dev/serial/by-id/usb-Prolific_USB-Serial_Controller-if00-port0");
    let _scale = speaks(line_end, kept, b"net,12.50,kg\r\n".to_vec());
    let (path, line_end, kept) = line();
    example.put(&path, "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0");
    // 6.1 bar at 21.54 °C, and no byte among them that SLIP would have to escape.
    let record = [0x00, 0x3D, 0x08, 0x6A];
    let sensor = [&record[..], &crc16_modbus(&record), &[0xC0]].concat();
    let _press = speaks(line_end, kept, sensor);

    let told = example.sample();
    assert_told(&told, &["active_power", "plant-north/hall1/meter", "W", "1.5"]);
    assert_told(&told, &["energy", "plant-north/hall1/meter", "kWh", "123.45"]);
    assert_told(&told, &["speed", "plant-north/hall1/pump", "rpm", "300"]);
    assert_told(&told, &["running", "plant-north/hall1/pump", "true"]);
    assert_told(&told, &["temperature", "plant-north/furnace/zone1", "°C", "20"]);
    assert_told(&told, &["weight", "plant-north/scale", "kg", "12.5"]);
    assert_told(&told, &["mode", "plant-north/scale", "\"net\""]);
    assert_told(&told, &["pressure", "plant-north/press4", "bar", "6.1"]);
    // Report by exception: it does not move.
    assert_told(&told, &[" 1 ", "temperature", "plant-north/press4", "°C", "21.54"]);
    assert_told(&told, &["unchanged"]);
}

#[test]
fn the_smart_home() {
    let broker = Broker::start();
    let port = broker.port;
    let mut example = Example::new("smart-home.toml");
    example.put(&format!("mqtt://127.0.0.1:{port}"), "mqtt://127.0.0.1:1883");
    let discovery = r#"{"name":"Temperature","state_topic":"zigbee2mqtt/kitchen","unit_of_measurement":"°C",
        "value_template":"{{ value_json.temperature }}","unique_id":"0x01_temperature",
        "device":{"identifiers":["zigbee2mqtt_0x01"],"name":"kitchen"}}"#;
    Broker::publish(port, "homeassistant/sensor/0x01/temperature/config", discovery, true);
    let of_esphome = r#"{"dev_cla":"moisture","unit_of_meas":"%","stat_cla":"measurement","name":"Soil Moisture",
        "stat_t":"garden/sensor/soil_moisture/state","avty_t":"garden/status","uniq_id":"ESPsensorsoil_moisture",
        "dev":{"ids":"3c71bf000001","name":"garden","sw":"esphome v2026.10.0","mdl":"esp32dev","mf":"Espressif"}}"#;
    Broker::publish(port, "homeassistant/sensor/garden/soil_moisture/config", of_esphome, true);
    let _devices = Going::on(move || {
        Broker::publish(port, "zigbee2mqtt/kitchen", r#"{"temperature":21.4,"battery":97}"#, false);
        let tasmota =
            r#"{"Time":"2026-11-25T12:00:00","AM2301":{"Temperature":19.5,"Humidity":55.1},"TempUnit":"C"}"#;
        Broker::publish(port, "tele/cellar/SENSOR", tasmota, false);
        Broker::publish(port, "garden/sensor/soil_moisture/state", "38.5", false);
        let shelly = r#"{"src":"shellyplus1pm-a1","dst":"shellyplus1pm-a1/events","method":"NotifyStatus",
            "params":{"ts":1795000000.5,"switch:0":{"id":0,"apower":41.5}}}"#;
        Broker::publish(port, "shellyplus1pm-a1/events/rpc", shelly, false);
        std::thread::sleep(Duration::from_millis(200));
    });

    let told = example.sample();
    assert_told(&told, &["temperature", "kitchen", "°C", "21.4"]);
    assert_told(&told, &["moisture", "garden", "%", "38.5"]);
    assert_told(&told, &["emperature", "cellar", "°C", "19.5"]);
    assert_told(&told, &["power", "shellyplus1pm-a1", "W", "41.5"]);
}

#[test]
fn the_weather_station() {
    let mut example = Example::new("weather-station.toml");
    let (path, line_end, kept) = line();
    example.put(&path, "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A900XYZ-if00-port0");
    let _wind = speaks(line_end, kept, b"$WIMWV,214.8,R,10.1,K,A*19\r\n".to_vec());
    let (path, line_end, kept) = line();
    example.put(&path, "/dev/serial/by-id/usb-Silicon_Labs_CP2102_USB_to_UART_0001-if00-port0");
    let _rain = answers(line_end, kept, |asked| {
        asked.ends_with(b"R\r\n").then(|| b"Acc  1.20 mm, Int 0.30 mmph\r\n".to_vec())
    });
    let radio = example.dir.path().join("rtl_433");
    let script = "#!/bin/sh\nwhile echo '{\"time\":\"1795000000\",\"model\":\"Nexus-TH\",\"id\":7,\"temperature_C\":4.2,\"humidity\":81}'; do sleep 0.2; done\n";
    std::fs::write(&radio, script).expect("a file");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&radio, permissions).expect("permissions");
    example.put(&format!("{radio:?}, \"-R\""), "\"rtl_433\", \"-R\"");

    let told = example.sample();
    assert_told(&told, &["mast-7/wind", "214.8"]);
    assert_told(&told, &["rain", "mast-7/rain", "mm", "1.2"]);
    assert_told(&told, &["intensity", "mast-7/rain", "mm/h", "0.3"]);
    assert_told(&told, &["temperature", "mast-7/radio", "°C", "4.2"]);
    assert_told(&told, &["humidity", "mast-7/radio", "%", "81"]);
}

#[test]
fn the_vehicle() {
    let mut example = Example::new("vehicle.toml");
    example.put("127.0.0.1:0", "127.0.0.1:1883");
    let (path, line_end, kept) = line();
    example.put(&format!("port = \"{path}\""), "usb_vendor = \"1546\"\nusb_product = \"01a7\"");
    let position = b"$GPRMC,225446.00,A,4916.45000,N,12311.12000,W,000.5,054.7,251126,020.3,E*40\r\n";
    let _receiver = speaks(line_end, kept, position.to_vec());

    let told = example.sample();
    assert_told(&told, &[" 1 ", "latitude", "truck-12/gps", "49.27416"]);
    assert_told(&told, &[" 1 ", "longitude", "truck-12/gps", "-123.185333"]);
    assert_told(&told, &["speed", "truck-12/gps"]);
    assert_told(&told, &["truck-12/host"]);
}

//! Modbus by TCP: slaves of a hundred registers each, asked every ten milliseconds.

use std::future::{Ready, ready};
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

use super::{Intake, WARM_UP, add_cost, start};
use crate::sink::Sink;
use crate::table::Table;

const SLAVES: u16 = 4;
const REGISTERS: u16 = 100;

/// Measures what a register costs, beside bare numbers by MQTT.
pub(super) async fn measure(table: &mut Table, plain: Intake) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let sink = Sink::start().await;
    let (address, server) = serve().await;
    let agent = start(directory.path(), &sink, &settings(address)).await;
    tokio::time::sleep(WARM_UP).await;
    let intake = Intake::watch(&agent, || sink.readings()).await;
    server.abort();
    assert!(intake.readings > 0, "Modbus brought no readings");
    add_cost(table, "Modbus TCP, 100 registers a request", intake, plain);
}

fn settings(address: SocketAddr) -> String {
    let register = |number: u16| {
        format!(
            "[[modbus.slave.register]]\nname = \"r{number}\"\naddress = {number}\ntype = \"i16\"\nscale = 0.1\n"
        )
    };
    let registers: String = (0..REGISTERS).map(register).collect();
    let slave = |unit: u16| format!("[[modbus.slave]]\nname = \"slave{unit}\"\nunit = {unit}\n{registers}");
    let slaves: String = (1..=SLAVES).map(slave).collect();
    format!("[[modbus]]\nname = \"plant\"\ntcp = \"{address}\"\ninterval_ms = 10\n{slaves}")
}

/// Registers that hold their own address.
#[derive(Debug, Clone, Copy)]
struct Registers;

impl Service for Registers {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(match request.request {
            Request::ReadHoldingRegisters(address, count) => {
                let end = address.saturating_add(count);
                Ok(Some(Response::ReadHoldingRegisters((address..end).collect())))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

async fn serve() -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has free ports");
    let address = listener.local_addr().expect("a bound socket has an address");
    let server = tokio::spawn(async move {
        let connected =
            |stream, peer| async move { accept_tcp_connection(stream, peer, |_| Ok(Some(Registers))) };
        Server::new(listener).serve(&connected, drop).await.expect("it listens");
    });
    (address, server)
}

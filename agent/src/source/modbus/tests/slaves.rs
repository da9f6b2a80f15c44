//! Simulated slaves. A register holds its own address plus 1000 times its slave's unit; those from 100 on are absent.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

/// The first address that no slave has.
pub(super) const ABSENT: u16 = 100;

/// What the slaves of one bus do, and how often each was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Slaves {
    dead: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<BTreeMap<u8, u64>>>,
}

impl Slaves {
    pub(super) fn kill(&self, units: &[u8]) {
        *self.dead.lock().expect("no panic") = units.to_vec();
    }

    pub(super) fn asked(&self, unit: u8) -> u64 {
        self.asked.lock().expect("no panic").get(&unit).copied().unwrap_or_default()
    }

    pub(super) fn answer(&self, unit: u8, request: &Request<'_>) -> Result<Option<Response>, ExceptionCode> {
        *self.asked.lock().expect("no panic").entry(unit).or_default() += 1;
        if self.dead.lock().expect("no panic").contains(&unit) {
            return Ok(None);
        }
        let words = |address: u16, count: u16| -> Result<Vec<u16>, ExceptionCode> {
            let end = address + count;
            if end > ABSENT {
                return Err(ExceptionCode::IllegalDataAddress);
            }
            Ok((address..end).map(|address| u16::from(unit) * 1000 + address).collect())
        };
        match request {
            Request::ReadHoldingRegisters(address, count) => {
                words(*address, *count).map(|words| Some(Response::ReadHoldingRegisters(words)))
            }
            Request::ReadInputRegisters(address, count) => {
                words(*address, *count).map(|words| Some(Response::ReadInputRegisters(words)))
            }
            Request::ReadCoils(address, count) => words(*address, *count)
                .map(|words| Some(Response::ReadCoils(words.iter().map(|word| word % 2 == 1).collect()))),
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }

    /// Serves them all at one address until the task is aborted.
    pub(super) async fn serve(&self, address: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let bound = listener.local_addr().expect("an address");
        let slaves = self.clone();
        let server = tokio::spawn(async move {
            let on_connected = |stream, peer| {
                let slaves = slaves.clone();
                async move { accept_tcp_connection(stream, peer, move |_| Ok(Some(slaves.clone()))) }
            };
            Server::new(listener).serve(&on_connected, drop).await.expect("it listens");
        });
        (bound, server)
    }
}

impl Service for Slaves {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        ready(self.answer(request.slave, &request.request))
    }
}

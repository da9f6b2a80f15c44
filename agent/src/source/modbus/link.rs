//! An open bus: one question at a time, and what came of it.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::{Error, ExceptionCode, Request, Response, Slave, slave::SlaveContext};
use tokio_serial::SerialStream;

use super::fresh::Fresh;
use super::gap::frame_gap;
use super::plan::Block;

use super::value::Data;
use crate::config::ModbusSettings;
use crate::config::modbus::{Bus, RegisterKind};
use crate::source::port::{self, PortError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a bus is not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("{address}: {source}")]
    Unreachable { address: String, source: io::Error },
    #[error("{0}: no connection within {CONNECT_TIMEOUT:?}")]
    Slow(String),
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What came of a question.
#[derive(Debug)]
pub(super) enum Answer {
    Data(Data),
    /// The slave refuses.
    Exception(ExceptionCode),
    /// Nothing in time.
    Silence,
    /// Something else.
    Garbled(String),
    /// The bus is gone.
    Lost(String),
}

pub(super) struct Link {
    client: Context,
    timeout: Duration,
    serial: Option<Line>,
}

/// What a serial line needs beyond a socket.
struct Line {
    port: Fresh<SerialStream>,
    /// The silence between frames.
    gap: Duration,
    heard: Instant,
}

impl Link {
    pub(super) async fn open(settings: &ModbusSettings) -> Result<Self, LinkError> {
        let timeout = settings.timeout;
        match &settings.bus {
            Bus::Tcp(address) => {
                let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
                let unreachable = |source| LinkError::Unreachable { address: address.clone(), source };
                let stream = connected.map_err(|_| LinkError::Slow(address.clone()))?.map_err(unreachable)?;
                stream.set_nodelay(true).map_err(unreachable)?;
                Ok(Self { client: tcp::attach(Fresh::new(stream)), timeout, serial: None })
            }
            Bus::Rtu(port_settings) => {
                let port = Fresh::new(port::open(port_settings, Path::new("/")).await?.0);
                let line = Line { port, gap: frame_gap(port_settings), heard: Instant::now() };
                Ok(Self { client: rtu::attach(line.port.clone()), timeout, serial: Some(line) })
            }
        }
    }

    /// Reads a block of a slave.
    pub(super) async fn ask(&mut self, unit: u8, block: &Block) -> Answer {
        if let Some(line) = &self.serial {
            tokio::time::sleep_until((line.heard + line.gap).into()).await;
        }
        self.client.set_slave(Slave(unit));
        let asked = tokio::time::timeout(self.timeout, self.client.call(request(block))).await;
        if let Some(line) = &mut self.serial {
            line.heard = Instant::now();
        }
        match asked {
            Err(_) => Answer::Silence,
            // The gateway says that the slave said nothing.
            Ok(Ok(Err(ExceptionCode::GatewayPathUnavailable | ExceptionCode::GatewayTargetDevice))) => {
                Answer::Silence
            }
            Ok(Ok(Err(code))) => Answer::Exception(code),
            Ok(Ok(Ok(response))) => check(block, response),
            Ok(Err(Error::Protocol(error))) => Answer::Garbled(error.to_string()),
            Ok(Err(Error::Transport(error))) => self.judge(&error),
        }
    }

    fn judge(&mut self, error: &io::Error) -> Answer {
        match &self.serial {
            // The client is at its end after what it could not read, the line is not.
            Some(line) if error.kind() == io::ErrorKind::InvalidData => {
                self.client = rtu::attach(line.port.clone());
                Answer::Garbled(error.to_string())
            }
            Some(_) if error.kind() == io::ErrorKind::BrokenPipe => {
                Answer::Lost("the port is gone".to_owned())
            }
            // The client asks the system for a reason where the other side just closed.
            None if error.raw_os_error().is_some() && error.kind() != io::ErrorKind::ConnectionReset => {
                Answer::Lost(format!("connection closed ({error})"))
            }
            _ => Answer::Lost(error.to_string()),
        }
    }
}

fn request(block: &Block) -> Request<'static> {
    match block.kind {
        RegisterKind::Holding => Request::ReadHoldingRegisters(block.address, block.count),
        RegisterKind::Input => Request::ReadInputRegisters(block.address, block.count),
        RegisterKind::Coil => Request::ReadCoils(block.address, block.count),
        RegisterKind::Discrete => Request::ReadDiscreteInputs(block.address, block.count),
    }
}

/// An answer of another length is to another question. Bits come in whole bytes.
fn check(block: &Block, response: Response) -> Answer {
    let count = usize::from(block.count);
    let (data, expected) = match response {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => {
            (Data::Words(words), count)
        }
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => {
            (Data::Bits(bits), count.next_multiple_of(8))
        }
        other => return Answer::Garbled(format!("{other:?}")),
    };
    let fits = data.count() == expected || (block.kind.is_bits() && data.count() == count);
    if fits { Answer::Data(data) } else { Answer::Garbled(format!("{} values for {count}", data.count())) }
}

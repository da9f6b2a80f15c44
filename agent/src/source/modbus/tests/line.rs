//! The slaves' end of a serial line: a pseudo terminal on which they hear questions and answer them.

use std::path::PathBuf;
use std::time::Duration;

use crc::{CRC_16_MODBUS, Crc};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_modbus::{Request, Response};
use tokio_serial::{SerialPort, SerialStream};

use super::slaves::Slaves;

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);
const QUESTION_BYTES: usize = 8;

/// What a line does to answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noise {
    None,
    /// Every fifth answer has a wrong bit.
    Bits,
    /// Every fifth answer comes so much later.
    Delay(Duration),
}

/// A line; it is unplugged when it is dropped.
pub(super) struct Line {
    link: PathBuf,
    slaves: JoinHandle<()>,
    _directory: TempDir,
}

impl Line {
    pub(super) fn plug(slaves: &Slaves, noise: Noise) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("bus");
        let (line, other_end) = SerialStream::pair().expect("a pseudo terminal");
        std::os::unix::fs::symlink(other_end.name().expect("a name"), &link).expect("a link");
        let slaves = slaves.clone();
        let slaves = tokio::spawn(async move {
            // Kept open, as a pseudo terminal whose last reader is gone forgets what it was told.
            let _other_end = other_end;
            serve(line, slaves, noise).await;
        });
        Self { link, slaves, _directory: directory }
    }

    /// The keys that name its port.
    pub(super) fn keys(&self) -> String {
        format!("port = {:?}\nbaud = 115200", self.link.display().to_string())
    }

    /// Gives the port another name in its directory.
    pub(super) fn rename(&self, name: &str) {
        std::fs::rename(&self.link, self.link.with_file_name(name)).expect("a link");
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.slaves.abort();
    }
}

async fn serve(mut line: SerialStream, slaves: Slaves, noise: Noise) {
    let mut question = [0; QUESTION_BYTES];
    let mut answers = 0_u64;
    while line.read_exact(&mut question).await.is_ok() {
        assert_eq!(CRC.checksum(&question[..6]).to_le_bytes(), question[6..], "{question:?}");
        let [unit, function, a, b, c, d, ..] = question;
        let (address, count) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let request = match function {
            1 => Request::ReadCoils(address, count),
            3 => Request::ReadHoldingRegisters(address, count),
            4 => Request::ReadInputRegisters(address, count),
            other => panic!("function {other}"),
        };
        let mut answer = match slaves.answer(unit, &request) {
            Ok(None) => continue,
            Ok(Some(response)) => [vec![unit, function], payload(&response)].concat(),
            Err(code) => vec![unit, function | 0x80, code.into()],
        };
        answer.extend(CRC.checksum(&answer).to_le_bytes());
        answers += 1;
        if answers.is_multiple_of(5) {
            match noise {
                Noise::None => {}
                Noise::Bits => answer[4] ^= 0x10,
                Noise::Delay(delay) => tokio::time::sleep(delay).await,
            }
        }
        line.write_all(&answer).await.expect("the line takes it");
    }
}

fn payload(response: &Response) -> Vec<u8> {
    let bytes: Vec<u8> = match response {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => {
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        }
        Response::ReadCoils(bits) => {
            let byte = |bits: &[bool]| {
                bits.iter().enumerate().fold(0, |byte, (place, bit)| byte | u8::from(*bit) << place)
            };
            bits.chunks(8).map(byte).collect()
        }
        other => panic!("{other:?}"),
    };
    let length = u8::try_from(bytes.len()).expect("a short answer");
    [vec![length], bytes].concat()
}

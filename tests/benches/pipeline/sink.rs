//! A hub that only says yes: what an agent is measured against when the hub shall not take the machine's cores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use penstock_shared::answer::{BatchesAnswer, FrameAnswer};
use penstock_shared::frame::read_header;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const HEAD_END: &[u8] = b"\r\n\r\n";
const READ_BYTES: usize = 64 * 1024;

/// A running sink; ends when dropped.
pub(crate) struct Sink {
    address: SocketAddr,
    readings: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Sink {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let readings = Arc::<AtomicU64>::default();
        let count = Arc::clone(&readings);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&count)));
            }
        });
        Self { address, readings, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how many readings came so far.
    pub(crate) fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers requests until the connection ends; what is no request of frames is answered 204.
async fn serve(mut stream: TcpStream, readings: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    loop {
        while let Some((head, length)) = whole_request(&bytes) {
            let answer = answer(&bytes[head..head + length], &readings);
            let response = match answer {
                Some(json) => format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{json}",
                    json.len()
                ),
                None => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            };
            stream.write_all(response.as_bytes()).await?;
            bytes.drain(..head + length);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

/// Returns where the body begins and how long it is, when the whole request is there.
fn whole_request(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END)? + HEAD_END.len();
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    (bytes.len() >= head + length).then_some((head, length))
}

fn answer(mut body: &[u8], readings: &AtomicU64) -> Option<String> {
    let mut answers = Vec::new();
    while let Some((length, rest)) = body.split_first_chunk::<4>() {
        let (frame, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let header = read_header(frame).ok()?;
        readings.fetch_add(header.readings.into(), Ordering::Relaxed);
        answers.push(FrameAnswer::Have { have_through: header.last });
        body = rest;
    }
    let answer = BatchesAnswer { answers, backlog: None };
    (!answer.answers.is_empty()).then(|| serde_json::to_string(&answer).expect("an answer is JSON"))
}

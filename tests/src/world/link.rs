//! The wire between agent and hub, as a proxy that can fail at chosen moments. It must not know what it carries,
//! except which bytes belong to a request of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const FRAMES_REQUEST: &[u8] = b"POST /api/v1/batches";
/// In the head of a request that only asks whether the hub is there.
const NO_FRAME: &[u8] = b"content-length: 0\r\n";
const OTHER_REQUEST: &[u8] = b"POST /api/v1/agents";
const CHUNK: usize = 16 * 1024;

/// What is wrong with the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// No connection lives or comes about.
    Cut,
    /// Once: the connection dies after so many more bytes of requests of frames.
    RequestDiesAfter(u64),
    /// Once: the next answer to a request of frames is lost, and the connection with it.
    AnswerLost,
}

/// A running proxy.
#[derive(Debug)]
pub struct Link {
    port: u16,
    fault: Arc<watch::Sender<Fault>>,
    struck: Arc<AtomicU64>,
    acceptor: JoinHandle<()>,
}

impl Link {
    /// Starts a proxy in front of a port.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has free ports");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let fault = Arc::new(watch::Sender::new(Fault::None));
        let struck = Arc::new(AtomicU64::new(0));
        let acceptor = tokio::spawn(accept(listener, target, Arc::clone(&fault), Arc::clone(&struck)));
        Self { port, fault, struck, acceptor }
    }

    /// Returns the URL that leads through the link.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets what is wrong from now on; faults that strike once leave the link whole.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Returns how many faults that strike once have struck.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::SeqCst)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.fault.send_replace(Fault::Cut);
    }
}

async fn accept(
    listener: TcpListener,
    target: u16,
    fault: Arc<watch::Sender<Fault>>,
    struck: Arc<AtomicU64>,
) {
    while let Ok((agent, _)) = listener.accept().await {
        if *fault.borrow() == Fault::Cut {
            continue;
        }
        let wire = Wire { fault: Arc::clone(&fault), struck: Arc::clone(&struck) };
        tokio::spawn(async move {
            if let Ok(hub) = TcpStream::connect(("127.0.0.1", target)).await {
                wire.carry(agent, hub).await;
            }
        });
    }
}

struct Wire {
    fault: Arc<watch::Sender<Fault>>,
    struck: Arc<AtomicU64>,
}

impl Wire {
    /// Carries bytes both ways until one side ends or a fault strikes; dropping the sockets is what the ends notice.
    async fn carry(self, agent: TcpStream, hub: TcpStream) {
        let (from_agent, to_agent) = agent.into_split();
        let (from_hub, to_hub) = hub.into_split();
        let frames = watch::Sender::new(false);
        let mut cut = self.fault.subscribe();
        tokio::select! {
            () = self.requests(from_agent, to_hub, &frames) => {}
            () = self.answers(from_hub, to_agent, &frames) => {}
            _ = cut.wait_for(|fault| *fault == Fault::Cut) => {}
        }
    }

    async fn requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, frames: &watch::Sender<bool>) {
        let mut chunk = vec![0; CHUNK];
        while let Ok(len @ 1..) = from.read(&mut chunk).await {
            let bytes = &chunk[..len];
            if contains(bytes, FRAMES_REQUEST) {
                frames.send_replace(!contains(bytes, NO_FRAME));
            } else if contains(bytes, OTHER_REQUEST) {
                frames.send_replace(false);
            }
            let passed = if *frames.borrow() { self.spend(len) } else { len };
            if to.write_all(&bytes[..passed]).await.is_err() || passed < len {
                return;
            }
        }
    }

    async fn answers(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, frames: &watch::Sender<bool>) {
        let mut chunk = vec![0; CHUNK];
        while let Ok(len @ 1..) = from.read(&mut chunk).await {
            if *frames.borrow() && self.strike(Fault::AnswerLost) {
                return;
            }
            if to.write_all(&chunk[..len]).await.is_err() {
                return;
            }
        }
    }

    /// Returns how many of `len` request bytes may still pass.
    fn spend(&self, len: usize) -> usize {
        let mut passed = len;
        self.fault.send_if_modified(|fault| {
            let Fault::RequestDiesAfter(left) = *fault else { return false };
            if left >= len as u64 {
                *fault = Fault::RequestDiesAfter(left - len as u64);
            } else {
                passed = usize::try_from(left).unwrap_or(len);
                *fault = Fault::None;
                self.struck.fetch_add(1, Ordering::SeqCst);
            }
            true
        });
        passed
    }

    fn strike(&self, what: Fault) -> bool {
        let struck = self.fault.send_if_modified(|fault| {
            let strikes = *fault == what;
            if strikes {
                *fault = Fault::None;
            }
            strikes
        });
        self.struck.fetch_add(u64::from(struck), Ordering::SeqCst);
        struck
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

//! The agent's end of the control socket.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::answer;
use super::message::{Answer, Request, TapWish};
use super::socket;
use crate::status::Observer;
use crate::tap::Tap;

/// More at once are told to come back: an operator or two, and a script.
const MOST_CONNECTIONS: usize = 8;
/// A longer request is refused. The longest text of a reading, all of it escaped, fits.
const MOST_REQUEST_BYTES: u64 = 512 * 1024;
/// A connection that asks nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// A client that takes nothing of an answer for so long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// The pause after the system gave no connection, as it may have no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What the socket gives a hold on.
#[derive(Clone)]
pub struct Controlled {
    /// The status, and the buffer that it tells of.
    pub observer: Arc<Observer>,
    /// What comes in.
    pub tap: Arc<Tap>,
}

/// Answers requests.
pub struct Server {
    dir: PathBuf,
    listener: UnixListener,
    controlled: Controlled,
}

impl Server {
    /// Opens the socket in the buffer's directory. The caller holds the buffer, so a socket there is a dead one.
    ///
    /// # Errors
    /// When the operating system gives no socket there.
    pub fn open(controlled: Controlled) -> io::Result<Self> {
        let dir = controlled.observer.buffer().settings().dir.clone();
        let listener = UnixListener::from_std(socket::listen(&dir)?)?;
        Ok(Self { dir, listener, controlled })
    }

    /// Serves until `shutdown` becomes true, then removes the socket.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            // All branches are cancel-safe: a connection is either accepted or still waits.
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = shutdown.wait_for(|stop| *stop) => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let is_full = connections.len() >= MOST_CONNECTIONS;
                    let controlled = self.controlled.clone();
                    // One that is turned away is told so by a task too: it may not read.
                    if connections.len() < 2 * MOST_CONNECTIONS {
                        connections.spawn(async move {
                            let outcome = serve(stream, controlled, is_full).await;
                            if let Err(error) = outcome {
                                tracing::debug!(%error, "control connection ended");
                            }
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "control connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // What is still asked ends with this function, as the set is dropped.
    }
}

impl Drop for Server {
    /// However the server ends, also with its runtime: a socket that is there says that somebody listens.
    fn drop(&mut self) {
        if let Err(error) = socket::remove(&self.dir) {
            tracing::debug!(%error, "control socket not removed");
        }
    }
}

async fn serve(stream: UnixStream, controlled: Controlled, is_full: bool) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    if is_full {
        let reason = format!("{MOST_CONNECTIONS} connections are open already, try again later");
        return say(&mut writer, &Answer::Refused { reason }).await;
    }
    let mut reader = BufReader::new(reader);
    while let Some(line) = request(&mut reader).await? {
        match serde_json::from_slice(&line) {
            Ok(Request::Tap(wish)) => {
                return stream_readings(&mut reader, &mut writer, &controlled, &wish).await;
            }
            Ok(request) => {
                let controlled = controlled.clone();
                // The disk may be asked, and it may be slow.
                let answered = tokio::task::spawn_blocking(move || match request {
                    Request::Status => Answer::Status(Box::new(controlled.observer.now())),
                    request => answer(request, controlled.observer.buffer()),
                })
                .await;
                say(&mut writer, &answered.map_err(io::Error::other)?).await?;
            }
            Err(error) => {
                let reason = format!("not understood: {error}");
                say(&mut writer, &Answer::Refused { reason }).await?;
            }
        }
    }
    Ok(())
}

/// Returns the next line; none when there is none, or it is too long to be a request.
async fn request(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = reader.take(MOST_REQUEST_BYTES);
    timeout(IDLE, limited.read_until(b'\n', &mut line)).await??;
    Ok(Some(line).filter(|line| line.ends_with(b"\n")))
}

async fn say(writer: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    timeout(WRITE_PATIENCE, writer.write_all(&line)).await?
}

/// Sends readings until the client goes. One that does not take them misses some, and its connection stays.
async fn stream_readings(
    reader: &mut BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
    controlled: &Controlled,
    wish: &TapWish,
) -> io::Result<()> {
    let mut stream = controlled.tap.listen(wish.filter());
    // The first line says that from now on everything is heard.
    say(writer, &Answer::Readings { readings: Vec::new(), missed: 0 }).await?;
    let sending = async {
        while let Some((readings, missed)) = stream.next().await {
            let mut line = serde_json::to_vec(&Answer::Readings { readings, missed })?;
            line.push(b'\n');
            writer.write_all(&line).await?;
        }
        Ok(())
    };
    let mut unwanted = [0; 64];
    // When one ends the connection ends, so nothing that the other had begun is missed.
    tokio::select! {
        outcome = sending => outcome,
        read = reader.read(&mut unwanted) => read.map(drop),
    }
}

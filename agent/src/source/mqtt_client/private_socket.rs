//! A Unix socket that only this process reaches: in a directory that only its user may enter, taken away again as soon
//! as it has served, and open to no other process even of that user.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use tokio::net::{UnixListener, UnixStream};

/// Where systemd gives a service a directory of its own (`RuntimeDirectory=`).
const RUNTIME_DIRECTORY: &str = "RUNTIME_DIRECTORY";
const ONLY_OWNER: u32 = 0o700;

/// The socket and its directory, which go with it.
#[derive(Debug)]
pub(super) struct PrivateSocket {
    listener: UnixListener,
    path: PathBuf,
    directory: PrivateDirectory,
}

#[derive(Debug)]
struct PrivateDirectory(PathBuf);

impl PrivateSocket {
    pub(super) fn open() -> io::Result<Self> {
        let directory = PrivateDirectory::make()?;
        let path = directory.0.join("tls");
        Ok(Self { listener: UnixListener::bind(&path)?, path, directory })
    }

    pub(super) fn path(&self) -> io::Result<&str> {
        self.path.to_str().ok_or_else(|| {
            let reason = format!("{} is not UTF-8", self.directory.0.display());
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })
    }

    /// Waits for this process; anybody else is turned away.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let process = stream.peer_cred()?.pid().and_then(|process| u32::try_from(process).ok());
            if process == Some(std::process::id()) {
                return Ok(stream);
            }
            tracing::warn!(process, "another process came to the private socket, turned away");
        }
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "private socket not removed");
        }
    }
}

impl PrivateDirectory {
    fn make() -> io::Result<Self> {
        let of_service = std::env::var_os(RUNTIME_DIRECTORY)
            .and_then(|directories| std::env::split_paths(&directories).next());
        let parent = of_service.unwrap_or_else(std::env::temp_dir);
        let path = parent.join(format!("penstock-{:016x}", rand::random::<u64>()));
        // Fails where the name is taken, be it by a symbolic link that somebody laid.
        DirBuilder::new().mode(ONLY_OWNER).create(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("directory {}: {error}", path.display()))
        })?;
        Ok(Self(path))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "private directory not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn only_the_owner_may_enter_and_nothing_stays() {
        let socket = PrivateSocket::open().expect("a socket");
        let directory = socket.directory.0.clone();
        let mode = std::fs::metadata(&directory).expect("a directory").permissions().mode();
        assert_eq!(mode & 0o777, ONLY_OWNER);
        let path = socket.path().expect("a path").to_owned();
        let (accepted, connected) = tokio::join!(socket.accept(), UnixStream::connect(path));
        assert!(accepted.is_ok() && connected.is_ok());
        drop(socket);
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn another_process_is_turned_away() {
        let socket = PrivateSocket::open().expect("a socket");
        let path = socket.path().expect("a path").to_owned();
        let connect = "import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                       sys.exit(len(s.recv(1)))";
        let mut stranger =
            std::process::Command::new("python3").args(["-c", connect, &path]).spawn().expect("python3");
        let turned_away = tokio::task::spawn_blocking(move || stranger.wait());
        // Never ready while only the stranger comes.
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted.is_ok(),
            status = turned_away => {
                assert!(status.expect("no panic").expect("it ends").success());
                false
            }
        };
        assert!(!accepted);
    }
}

//! Where the socket lies, and how it comes and goes.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The socket's name in the buffer's directory.
pub const SOCKET_FILE: &str = "control.sock";
/// Its owner, and the group of the buffer's directory.
const MODE: u32 = 0o660;
/// A socket's address holds 108 bytes with the end mark (unix(7)).
const MOST_ADDRESS_BYTES: usize = 107;

/// Opens the socket; one that an earlier life left behind is replaced. Only for who holds the buffer's lock.
pub(super) fn listen(dir: &Path) -> io::Result<UnixListener> {
    remove(dir)?;
    let listener = at_address(dir, UnixListener::bind)?;
    std::fs::set_permissions(dir.join(SOCKET_FILE), Permissions::from_mode(MODE))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes the socket, if it is there.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join(SOCKET_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Connects to the socket.
pub(super) fn connect(dir: &Path) -> io::Result<UnixStream> {
    at_address(dir, UnixStream::connect)
}

/// Gives `work` an address of the socket that is short enough.
fn at_address<T>(dir: &Path, work: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let path = dir.join(SOCKET_FILE);
    if path.as_os_str().len() <= MOST_ADDRESS_BYTES {
        return work(path);
    }
    let opened = File::open(dir)?;
    work(PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_FILE}", opened.as_raw_fd())))
}

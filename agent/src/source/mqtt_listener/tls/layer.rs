//! TLS between the socket and the MQTT codec, as a layer of the protocol library's connections.
//!
//! That library brings such a layer; this one differs in that a device whose handshake is refused hears the alert.

use std::cell::RefCell;
use std::io::{self, BufRead, Write};
use std::task::Poll;

use ntex::io::{FilterBuf, FilterLayer};
use ntex::util::{Buf, BytePages, BytesMut};
use rustls::Error;
use rustls::server::ServerConnection;

/// One connection's TLS.
#[derive(Debug)]
pub(in crate::source::mqtt_listener) struct TlsLayer {
    session: RefCell<ServerConnection>,
    failure: RefCell<Option<Error>>,
}

impl TlsLayer {
    pub(super) fn new(mut session: ServerConnection) -> Self {
        // What is to be sent is bounded by the messages in flight, and moved on at once.
        session.set_buffer_limit(None);
        Self { session: RefCell::new(session), failure: RefCell::default() }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.borrow().is_handshaking()
    }

    /// Returns why the handshake failed.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone()
    }

    /// Deciphers all that came; true when the device said goodbye.
    fn decipher(&self, ciphered: &mut BytesMut, plain: &mut BytesMut) -> io::Result<bool> {
        let mut session = self.session.borrow_mut();
        while !ciphered.is_empty() {
            let mut rest: &[u8] = ciphered;
            let taken = session.read_tls(&mut rest)?;
            ciphered.advance(taken);
            let was_handshaking = session.is_handshaking();
            let state = match session.process_new_packets() {
                Ok(state) => state,
                Err(error) if was_handshaking => {
                    self.failure.replace(Some(error));
                    ciphered.clear();
                    return Ok(false);
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            };
            let mut waiting = state.plaintext_bytes_to_read();
            while waiting > 0 {
                let mut reader = session.reader();
                let chunk = reader.fill_buf()?;
                let length = chunk.len();
                plain.extend_from_slice(chunk);
                reader.consume(length);
                waiting = waiting.saturating_sub(length.max(1));
            }
            if state.peer_has_closed() {
                ciphered.clear();
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves what TLS has to say, be it ciphered content or its own, towards the socket.
    fn say(&self, towards_socket: &mut BytePages) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        while session.wants_write() {
            session.write_tls(&mut Pages(towards_socket))?;
        }
        Ok(())
    }
}

impl FilterLayer for TlsLayer {
    fn process_read_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
        let deciphered = buf.with_read_buffers(|ciphered, plain| match ciphered {
            Some(ciphered) => self.decipher(ciphered, plain),
            None => Ok(false),
        });
        // Also when that failed: what is to be said then is why.
        buf.with_write_buffers(|_, towards_socket| self.say(towards_socket))?;
        if deciphered? {
            buf.io().close();
        }
        Ok(())
    }

    fn process_write_buf(&self, buf: &FilterBuf<'_>) -> io::Result<()> {
        buf.with_write_buffers(|plain, towards_socket| {
            while let Some(page) = plain.take() {
                self.session.borrow_mut().writer().write_all(&page)?;
                self.say(towards_socket)?;
            }
            self.say(towards_socket)
        })
    }

    fn shutdown(&self, buf: &FilterBuf<'_>) -> io::Result<Poll<()>> {
        self.process_write_buf(buf)?;
        self.session.borrow_mut().send_close_notify();
        buf.with_write_buffers(|_, towards_socket| self.say(towards_socket))?;
        Ok(Poll::Ready(()))
    }
}

/// The library's pages as something to write to.
struct Pages<'a>(&'a mut BytePages);

impl Write for Pages<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

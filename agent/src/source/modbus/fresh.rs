//! A transport on which a question is never answered by what came before it.
//!
//! A slave that answers after its timeout would otherwise answer the next question, which on a serial line nothing
//! tells from the right answer.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A line that is never silent must not keep a question from being asked.
const MAX_STALE_READS: usize = 64;

/// Shares one transport among clients that follow each other.
#[derive(Debug)]
pub(super) struct Fresh<T>(Arc<Mutex<T>>);

impl<T> Fresh<T> {
    pub(super) fn new(transport: T) -> Self {
        Self(Arc::new(Mutex::new(transport)))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Fresh<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Fresh<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Fresh<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut transport = self.lock();
        for _ in 0..MAX_STALE_READS {
            let mut space = [0; 256];
            let mut stale = ReadBuf::new(&mut space);
            match Pin::new(&mut *transport).poll_read(cx, &mut stale) {
                Poll::Ready(Ok(())) if !stale.filled().is_empty() => {}
                // An end or an error shows itself again when the answer is read.
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
        Pin::new(&mut *transport).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_came_before_a_question_is_no_answer_to_it() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut fresh = Fresh::new(near);
        far.write_all(&[7; 600]).await.expect("room");
        fresh.write_all(b"?").await.expect("room");
        far.write_all(b"answer").await.expect("room");
        let mut answer = [0; 6];
        fresh.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"answer");
    }
}

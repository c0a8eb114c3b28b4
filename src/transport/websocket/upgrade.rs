//! The opening handshake (RFC 6455, section 4.1).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;

use super::Broken;
use crate::endpoint::Url;
use crate::transport::failure::{ConnectError, retry_after};

/// Asks for the upgrade, and returns the stream when it was granted. What the peer sent behind its answer is still in it.
pub(super) async fn upgrade<S>(url: &Url, stream: S) -> Result<S, ConnectError>
where
    S: AsyncBufRead + AsyncRead + AsyncWrite + Unpin,
{
    let answer = Answer { stream, line_is_empty: false, has_ended: false };
    match client_async(url.as_str(), answer).await {
        Ok((socket, _)) => Ok(socket.into_inner().stream),
        Err(Error::Http(response)) => Err(ConnectError::HttpStatus {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), SystemTime::now()),
        }),
        Err(error) => Err(ConnectError::Upgrade { source: broken(error) }),
    }
}

fn broken(error: Error) -> Broken {
    match error {
        Error::Io(error) => Broken::Lost(error),
        other => Broken::Violation(other.to_string()),
    }
}

/// Gives out the peer's answer and not a byte more, so that a frame that follows at once stays where it is.
struct Answer<S> {
    stream: S,
    line_is_empty: bool,
    has_ended: bool,
}

impl<S: AsyncBufRead + Unpin> AsyncRead for Answer<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Answer { stream, line_is_empty, has_ended } = &mut *self;
        if *has_ended {
            return Poll::Ready(Ok(()));
        }
        let input = ready!(Pin::new(&mut *stream).poll_fill_buf(cx))?;
        let mut taken = 0;
        for byte in input.iter().take(buf.remaining()) {
            taken += 1;
            match byte {
                b'\n' if *line_is_empty => {
                    *has_ended = true;
                    break;
                }
                b'\n' => *line_is_empty = true,
                b'\r' => {}
                _ => *line_is_empty = false,
            }
        }
        buf.put_slice(input.get(..taken).unwrap_or_default());
        Pin::new(stream).consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Answer<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

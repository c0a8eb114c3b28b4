//! A TCP stream whose writes cannot raise SIGPIPE.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Unacknowledged data for this long means that the connection is dead. Longer than a bad minute, and a
/// second line of defence behind the pings.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(60);

/// The standard library writes plain buffers with `send(MSG_NOSIGNAL)`, but vectored ones with `writev`, which
/// has no such flag: a peer's reset would then kill a host that has the default SIGPIPE disposition. So this
/// wrapper does not pass vectored writes on.
#[derive(Debug)]
pub(super) struct QuietStream(TcpStream);

impl QuietStream {
    pub(super) fn new(stream: TcpStream) -> QuietStream {
        // Both only tune: a socket that refuses them works, if less well.
        let _ = stream.set_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT));
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = SockRef::from(&stream).set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(UNACKNOWLEDGED_LIMIT));
        QuietStream(stream)
    }
}

impl AsyncRead for QuietStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for QuietStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

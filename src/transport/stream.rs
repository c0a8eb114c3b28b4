//! A stream socket whose writes cannot raise SIGPIPE.

use std::future::Future;
use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(unix)]
use socket2::Domain;
use socket2::{SockRef, Type};
#[cfg(any(target_os = "linux", target_os = "android"))]
use tokio::io::Interest;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// Unacknowledged data for this long means that the connection is dead. Longer than a bad minute, and a
/// second line of defence behind the pings.
const UNACKNOWLEDGED_LIMIT: Duration = Duration::from_secs(60);

/// The standard library writes plain buffers with `send(MSG_NOSIGNAL)`, but vectored ones with `writev`, which
/// has no such flag: a peer's reset would then kill a host that has the default SIGPIPE disposition. So this
/// wrapper does not pass vectored writes on; where it can, it makes one send of several TLS records by itself.
///
/// It reads ahead, too: rustls asks for 4 KiB at a time, and a burst of messages would take a system call for each.
#[derive(Debug)]
pub(crate) struct QuietStream {
    socket: Socket,
    ahead: Ahead,
}

/// What was read from the socket before it was asked for. Has memory only in a burst.
#[derive(Debug, Default)]
struct Ahead {
    bytes: Vec<u8>,
    /// So many of them were handed on.
    taken: usize,
    /// The latest read found as much as rustls asks for, or more: the next may, too.
    is_burst: bool,
}

/// Read ahead this much.
const AHEAD_BYTES: usize = 32 << 10;
/// What rustls asks for at a time.
const USUAL_BYTES: usize = 4 << 10;

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl QuietStream {
    pub(super) fn new(stream: TcpStream) -> QuietStream {
        // Both only tune: a socket that refuses them works, if less well.
        let _ = stream.set_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_LIMIT));
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = SockRef::from(&stream).set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(UNACKNOWLEDGED_LIMIT));
        Socket::Tcp(stream).into()
    }
}

#[cfg(unix)]
impl From<UnixStream> for QuietStream {
    fn from(stream: UnixStream) -> QuietStream {
        Socket::Unix(stream).into()
    }
}

impl From<Socket> for QuietStream {
    fn from(socket: Socket) -> QuietStream {
        QuietStream { socket, ahead: Ahead::default() }
    }
}

/// A socket that somebody else dialled: a connected stream socket, TCP or Unix.
impl TryFrom<socket2::Socket> for QuietStream {
    type Error = io::Error;

    fn try_from(socket: socket2::Socket) -> io::Result<QuietStream> {
        let unsuitable = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        if socket.r#type()? != Type::STREAM {
            return Err(unsuitable("it is not a stream socket"));
        }
        let peer = socket.peer_addr().map_err(|error| match error.kind() {
            io::ErrorKind::NotConnected => unsuitable("it is not connected"),
            _ => error,
        })?;
        socket.set_nonblocking(true)?;
        #[cfg(unix)]
        socket.set_cloexec(true)?;
        #[cfg(unix)]
        if peer.domain() == Domain::UNIX {
            return Ok(UnixStream::from_std(socket.into())?.into());
        }
        if !peer.is_ipv4() && !peer.is_ipv6() {
            return Err(unsuitable("it is neither a TCP nor a Unix socket"));
        }
        Ok(QuietStream::new(TcpStream::from_std(socket.into())?))
    }
}

/// With the flag, which the standard library gives for Unix sockets only since Rust 1.90, too.
#[cfg(any(target_os = "linux", target_os = "android"))]
impl Socket {
    fn poll_send(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            std::task::ready!(match self {
                Socket::Tcp(stream) => stream.poll_write_ready(cx),
                Socket::Unix(stream) => stream.poll_write_ready(cx),
            })?;
            let send = |socket: SockRef<'_>| socket.send_vectored_with_flags(bufs, libc::MSG_NOSIGNAL);
            let sent = match self {
                Socket::Tcp(stream) => stream.try_io(Interest::WRITABLE, || send(stream.into())),
                Socket::Unix(stream) => stream.try_io(Interest::WRITABLE, || send(stream.into())),
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for QuietStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let QuietStream { socket, ahead } = &mut *self;
        if ahead.taken == ahead.bytes.len() {
            if !ahead.is_burst {
                let before = buf.remaining();
                let read = Pin::new(socket).poll_read(cx, buf);
                ahead.is_burst = before - buf.remaining() >= USUAL_BYTES;
                return read;
            }
            ahead.bytes.reserve(AHEAD_BYTES);
            let read = pin!(socket.read_buf(&mut ahead.bytes)).poll(cx);
            if !matches!(read, Poll::Ready(Ok(1..))) {
                ahead.bytes = Vec::new();
                return read.map_ok(drop);
            }
            ahead.is_burst = ahead.bytes.len() >= USUAL_BYTES;
        }
        let rest = ahead.bytes.get(ahead.taken..).unwrap_or_default();
        let rest = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(rest);
        ahead.taken += rest.len();
        if ahead.taken == ahead.bytes.len() {
            (ahead.bytes, ahead.taken) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for QuietStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            socket @ Socket::Unix(_) => socket.poll_send(cx, &[IoSlice::new(buf)]),
            #[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(cx, bufs)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_tcp_socket_is_told_to_give_up_on_silence_and_not_to_gather() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let Socket::Tcp(stream) = QuietStream::new(stream).socket else { panic!("it is TCP") };
        assert!(stream.nodelay().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        assert_eq!(SockRef::from(&stream).tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED_LIMIT));
    }

    #[tokio::test]
    async fn a_burst_is_read_ahead_in_order_and_leaves_no_memory() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = QuietStream::new(stream);
        let (mut peer, _) = listener.accept().await.unwrap();
        let sent: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let to_send = sent.clone();
        let sending = tokio::spawn(async move {
            peer.write_all(&to_send).await.unwrap();
            peer
        });
        let (mut received, mut piece) = (Vec::new(), [0; 4096]);
        let mut ahead = 0;
        while received.len() < sent.len() {
            let count = stream.read(&mut piece).await.unwrap();
            received.extend_from_slice(&piece[..count]);
            ahead = ahead.max(stream.ahead.bytes.len());
        }
        assert!(received == sent && ahead > piece.len(), "{ahead}");
        // Nothing more comes: the next look finds that out.
        let nothing = std::future::poll_fn(|cx| {
            Poll::Ready(Pin::new(&mut stream).poll_read(cx, &mut ReadBuf::new(&mut piece)).is_pending())
        });
        assert!(nothing.await);
        assert_eq!(stream.ahead.bytes.capacity(), 0);
        drop(sending.await.unwrap());
        assert_eq!(stream.read(&mut piece).await.unwrap(), 0, "the end");
    }
}

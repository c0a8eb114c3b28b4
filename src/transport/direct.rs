//! From a name to a TCP connection: its addresses are asked for anew each time, and raced (RFC 8305, "happy
//! eyeballs"), so that a dead one costs a quarter of a second and not the whole deadline.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::authority;
use super::blocking::blocking;
use super::failure::{ConnectError, Unreached, no_answer};
use super::stream::QuietStream;
use super::trace::{Phase, Trace};

/// The next address gets its turn after this long without an answer (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// A name may have any number of addresses; more than this are not tried.
const MAX_ADDRESSES: usize = 16;

/// A connection to whichever address of the host takes one first. `limit` is for each of the two phases.
pub(super) async fn dial(
    host: &str,
    port: u16,
    limit: Duration,
    trace: &mut Trace,
) -> Result<QuietStream, ConnectError> {
    let addresses = trace.run(Phase::Resolve, host, Instant::now() + limit, resolve(host, port)).await?;
    let deadline = Instant::now() + limit;
    let peer = authority::join(host, port);
    let (address, stream) = trace.run(Phase::Tcp, &peer, deadline, race(addresses, deadline)).await?;
    trace.name_peer(address.to_string());
    Ok(QuietStream::new(stream))
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let failed = |source| ConnectError::Resolve { host: host.to_owned(), source };
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let name = host.to_owned();
    let look_up = move || (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
    let found: io::Result<Vec<SocketAddr>> = blocking(look_up).await.and_then(|found| found);
    let addresses = found.map_err(failed)?;
    if addresses.is_empty() {
        return Err(ConnectError::NoAddress { host: host.to_owned() });
    }
    Ok(interleave(&addresses))
}

/// IPv6 and IPv4 in turns, each in the resolver's order, and the resolver's first one first: if one family goes
/// nowhere, the second attempt is with the other.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv6() == first_family);
    let mut turns = Vec::with_capacity(addresses.len());
    let (mut first, mut second) = (first.drain(..), second.drain(..));
    while turns.len() < addresses.len() {
        turns.extend(first.next());
        turns.extend(second.next());
    }
    turns.truncate(MAX_ADDRESSES);
    turns
}

/// The first that connects wins, and the others are dropped. One that fails gives its turn to the next at once.
async fn race(addresses: Vec<SocketAddr>, deadline: Instant) -> Result<(SocketAddr, TcpStream), ConnectError> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        attempts.extend(waiting.next().map(|address| attempt(address, deadline)));
        let turn = if waiting.len() == 0 { deadline } else { deadline.min(Instant::now() + ATTEMPT_DELAY) };
        match timeout_at(turn, attempts.next()).await {
            Ok(Some((address, Ok(stream)))) => return Ok((address, stream)),
            Ok(Some((address, Err(error)))) => failures.push((address, error)),
            Ok(None) => return Err(ConnectError::Tcp(Unreached(failures))),
            // Those under way go on beside the next.
            Err(_) => {}
        }
    }
}

async fn attempt(address: SocketAddr, deadline: Instant) -> (SocketAddr, io::Result<TcpStream>) {
    let connected = timeout_at(deadline, TcpStream::connect(address)).await;
    (address, connected.unwrap_or_else(|_| Err(no_answer())))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;

    use super::*;

    /// Takes no connection and refuses none: its backlog is full, so the kernel drops what comes. Both ends of the
    /// connection that fills it belong to it.
    struct BlackHole {
        address: SocketAddr,
        _sockets: Vec<Socket>,
    }

    fn black_hole() -> BlackHole {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let first = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        first.connect(&address).unwrap();
        BlackHole { address: address.as_socket().unwrap(), _sockets: vec![listener, first] }
    }

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Bound so that nobody else gets the port, and not listening.
    fn refusing() -> (Socket, SocketAddr) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        (socket, address)
    }

    async fn raced(addresses: &[SocketAddr], limit: u64) -> (Result<SocketAddr, ConnectError>, Duration) {
        let start = Instant::now();
        let result = race(addresses.to_vec(), start + Duration::from_millis(limit)).await;
        (result.map(|(address, _)| address), start.elapsed())
    }

    #[tokio::test]
    async fn a_dead_address_costs_a_quarter_of_a_second() {
        let hole = black_hole();
        let (_listener, live) = listening().await;
        let (won, took) = raced(&[hole.address, live], 10_000).await;
        assert_eq!(won.unwrap(), live);
        assert!(took >= ATTEMPT_DELAY && took < Duration::from_millis(900), "{took:?}");
    }

    #[tokio::test]
    async fn an_address_that_refuses_costs_nothing() {
        let (_listener, live) = listening().await;
        // Nobody listens on the first, and where there is no IPv6, there is no way to it either.
        let broken = SocketAddr::from((Ipv6Addr::LOCALHOST, live.port()));
        let (_socket, refusing) = refusing();
        let (won, took) = raced(&[broken, refusing, live], 10_000).await;
        assert_eq!(won.unwrap(), live);
        assert!(took < ATTEMPT_DELAY, "{took:?}");
    }

    #[tokio::test]
    async fn a_slow_address_may_still_win_while_the_next_is_tried() {
        let hole = black_hole();
        let first = hole.address;
        let other = black_hole();
        let both = [first, other.address];
        let race = raced(&both, 10_000);
        // Accepting makes room: the first one's repeated SYN, after a second, gets its answer.
        let accept = async {
            tokio::time::sleep(ATTEMPT_DELAY * 2).await;
            hole._sockets[0].accept().unwrap()
        };
        let ((won, _), _accepted) = tokio::join!(race, accept);
        assert_eq!(won.unwrap(), first);
    }

    #[tokio::test]
    async fn when_all_fail_each_is_named_with_its_reason_and_the_deadline_holds() {
        let (hole, other) = (black_hole(), black_hole());
        let (_socket, refusing) = refusing();
        let (result, took) = raced(&[hole.address, refusing, other.address], 400).await;
        let error = result.unwrap_err();
        assert!(took >= Duration::from_millis(390) && took < Duration::from_millis(900), "{took:?}");
        assert!(error.is_timeout());
        let text = error.to_string();
        for part in [
            format!("to {} failed: no answer within connect.timeout", hole.address),
            format!("to {} failed: no answer within connect.timeout", other.address),
            format!("to {refusing} failed: Connection refused"),
        ] {
            assert!(text.contains(&part), "{text} should have {part}");
        }
    }

    #[tokio::test]
    async fn a_dial_leaves_its_steps_with_the_address_that_won() {
        let (_listener, live) = listening().await;
        let mut trace = Trace::default();
        dial("localhost", live.port(), Duration::from_secs(10), &mut trace).await.unwrap();
        let steps: Vec<_> = trace.steps().iter().map(|step| (step.phase, step.peer.clone())).collect();
        assert_eq!(steps, [(Phase::Resolve, "localhost".to_owned()), (Phase::Tcp, live.to_string())]);

        let error = dial("nowhere.invalid", 1, Duration::from_secs(10), &mut trace).await.unwrap_err();
        assert_eq!(error.phase(), Phase::Resolve);
        assert!(error.to_string().contains("nowhere.invalid"), "{error}");
        assert!(trace.steps()[2].failure.is_some());
    }

    #[test]
    fn families_take_turns_in_the_resolvers_order() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let (a6, b6, c6) = (address("[2001:db8::a]:1"), address("[2001:db8::b]:1"), address("[2001:db8::c]:1"));
        let (a4, b4) = (address("192.0.2.1:1"), address("192.0.2.2:1"));
        assert_eq!(interleave(&[a6, b6, c6, a4, b4]), [a6, a4, b6, b4, c6]);
        assert_eq!(interleave(&[a4, a6, b6]), [a4, a6, b6]);
        assert_eq!(interleave(&[a4, b4]), [a4, b4]);
        assert_eq!(interleave(&[]), []);
        assert_eq!(interleave(&[a4; 99]).len(), MAX_ADDRESSES);
    }
}

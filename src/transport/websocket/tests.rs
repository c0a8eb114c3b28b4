//! Beside tungstenite: what one sends, the other reads, and both refuse the same.

use std::future::poll_fn;
use std::io::Cursor;
use std::task::Poll;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::incoming::Incoming as Reader;
use super::*;

const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// A message as both implementations tell of it. Pings are answered and not told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Text(String),
    Binary(Vec<u8>),
    Pong,
    Closed(u16),
}

impl Told {
    fn by_us(incoming: &Incoming<'_>) -> Told {
        match incoming {
            Incoming::Text(text) => Told::Text((*text).to_owned()),
            Incoming::Binary(bytes) => Told::Binary(bytes.to_vec()),
            Incoming::Pong => Told::Pong,
            Incoming::Closed { code, .. } => Told::Closed(*code),
        }
    }
}

fn frame(opcode: OpCode, is_last: bool, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let header = FrameHeader { is_final: is_last, opcode, ..FrameHeader::default() };
    Frame::from_payload(header, content.to_vec().into()).format(&mut bytes).unwrap();
    bytes
}

/// Frames of some messages, and what is to be told of them.
fn frames(random: &mut fastrand::Rng) -> (Vec<u8>, Vec<Told>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    let ping = |random: &mut fastrand::Rng| frame(OpCode::Control(Control::Ping), true, &vec![7; random.usize(..=125)]);
    for _ in 0..random.usize(1..8) {
        let length = *random.choice(&[0, 1, 125, 126, 500, 65_535, 65_536, 70_000]).unwrap();
        let text: String = (0..length).map(|_| random.alphanumeric()).collect();
        match random.u8(..4) {
            0 => bytes.extend(ping(random)),
            1 => {
                bytes.extend(frame(OpCode::Control(Control::Pong), true, b""));
                expected.push(Told::Pong);
            }
            kind => {
                let mut opcode = OpCode::Data(if kind == 2 { Data::Text } else { Data::Binary });
                let mut rest = text.as_bytes();
                while random.bool() {
                    let (fragment, behind) = rest.split_at(random.usize(..=rest.len()));
                    bytes.extend(frame(opcode, false, fragment));
                    if random.bool() {
                        bytes.extend(ping(random));
                    }
                    (opcode, rest) = (OpCode::Data(Data::Continue), behind);
                }
                bytes.extend(frame(opcode, true, rest));
                expected.push(if kind == 2 { Told::Text(text) } else { Told::Binary(text.into()) });
            }
        }
    }
    (bytes, expected)
}

/// All that we read, and whether it ends in an error.
async fn read_by_us(bytes: &[u8]) -> (Vec<Told>, bool) {
    let mut socket = WebSocket::new(BufReader::new(Cursor::new(bytes.to_vec())), MAX_MESSAGE_BYTES);
    let mut told = Vec::new();
    loop {
        let next = poll_fn(|cx| socket.poll_receive(cx).map(|next| next.map(|incoming| Told::by_us(&incoming)))).await;
        match next {
            Ok(closed @ Told::Closed(_)) => return ([told, vec![closed]].concat(), false),
            Ok(next) => told.push(next),
            Err(Broken::Lost(_)) => return (told, false),
            Err(_) => return (told, true),
        }
    }
}

/// `None` where it has found a text not to be UTF-8: it does that before it has the last fragment.
async fn read_by_the_other(bytes: &[u8]) -> Option<(Vec<Told>, bool)> {
    use tokio_tungstenite::tungstenite::Error;
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES)).max_frame_size(Some(MAX_MESSAGE_BYTES));
    let stream = BufReader::new(Cursor::new(bytes.to_vec()));
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
    let mut told = Vec::new();
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => told.push(Told::Text(text.to_string())),
            Some(Ok(Message::Binary(bytes))) => told.push(Told::Binary(bytes.to_vec())),
            Some(Ok(Message::Pong(_))) => told.push(Told::Pong),
            // It lets a code pass that nobody may send, as another one.
            Some(Ok(Message::Close(Some(close)))) if close.reason == "Protocol violation" => return Some((told, true)),
            Some(Ok(Message::Close(close))) => {
                told.push(Told::Closed(close.map_or(1005, |close| close.code.into())));
                return Some((told, false));
            }
            Some(Ok(_)) => {}
            None | Some(Err(Error::Io(_) | Error::ConnectionClosed)) => return Some((told, false)),
            Some(Err(Error::Protocol(how))) if how.to_string().contains("without closing handshake") => {
                return Some((told, false));
            }
            Some(Err(Error::Utf8(_))) => return None,
            Some(Err(_)) => return Some((told, true)),
        }
    }
}

#[test]
fn messages_are_found_wherever_their_bytes_are_cut() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (bytes, expected) = frames(&mut random);
        let mut reader = Reader::new(MAX_MESSAGE_BYTES);
        let (mut told, mut rest, mut seen) = (Vec::new(), &bytes[..], 0);
        while !rest.is_empty() {
            // The reader may leave bytes behind a message, and is then given them again, and more.
            seen = rest.len().min(seen.max(random.usize(1..20) * random.usize(1..2_000)));
            let (used, message) = reader.read(&rest[..seen]).unwrap();
            assert!(used > 0 && used <= seen);
            let content = |content| match content {
                Content::Input(range) => rest[range].to_vec(),
                Content::Joined(bytes) => bytes,
            };
            match message.map(|(kind, place)| (kind, content(place))) {
                Some((Kind::Text, content)) => told.push(Told::Text(String::from_utf8(content).unwrap())),
                Some((Kind::Binary, content)) => told.push(Told::Binary(content)),
                Some((Kind::Pong, _)) => told.push(Told::Pong),
                Some((Kind::Ping, content)) => assert!(content.iter().all(|byte| *byte == 7)),
                Some((Kind::Close, _)) => panic!("nobody closes"),
                None => {}
            }
            (rest, seen) = (&rest[used..], seen - used);
        }
        assert!(told == expected, "seed {seed}");
    }
}

#[tokio::test]
async fn another_implementation_agrees_on_what_is_refused() {
    let (mut refused, mut early) = (0, 0);
    for seed in 0..20_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = frame(OpCode::Data(Data::Text), random.bool(), "é☂".as_bytes());
        for _ in 0..random.usize(..4) {
            let opcode = *random.choice(&[Data::Text, Data::Binary, Data::Continue]).unwrap();
            bytes.extend(frame(OpCode::Data(opcode), random.bool(), b"content"));
            bytes.extend(frame(OpCode::Control(Control::Ping), true, b"?"));
        }
        let code = *random.choice(&[1000, 1001, 1004, 1005, 1006, 1011, 1015, 1016, 2999, 3000, 5000, 0]).unwrap();
        bytes.extend(frame(OpCode::Control(Control::Close), true, &u16::to_be_bytes(code)));
        for _ in 0..random.usize(..3) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        // It refuses a mask only when the whole frame is there, which a long one will not be.
        bytes.extend([0; 300]);
        let Some(theirs) = read_by_the_other(&bytes).await else { continue };
        let ours = read_by_us(&bytes).await;
        // It does not know that one, which was registered later than the others.
        if ours.0.last() == Some(&Told::Closed(1014)) {
            continue;
        }
        let is_early = ours.1 && !theirs.1;
        assert!(ours.0 == theirs.0 && (ours.1 == theirs.1 || is_early), "seed {seed}: {bytes:?} {ours:?} {theirs:?}");
        early += usize::from(is_early);
        refused += usize::from(ours.1);
    }
    assert!((5_000..19_000).contains(&refused) && early < 100, "{refused} {early}");
}

#[tokio::test]
async fn each_violation_is_named() {
    for (bytes, expected) in [
        (&[0xc1, 0][..], "a reserved bit is set"),
        (&[0x91, 0], "a reserved bit is set"),
        (&[0x83, 0], "an unknown opcode"),
        (&[0x8b, 0], "an unknown opcode"),
        (&[0x81, 0x80, 0, 0, 0, 0], "a server's frame is masked"),
        (&[0x80, 0], "a fragment of no message"),
        (&[0x01, 0, 0x81, 0], "a message begins within another"),
        (&[0x09, 0], "a control frame is too long or in fragments"),
        (&[0x89, 126, 0, 126], "a control frame is too long or in fragments"),
        (&[0x88, 1, 3], "a close frame of one byte"),
        (&[0x88, 2, 3, 237], "a close code that nobody may send"),
        (&[0x88, 3, 3, 232, 0xff], "text that is not UTF-8"),
        (&[0x81, 1, 0xff], "text that is not UTF-8"),
        (&[0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1], "message over the limit"),
        (&[0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "message over the limit"),
        (&[0x02, 1, 0, 0x80, 127, 0, 0, 0, 0, 0, 0x10, 0, 0], "message over the limit"),
    ] {
        let mut socket = WebSocket::new(BufReader::new(Cursor::new(bytes.to_vec())), MAX_MESSAGE_BYTES);
        let broken = poll_fn(|cx| socket.poll_receive(cx).map(|next| next.unwrap_err())).await;
        assert_eq!(broken.to_string(), expected, "{bytes:?}");
    }
}

/// Ours, over a buffer of so many bytes, and tungstenite's as the server.
async fn pair(bytes: usize) -> (WebSocket<BufReader<DuplexStream>>, WebSocketStream<DuplexStream>) {
    let (ours, theirs) = duplex(bytes);
    let theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
    (WebSocket::new(BufReader::new(ours), MAX_MESSAGE_BYTES), theirs)
}

#[tokio::test]
async fn another_implementation_reads_what_is_sent() {
    let (mut ours, mut theirs) = pair(100_000).await;
    let lengths =
        [0, 1, 7, 8, 9, 125, 126, 65_535, 65_536, FRAGMENT_BYTES, FRAGMENT_BYTES + 1, 3 * FRAGMENT_BYTES + 5, 2];
    let text = |length: usize| (0..length).map(|at| char::from(b'a' + (at % 26) as u8)).collect::<String>();
    let sending = async {
        for length in lengths {
            poll_fn(|cx| ours.poll_ready(cx)).await.unwrap();
            ours.send_text(text(length)).unwrap();
            while ours.has_fragments() {
                poll_fn(|cx| ours.poll_ready(cx)).await.unwrap();
                ours.send_ping().unwrap();
                ours.send_fragment().unwrap();
            }
        }
        ours.send_close(1001).unwrap();
        poll_fn(|cx| ours.poll_flush(cx)).await.unwrap();
    };
    let reading = async {
        let mut pings = 0;
        for length in lengths {
            let read = loop {
                match theirs.next().await.unwrap().unwrap() {
                    Message::Ping(_) => pings += 1,
                    read => break read,
                }
            };
            assert!(read == Message::text(text(length)), "{length}");
        }
        let Some(Ok(Message::Close(Some(close)))) = theirs.next().await else { panic!("the close frame is next") };
        assert_eq!((u16::from(close.code), pings), (1001, 4));
    };
    tokio::join!(sending, reading);
    assert_eq!(ours.outgoing.rest(), b"");
}

#[tokio::test]
async fn the_latest_ping_is_answered_and_a_peer_that_does_not_read_makes_nothing_grow() {
    let (mut ours, mut theirs) = pair(1_000).await;
    let mut next = async |content: &'static [u8]| {
        theirs.send(Message::Ping(Bytes::from_static(content))).await.unwrap();
        let pending = poll_fn(|cx| Poll::Ready(ours.poll_receive(cx).is_pending())).await;
        assert!(pending);
    };
    next(b"first").await;
    next(b"second").await;
    poll_fn(|cx| ours.poll_flush(cx)).await.unwrap();
    assert!(matches!(theirs.next().await, Some(Ok(Message::Pong(content))) if content == "second"));

    for _ in 0..10_000 {
        theirs.send(Message::Ping(Bytes::from_static(&[1; 100]))).await.unwrap();
        let flushed = poll_fn(|cx| {
            assert!(ours.poll_receive(cx).is_pending());
            Poll::Ready(ours.poll_flush(cx))
        });
        assert!(!matches!(flushed.await, Poll::Ready(Err(_))));
    }
    let waiting = ours.outgoing.rest().len();
    assert!((WRITE_BYTES..WRITE_BYTES + 200).contains(&waiting), "{waiting}");
}

#[tokio::test]
async fn a_close_frame_is_answered_once_and_is_the_last() {
    let (mut ours, mut theirs) = pair(1_000).await;
    theirs.close(Some(CloseFrame { code: CloseCode::Away, reason: "done".into() })).await.unwrap();
    let told = poll_fn(|cx| ours.poll_receive(cx).map(|next| Told::by_us(&next.unwrap()))).await;
    assert_eq!(told, Told::Closed(1001));
    ours.send_close(1000).unwrap();
    ours.send_text("late").unwrap();
    ours.send_ping().unwrap();
    poll_fn(|cx| ours.poll_flush(cx)).await.unwrap();
    let answer = theirs.next().await;
    assert!(matches!(&answer, Some(Ok(Message::Close(Some(close)))) if u16::from(close.code) == 1001), "{answer:?}");
    let mut stream = theirs.into_inner();
    stream.write_all(&frame(OpCode::Data(Data::Text), true, b"late")).await.unwrap();
    let late = poll_fn(|cx| ours.poll_receive(cx).map(|next| next.unwrap_err())).await;
    assert_eq!(late.to_string(), "something follows the close frame");
    drop(ours);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
}

/// A frame may come in one piece with the answer to the handshake, or behind any part of it.
#[tokio::test]
async fn what_comes_right_behind_the_upgrade_is_not_lost() {
    for cut in [0, 1, 3, 50, 1_000] {
        let (ours, mut theirs) = duplex(10_000);
        let serving = async {
            let mut request = vec![0; 4_000];
            let mut length = 0;
            while !request[..length].ends_with(b"\r\n\r\n") {
                length += theirs.read(&mut request[length..]).await.unwrap();
            }
            let request = String::from_utf8(request[..length].to_vec()).unwrap();
            let key = request.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
            let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket";
            let mut answer = format!("{head}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes();
            let end = answer.len();
            answer.extend(frame(OpCode::Data(Data::Text), true, b"at once"));
            let (first, second) = answer.split_at((end - 3 + cut).min(answer.len()));
            theirs.write_all(first).await.unwrap();
            tokio::task::yield_now().await;
            theirs.write_all(second).await.unwrap();
            theirs
        };
        let url = "wss://h.example.com/nbwss".parse().unwrap();
        let (stream, _theirs) = tokio::join!(upgrade::upgrade(&url, BufReader::new(ours)), serving);
        let mut socket = WebSocket::new(stream.unwrap(), MAX_MESSAGE_BYTES);
        let told = poll_fn(|cx| socket.poll_receive(cx).map(|next| Told::by_us(&next.unwrap()))).await;
        assert_eq!(told, Told::Text("at once".to_owned()), "{cut}");
    }
}

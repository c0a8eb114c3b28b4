//! Bodies, both ways: a request's is there as a whole, a response's is read up to its limit.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::failure::Failure;

/// A body goes out in pieces of this size: HTTP below us buffers some pieces, and would buffer all of one.
const PIECE_BYTES: usize = 16 << 10;
/// Room made for a response's body before any of it is there, whatever its announced length.
const FIRST_BYTES: u64 = 64 << 10;

/// What is left to send of a request's body.
pub(super) struct RequestBody(Bytes);

impl RequestBody {
    pub(super) fn new(body: &str) -> RequestBody {
        RequestBody(Bytes::copy_from_slice(body.as_bytes()))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let size = self.0.len().min(PIECE_BYTES);
        Poll::Ready((size > 0).then(|| Ok(Frame::data(self.0.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// The response's body, or none where the server sent no byte of one. Trailers are read and not kept.
pub(super) async fn read(mut body: Incoming, max: usize) -> Result<Option<Vec<u8>>, Failure> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > max) {
        return Err(Failure::TooLarge(max));
    }
    let mut bytes = Vec::with_capacity(announced.min(FIRST_BYTES) as usize);
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(Failure::Http)?;
        let Some(data) = frame.data_ref() else { continue };
        if data.len() > max - bytes.len() {
            return Err(Failure::TooLarge(max));
        }
        bytes.extend_from_slice(data);
    }
    Ok((!bytes.is_empty()).then_some(bytes))
}

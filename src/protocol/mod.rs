//! The messages of the NBWSS protocol: decoding what an endpoint sends, encoding what a connector sends.
//!
//! One JSON object per WebSocket message (guide topic "WebSocket message format"). Reading is liberal: any key
//! order, unknown keys ignored, any id up to [`MAX_ID_BYTES`]. Writing has exactly the keys and the order of
//! the published examples. This room knows no socket, no clock and no thread.

mod command;
mod decode;
mod encode;
mod json;
pub mod notification;
mod reader;
mod uri;

pub(crate) use command::is_header_name;
pub use command::{BadCommand, CommandRequest, Header, MAX_HEADERS, Response, ResponseError};
pub use decode::{Message, Undecodable, decode};
pub use encode::{ResponseFormat, command_response, connect_request, error_response, notification_request};
pub(crate) use json::nests_deeper;
/// An encoded message, shared and not copied where it is both sent and kept.
pub use tokio_tungstenite::tungstenite::Utf8Bytes as Text;
pub use uri::{BadUri, MAX_URI_BYTES, normal_uri};

/// The one version there is.
pub const VERSION: &str = "1.0";

/// Longest message id that is taken. The guides only ever show UUIDs (36 bytes) but do not forbid others.
pub const MAX_ID_BYTES: usize = 128;

/// A fresh message id: a random UUID in upper case, as in every published example.
pub fn new_id() -> String {
    let mut buffer = uuid::Uuid::encode_buffer();
    uuid::Uuid::new_v4().hyphenated().encode_upper(&mut buffer).to_owned()
}

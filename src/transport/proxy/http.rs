//! HTTP CONNECT. A library parses the answer; afterwards the socket is a plain one again.

use data_encoding::BASE64;
use futures_util::future::try_join;
use hyper::client::conn::http1::Builder;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use zeroize::Zeroizing;

use super::{Login, ProxyError};
use crate::transport::QuietStream;

/// Largest head of an answer: status line and headers.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Has the proxy connect to the target, `host:port`.
pub(super) async fn open(stream: QuietStream, target: &str, login: Option<&Login>) -> Result<QuietStream, ProxyError> {
    let mut request = Request::new(String::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = target.parse().map_err(|_| ProxyError::Name)?;
    let host = HeaderValue::from_str(target).map_err(|_| ProxyError::Name)?;
    request.headers_mut().insert(HOST, host);
    if let Some(login) = login {
        request.headers_mut().insert(PROXY_AUTHORIZATION, basic(login)?);
    }
    let (mut sender, connection) = Builder::new()
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ProxyError::Exchange)?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(no_answer)?;
        match answer.status().as_u16() {
            200..300 => Ok(()),
            // Some proxies answer 401 where 407 is meant.
            401 | 407 => Err(if login.is_some() { ProxyError::LoginRefused } else { ProxyError::LoginMissing }),
            status => Err(ProxyError::Http { status }),
        }
    };
    let handed_over = async { connection.without_shutdown().await.map_err(ProxyError::Exchange) };
    let ((), parts) = try_join(answered, handed_over).await?;
    // The endpoint says nothing before our first TLS message, so these would be the proxy's own.
    if !parts.read_buf.is_empty() {
        return Err(ProxyError::EarlyBytes);
    }
    Ok(parts.io.into_inner())
}

fn basic(login: &Login) -> Result<HeaderValue, ProxyError> {
    let pair = Zeroizing::new([login.user.as_bytes(), b":", login.password.expose().as_bytes()].concat());
    let value = Zeroizing::new(format!("Basic {}", BASE64.encode(&pair)));
    let mut value = HeaderValue::from_str(&value).map_err(|_| ProxyError::LoginRefused)?;
    value.set_sensitive(true);
    Ok(value)
}

fn no_answer(error: hyper::Error) -> ProxyError {
    if error.is_parse() {
        ProxyError::NotHttp(error)
    } else if error.is_incomplete_message() {
        ProxyError::Closed
    } else {
        ProxyError::Exchange(error)
    }
}

pub(super) fn meaning(status: u16) -> &'static str {
    match status {
        300..400 => " (redirects are not followed)",
        403 => ": its rules do not allow this connection",
        405 | 501 => ": it does not know CONNECT",
        502 => ": it cannot reach the endpoint",
        503 => ": it is overloaded, or cannot find or reach the endpoint",
        504 => ": the endpoint did not answer it in time",
        _ => "",
    }
}

//! SOCKS5 (RFC 1928) with a user name and password (RFC 1929). Every message says how long it is, so no byte beyond
//! the proxy's last one is read here.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zeroize::Zeroizing;

use super::{Login, ProxyError};
use crate::transport::QuietStream;

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;

const NO_LOGIN: u8 = 0;
const WITH_LOGIN: u8 = 2;
const NO_METHOD: u8 = 0xff;

const CONNECT: u8 = 1;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Has the proxy connect to the host. It resolves the name, too.
pub(super) async fn open(
    mut stream: QuietStream,
    host: &str,
    port: u16,
    login: Option<&Login>,
) -> Result<QuietStream, ProxyError> {
    let offer: &[u8] = if login.is_some() { &[VERSION, 2, NO_LOGIN, WITH_LOGIN] } else { &[VERSION, 1, NO_LOGIN] };
    stream.write_all(offer).await.map_err(ProxyError::Io)?;
    let [version, method] = read(&mut stream).await?;
    match (version, method, login) {
        (VERSION, NO_LOGIN, _) => {}
        (VERSION, WITH_LOGIN, Some(login)) => log_in(&mut stream, login).await?,
        (VERSION, NO_METHOD, Some(_)) => return Err(ProxyError::LoginUnsupported),
        (VERSION, NO_METHOD, None) => return Err(ProxyError::LoginMissing),
        _ => return Err(ProxyError::NotSocks),
    }

    stream.write_all(&request(host, port)?).await.map_err(ProxyError::Io)?;
    let [version, reply, _reserved, kind] = read(&mut stream).await?;
    if version != VERSION {
        return Err(ProxyError::NotSocks);
    }
    if reply != 0 {
        return Err(ProxyError::Socks { reply });
    }
    // The address that the proxy dialled from, which is of no use here, and its port.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => read::<1>(&mut stream).await?[0].into(),
        _ => return Err(ProxyError::NotSocks),
    };
    for _ in 0..length + 2 {
        read::<1>(&mut stream).await?;
    }
    Ok(stream)
}

async fn log_in(stream: &mut QuietStream, login: &Login) -> Result<(), ProxyError> {
    let (user, password) = (login.user.as_bytes(), login.password.expose().as_bytes());
    let (Ok(user_length), Ok(password_length)) = (u8::try_from(user.len()), u8::try_from(password.len())) else {
        return Err(ProxyError::LoginRefused);
    };
    let message = [&[LOGIN_VERSION, user_length], user, &[password_length], password].concat();
    stream.write_all(&Zeroizing::new(message)).await.map_err(ProxyError::Io)?;
    match read(stream).await? {
        [LOGIN_VERSION, 0] => Ok(()),
        [LOGIN_VERSION, _] => Err(ProxyError::LoginRefused),
        _ => Err(ProxyError::NotSocks),
    }
}

fn request(host: &str, port: u16) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| ProxyError::Name)?;
            request.extend([NAME, length]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

async fn read<const N: usize>(stream: &mut QuietStream) -> Result<[u8; N], ProxyError> {
    let mut bytes = [0; N];
    match stream.read_exact(&mut bytes).await {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ProxyError::Closed),
        Err(error) => Err(ProxyError::Io(error)),
    }
}

pub(super) fn meaning(reply: u8) -> &'static str {
    match reply {
        1 => "it failed in general",
        2 => "its rules do not allow this connection",
        3 => "the endpoint's network cannot be reached from it",
        4 => "the endpoint's host cannot be found or reached from it",
        5 => "the endpoint refused its connection",
        6 => "the way to the endpoint is too long (TTL expired)",
        7 => "it does not know CONNECT",
        8 => "it does not know this kind of address",
        _ => "an unknown code",
    }
}

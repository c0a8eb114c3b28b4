//! What the application leaves in its directory: the CA, its own certificate and key, the endpoint details.
//! Each file appears whole under its name or not at all, so a harness can wait for `endpoint.json`.

use crate::certs::Certificates;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

const CA: &str = "ca.pem";
const CHAIN: &str = "server.pem";
const KEY: &str = "server.key";
const ENDPOINT: &str = "endpoint.json";

#[derive(Clone, Copy)]
enum Readers {
    Anyone,
    OwnerOnly,
}

pub fn save_certificates(dir: &Path, certificates: &Certificates) -> Result<(), String> {
    write(dir, CA, &certificates.ca_pem, Readers::Anyone)?;
    write(dir, CHAIN, &certificates.chain_pem, Readers::Anyone)?;
    write(dir, KEY, &certificates.key_pem, Readers::OwnerOnly)
}

pub fn load_certificates(dir: &Path) -> Result<Certificates, String> {
    Certificates::from_pem(read(dir, CA)?, read(dir, CHAIN)?, read(dir, KEY)?)
}

/// Written last: whoever sees it can connect, and finds the CA beside it.
pub fn save_endpoint(dir: &Path, details: &str) -> Result<(), String> {
    write(dir, ENDPOINT, details, Readers::OwnerOnly)
}

fn read(dir: &Path, name: &str) -> Result<String, String> {
    let path = dir.join(name);
    fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))
}

fn write(dir: &Path, name: &str, text: &str, readers: Readers) -> Result<(), String> {
    let path = dir.join(name);
    let temporary = dir.join(format!(".{name}.{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if let Readers::OwnerOnly = readers {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options
        .open(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&temporary, &path))
        .map_err(|why| format!("{}: {why}", path.display()))
}

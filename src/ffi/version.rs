//! Which version this is, and whether a host's header fits it.

use std::ffi::{CStr, c_char};

use super::boundary;
use super::status::nbwss_status;
use crate::error::Error;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const VERSION_FOR_C: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The library's version, for example `"0.1.0"`. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn nbwss_version() -> *const c_char {
    CStr::from_bytes_with_nul(VERSION_FOR_C.as_bytes()).unwrap_or(c"").as_ptr()
}

/// Whether a host compiled with the header of this version may use the library: the same major version (for
/// 0.x the same minor version), and not a newer minor version. Call it as `nbwss_check_compat()`.
///
/// Returns `NBWSS_OK` or `NBWSS_INCOMPATIBLE`.
#[unsafe(no_mangle)]
pub extern "C" fn nbwss_check_compat_version(major: u32, minor: u32, patch: u32) -> nbwss_status {
    boundary::call(|| {
        let part = |text: &str| text.parse().unwrap_or(0);
        let ours = (part(env!("CARGO_PKG_VERSION_MAJOR")), part(env!("CARGO_PKG_VERSION_MINOR")));
        let fits = major == ours.0 && minor <= ours.1 && (major > 0 || minor == ours.1);
        if fits {
            Ok(())
        } else {
            Err(Error::Incompatible { header: format!("{major}.{minor}.{patch}"), library: VERSION })
        }
    })
}

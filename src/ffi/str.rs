//! Text across the boundary: a pointer and a length.

use std::ffi::{CStr, c_char};

use crate::error::Error;

/// Text (UTF-8) or, for bodies, bytes: a pointer and a length in bytes. It need not end in NUL.
///
/// As an argument it is only read during the call; `ptr` may be NULL only together with `len` 0. As a result
/// it is borrowed, for as long as the function says. This struct never grows.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct nbwss_str {
    /// First byte.
    pub ptr: *const c_char,
    /// Number of bytes.
    pub len: usize,
}

impl nbwss_str {
    pub(super) fn borrow(text: &str) -> nbwss_str {
        nbwss_str { ptr: text.as_ptr().cast(), len: text.len() }
    }

    pub(super) const fn literal(text: &'static CStr) -> nbwss_str {
        nbwss_str { ptr: text.as_ptr(), len: text.count_bytes() }
    }

    pub(super) const fn absent() -> nbwss_str {
        nbwss_str { ptr: std::ptr::null(), len: 0 }
    }

    /// # Safety
    /// `ptr` is NULL, or `len` bytes behind it are readable and unchanged for `'a`.
    pub(super) unsafe fn bytes<'a>(self, argument: &'static str) -> Result<&'a [u8], Error> {
        let invalid = |why: &str| Error::InvalidArgument { argument, why: why.to_owned() };
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.ptr.is_null() {
            return Err(invalid("is NULL with a length that is not 0"));
        }
        if isize::try_from(self.len).is_err() {
            return Err(invalid("has a length that no memory has"));
        }
        // SAFETY: not NULL, within the bounds of a slice, readable by the caller's promise.
        Ok(unsafe { std::slice::from_raw_parts(self.ptr.cast(), self.len) })
    }

    /// # Safety
    /// As for [`nbwss_str::bytes`].
    pub(super) unsafe fn text<'a>(self, argument: &'static str) -> Result<&'a str, Error> {
        // SAFETY: the caller's promise.
        let bytes = unsafe { self.bytes(argument) }?;
        std::str::from_utf8(bytes).map_err(|error| Error::InvalidArgument {
            argument,
            why: format!("is not UTF-8 at byte {}", error.valid_up_to()),
        })
    }
}

//! The words for a thread's last failed call.

use std::cell::RefCell;

use super::str::nbwss_str;
use crate::error::{Error, with_causes};

thread_local! {
    /// Ends in NUL, which does not count towards the length that C sees.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps the error's text and those of its causes.
pub(super) fn set(error: &Error) {
    let mut text = with_causes(error).replace('\0', "\u{fffd}");
    text.push('\0');
    // A thread that is ending has nobody left to tell.
    let _ = LAST.try_with(|last| *last.borrow_mut() = text);
}

/// Why this thread's last failed call failed: which argument, field or key, what is wrong with it and what
/// would be right, followed by the causes. Empty if no call failed. Never holds a secret.
///
/// The text ends in NUL and is borrowed until this thread's next call that fails. Calls that succeed leave it.
#[unsafe(no_mangle)]
pub extern "C" fn nbwss_last_error() -> nbwss_str {
    LAST.try_with(|last| {
        let last = last.borrow();
        match last.strip_suffix('\0') {
            Some(text) => nbwss_str::borrow(text),
            None => nbwss_str::literal(c""),
        }
    })
    .unwrap_or(nbwss_str::literal(c""))
}

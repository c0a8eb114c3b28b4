//! A panic is a bug of ours that must not become the host's: it is caught at the nearest boundary, and its
//! text goes to the host's log instead of standard error.

use std::any::Any;
use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Replaces the printing panic hook once. The shared library carries its own copy of the standard library,
/// so a Rust host's hook is not touched.
pub(crate) fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let text = info.to_string();
            LAST.set(Some(text));
        }));
    });
}

/// What the last panic on this thread said, where the hook is ours.
pub(crate) fn last() -> Option<String> {
    LAST.take()
}

/// The same, falling back on the panic's payload where the hook is not ours.
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> String {
    last().unwrap_or_else(|| {
        payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic without a text".to_owned())
    })
}

//! `nbwss_options`: settings and callbacks, collected before a connector is made from them.

use std::ffi::c_void;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::boundary;
use super::callback::{
    Callback, Callbacks, nbwss_audit_callback, nbwss_cancel_callback, nbwss_delivery_callback, nbwss_destructor,
    nbwss_dial_callback, nbwss_event_callback, nbwss_log_callback, nbwss_request_callback, nbwss_store_key_callback,
};
use super::handle::{self, opaque};
use super::ptr::Out;
use super::status::nbwss_status;
use super::str::nbwss_str;
use crate::endpoint::StoreKey;
use crate::error::Error;
use crate::properties;
use crate::settings::Settings;

/// Settings and callbacks for connectors. May be used from several threads, and freed as soon as the
/// connectors are made.
pub struct nbwss_options {
    _private: [u8; 0],
}

opaque!(nbwss_options, Options, Options, "options");

#[derive(Default)]
pub(super) struct Options(Mutex<Chosen>);

#[derive(Default)]
struct Chosen {
    settings: Settings,
    callbacks: Callbacks,
    /// The unknown keys of the file that was loaded last, for the host to read.
    unknown_keys: String,
}

impl Options {
    fn lock(&self) -> MutexGuard<'_, Chosen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn copy(&self) -> (Settings, Callbacks) {
        let chosen = self.lock();
        (chosen.settings.clone(), chosen.callbacks.clone())
    }
}

/// Makes options with every setting at its default and no callbacks.
///
/// `*options` is to be freed with `nbwss_options_free`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_new(options: *mut *mut nbwss_options) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: a place for the handle, by the header.
        let out = unsafe { Out::new("options", options) }?;
        out.set(handle::insert::<nbwss_options>(Arc::default())?);
        Ok(())
    })
}

/// Changes one setting, given as text. share/doc/nbwss/settings.md lists all keys; those of `nbwss.properties` are among
/// them. White space around the value counts for nothing, but in text, secrets and paths it belongs to them.
///
/// Returns `NBWSS_UNKNOWN_KEY` or `NBWSS_INVALID_VALUE`; the last error names key, value and bounds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_set_n(
    options: *mut nbwss_options,
    key: nbwss_str,
    value: nbwss_str,
) -> nbwss_status {
    boundary::call(|| {
        let options = handle::get(options)?;
        // SAFETY: readable text, by the header.
        let (key, value) = unsafe { (key.text("key")?, value.text("value")?) };
        options.lock().settings.set(key, value)
    })
}

/// Changes one setting that is a number. Otherwise as `nbwss_options_set_n`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_set_int_n(
    options: *mut nbwss_options,
    key: nbwss_str,
    value: i64,
) -> nbwss_status {
    boundary::call(|| {
        let options = handle::get(options)?;
        // SAFETY: readable text, by the header.
        let key = unsafe { key.text("key") }?;
        options.lock().settings.set(key, &value.to_string())
    })
}

/// Changes one setting that is true or false. Otherwise as `nbwss_options_set_n`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_set_bool_n(
    options: *mut nbwss_options,
    key: nbwss_str,
    value: bool,
) -> nbwss_status {
    boundary::call(|| {
        let options = handle::get(options)?;
        // SAFETY: readable text, by the header.
        let key = unsafe { key.text("key") }?;
        options.lock().settings.set(key, if value { "true" } else { "false" })
    })
}

/// Reads a file of settings, as NetBackup's `nbwss.properties` is: lines of `key=value` or `key: value`, comments that
/// begin with `#` or `!`, blank lines. White space around keys and values is passed over. All or nothing.
///
/// A key that this library does not know does no harm: `*unknown`, unless NULL, gets a line `line 7: its.key` for each,
/// separated by line ends; empty where all are known. Borrowed until the next file is loaded into these options, or they
/// are freed.
///
/// Returns `NBWSS_IO` where the file cannot be read or a line is not `key=value`, and `NBWSS_INVALID_VALUE`; the last
/// error names the line.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_load_file_n(
    options: *mut nbwss_options,
    path: nbwss_str,
    unknown: *mut nbwss_str,
) -> nbwss_status {
    boundary::call(|| {
        // SAFETY: NULL or a place for a text, by the header.
        let out = if unknown.is_null() { None } else { Some(unsafe { Out::new("unknown", unknown) }?) };
        let options = handle::get(options)?;
        // SAFETY: readable text, by the header.
        let path = unsafe { path.text("path") }?;
        let mut chosen = options.lock();
        let unknown = properties::load(&mut chosen.settings, Path::new(path))?;
        let lines: Vec<String> = unknown.iter().map(|key| format!("line {}: {}", key.line, key.key)).collect();
        chosen.unknown_keys = lines.join("\n");
        if let Some(out) = out {
            out.set(nbwss_str::borrow(&chosen.unknown_keys));
        }
        Ok(())
    })
}

/// Sets a callback, and drops the one it replaces when the lock is free again.
fn set<F>(
    options: *mut nbwss_options,
    function: Option<F>,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
    place: impl FnOnce(&mut Callbacks) -> &mut Option<Arc<Callback<F>>>,
) -> nbwss_status {
    boundary::call(|| {
        let options = handle::get(options)?;
        let function = function.ok_or(Error::InvalidArgument { argument: "callback", why: "is NULL".to_owned() })?;
        let callback = Callback::new(function, user_data, destructor);
        let replaced = place(&mut options.lock().callbacks).replace(callback);
        drop(replaced);
        Ok(())
    })
}

/// Sets the callback for REST calls. Without one they are answered with 501; without a rule in the setting
/// `dispatch.policy` that allows them, with 403. With `dispatch.forward.url` the library makes the calls itself.
///
/// On `NBWSS_OK` the options own `user_data`: `destructor` runs exactly once, after the last call, when the
/// options are freed (or the callback is replaced) and every connector made with it is destroyed; on the thread
/// that does the last of these. On any other status it does not run. The same holds for the other callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_request(
    options: *mut nbwss_options,
    callback: nbwss_request_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.request)
}

/// Sets the callback for delivery reports. Ownership as for `nbwss_options_on_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_delivery(
    options: *mut nbwss_options,
    callback: nbwss_delivery_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.delivery)
}

/// Sets the callback for changes of connections. Ownership as for `nbwss_options_on_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_event(
    options: *mut nbwss_options,
    callback: nbwss_event_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.event)
}

/// Sets the callback for log lines. Ownership as for `nbwss_options_on_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_log(
    options: *mut nbwss_options,
    callback: nbwss_log_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.log)
}

/// Sets the callback for the audit of REST calls. Ownership as for `nbwss_options_on_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_audit(
    options: *mut nbwss_options,
    callback: nbwss_audit_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.audit)
}

/// Sets the callback for requests that are not wanted any more. Ownership as for `nbwss_options_on_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_cancel(
    options: *mut nbwss_options,
    callback: nbwss_cancel_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.cancel)
}

/// Sets the callback that makes the connections. Ownership as for `nbwss_options_on_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_dial(
    options: *mut nbwss_options,
    callback: nbwss_dial_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.dial)
}

/// Sets the callback that gives the key for the tokens in `endpoint.store.path`: they are then encrypted (AES-256-GCM).
/// A database that was written without a key is encrypted when it is first opened with one. Ownership as for
/// `nbwss_options_on_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_on_store_key(
    options: *mut nbwss_options,
    callback: nbwss_store_key_callback,
    user_data: *mut c_void,
    destructor: nbwss_destructor,
) -> nbwss_status {
    set(options, callback, user_data, destructor, |callbacks| &mut callbacks.store_key)
}

/// Gives the key for the tokens in `endpoint.store.path` itself: 32 bytes, which are copied. Otherwise as
/// `nbwss_options_on_store_key`, which it replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_set_store_key(
    options: *mut nbwss_options,
    key: *const u8,
    size: usize,
) -> nbwss_status {
    boundary::call(|| {
        let options = handle::get(options)?;
        // SAFETY: readable bytes, by the header.
        let bytes = unsafe { nbwss_str { ptr: key.cast(), len: size }.bytes("key") }?;
        let key = StoreKey::new(bytes)?;
        let mut chosen = options.lock();
        chosen.callbacks.fixed_store_key = Some(key);
        let replaced = chosen.callbacks.store_key.take();
        // Its destructor must not run under the lock.
        drop(chosen);
        drop(replaced);
        Ok(())
    })
}

/// Frees options. NULL is nothing to do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbwss_options_free(options: *mut nbwss_options) -> nbwss_status {
    boundary::call(|| handle::free(options))
}

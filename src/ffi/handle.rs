//! What a C pointer of ours really is: a key into one table, with a generation, so that a handle used after
//! it was freed, freed twice, made up, or of another type is an error and not undefined behaviour.

use std::sync::{Arc, PoisonError, RwLock};

use once_cell::sync::Lazy;
use slotmap::{DefaultKey, Key, KeyData, SlotMap};

use super::boundary;
use super::endpoints::Endpoints;
use super::inspection::Shown;
use super::options::Options;
use crate::connector::{Connector, Request};
use crate::error::Error;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a handle is a 64-bit key in the shape of a pointer: this library needs a 64-bit target");

/// Anything a handle may stand for.
pub(super) enum Object {
    Options(Arc<Options>),
    Connector(Arc<Connector>),
    Endpoints(Arc<Endpoints>),
    Inspection(Arc<Shown>),
    Request(Arc<Request>),
}

/// A C type that is only ever used behind a pointer, and what stands behind it.
pub(super) trait Opaque {
    type Object;
    /// For error texts.
    const NAME: &'static str;
    fn pack(object: Arc<Self::Object>) -> Object;
    fn unpack(object: &Object) -> Option<&Arc<Self::Object>>;
}

/// Ties a C type to its Rust type.
macro_rules! opaque {
    ($c:ty, $rust:ty, $variant:ident, $name:literal) => {
        impl $crate::ffi::handle::Opaque for $c {
            type Object = $rust;
            const NAME: &'static str = $name;
            fn pack(object: std::sync::Arc<$rust>) -> $crate::ffi::handle::Object {
                $crate::ffi::handle::Object::$variant(object)
            }
            fn unpack(object: &$crate::ffi::handle::Object) -> Option<&std::sync::Arc<$rust>> {
                match object {
                    $crate::ffi::handle::Object::$variant(object) => Some(object),
                    _ => None,
                }
            }
        }
    };
}
pub(super) use opaque;

/// Process-wide because a handle has to be found without a context. Held only for a look-up.
static TABLE: Lazy<RwLock<SlotMap<DefaultKey, Object>>> = Lazy::new(|| {
    boundary::prepare();
    RwLock::default()
});

fn key<C: Opaque>(handle: *const C) -> Result<DefaultKey, Error> {
    boundary::refuse_forked()?;
    if handle.is_null() {
        return Err(Error::InvalidArgument { argument: C::NAME, why: "is NULL".to_owned() });
    }
    Ok(KeyData::from_ffi(handle as u64).into())
}

/// Gives the object to the host.
pub(super) fn insert<C: Opaque>(object: Arc<C::Object>) -> Result<*mut C, Error> {
    boundary::refuse_forked()?;
    let key = TABLE.write().unwrap_or_else(PoisonError::into_inner).insert(C::pack(object));
    Ok(key.data().as_ffi() as *mut C)
}

/// What the handle stands for.
pub(super) fn get<C: Opaque>(handle: *const C) -> Result<Arc<C::Object>, Error> {
    let key = key(handle)?;
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.get(key).and_then(C::unpack).cloned().ok_or(Error::BadHandle(C::NAME))
}

/// Does something with every connector there is, under the table's lock.
pub(super) fn for_each_connector(work: impl Fn(&Connector)) {
    for object in TABLE.read().unwrap_or_else(PoisonError::into_inner).values() {
        if let Object::Connector(connector) = object {
            work(connector);
        }
    }
}

/// Takes the object back: the handle is dead from now on.
pub(super) fn take<C: Opaque>(handle: *const C) -> Result<Arc<C::Object>, Error> {
    let key = key(handle)?;
    let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
    let object = table.get(key).and_then(C::unpack).cloned().ok_or(Error::BadHandle(C::NAME))?;
    let entry = table.remove(key);
    // Dropping the last reference may call the host's destructors: not under the lock.
    drop(table);
    drop(entry);
    Ok(object)
}

/// Frees: as [`take`], but NULL is nothing to do.
pub(super) fn free<C: Opaque>(handle: *const C) -> Result<(), Error> {
    boundary::refuse_forked()?;
    if !handle.is_null() {
        drop(take(handle)?);
    }
    Ok(())
}

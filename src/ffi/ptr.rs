//! Pointers from the host: places for results, and structs that may grow.

use std::mem::size_of;
use std::ptr::NonNull;

use crate::error::Error;

/// Larger than any version of a struct will be: beyond it `struct_size` was not set.
const MAX_STRUCT_BYTES: usize = 4096;

fn null(argument: &'static str) -> Error {
    Error::InvalidArgument { argument, why: "is NULL".to_owned() }
}

/// A place for a result. Zeroed at once, so that the host finds nothing stale after a failure.
pub(super) struct Out<T>(NonNull<T>);

impl<T> Out<T> {
    /// # Safety
    /// `place` is NULL or valid for writing a `T`, of which all-zero is a valid value, until the export returns.
    pub(super) unsafe fn new(argument: &'static str, place: *mut T) -> Result<Out<T>, Error> {
        let place = NonNull::new(place).ok_or_else(|| null(argument))?;
        // SAFETY: the caller's promise.
        unsafe { place.write_bytes(0, 1) };
        Ok(Out(place))
    }

    pub(super) fn set(self, value: T) {
        // SAFETY: checked for NULL, and valid by the promise given to `new`.
        unsafe { self.0.write(value) }
    }
}

/// A struct that starts with `size_t struct_size` and only grows at its end.
///
/// # Safety
/// The type is `repr(C)`, its first field is `struct_size: usize`, and all-zero is a valid value.
pub(super) unsafe trait Growing: Copy {}

/// Reads a struct of the host's.
///
/// # Safety
/// `place` is NULL or points to as many readable bytes as its `struct_size` says.
pub(super) unsafe fn read<T: Growing>(argument: &'static str, place: *const T) -> Result<T, Error> {
    if place.is_null() {
        return Err(null(argument));
    }
    // SAFETY: not NULL, and by the promise of `Growing` the struct begins with its size.
    let size = unsafe { place.cast::<usize>().read() };
    check_size::<T>(argument, size)?;
    // SAFETY: `size` bytes are readable by the caller's promise.
    let beyond = unsafe { std::slice::from_raw_parts(place.cast::<u8>(), size) }.get(size_of::<T>()..);
    if beyond.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0)) {
        let why = "uses fields of a newer header than this library knows".to_owned();
        return Err(Error::InvalidArgument { argument, why });
    }
    // SAFETY: at least `size_of::<T>()` bytes are readable.
    Ok(unsafe { place.read() })
}

/// A struct of the host's for results. Zeroed at once, but for its `struct_size`.
///
/// # Safety
/// `place` is NULL or points to as many writable bytes as its `struct_size` says, until the export returns.
pub(super) unsafe fn out<T: Growing>(argument: &'static str, place: *mut T) -> Result<Out<T>, Error> {
    if place.is_null() {
        return Err(null(argument));
    }
    let size_place = place.cast::<usize>();
    // SAFETY: not NULL, and by the promise of `Growing` the struct begins with its size.
    let size = unsafe { size_place.read() };
    check_size::<T>(argument, size)?;
    // SAFETY: `size` bytes are writable by the caller's promise, and zero is valid by `Growing`'s.
    unsafe {
        place.cast::<u8>().write_bytes(0, size);
        size_place.write(size);
    }
    NonNull::new(place).map(Out).ok_or_else(|| null(argument))
}

fn check_size<T>(argument: &'static str, size: usize) -> Result<(), Error> {
    if (size_of::<T>()..=MAX_STRUCT_BYTES).contains(&size) {
        return Ok(());
    }
    let why = format!("struct_size is {size}, not {}: start from the INIT macro", size_of::<T>());
    Err(Error::InvalidArgument { argument, why })
}

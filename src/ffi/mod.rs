//! The C boundary: one file per C type over a small kernel.
//!
//! Kernel: [`boundary`] (panics, fork), [`status`] and [`last_error`] (results), [`handle`] (what a C pointer
//! of ours really is), [`ptr`] and [`str`] (arguments), [`callback`] and [`host`] (the way back), [`signals`] (threads that
//! are good guests). Every export has the same three parts: boundary, arguments, one call into safe Rust.
//! The doc comments here are the manual: the header is generated from them.
#![allow(non_camel_case_types)] // the names are C's

mod boundary;
mod callback;
mod connector;
mod endpoint;
mod endpoints;
mod group;
mod handle;
mod host;
mod inspection;
mod last_error;
mod notify;
mod options;
mod ptr;
mod request;
mod signals;
mod status;
mod str;
mod version;

//! Looks for bytes from a peer that break a property: libFuzzer over `tests/support/invariants.rs`.

#![no_main]

#[path = "../tests/support/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    invariants::message(input);
    if let Ok(text) = std::str::from_utf8(input) {
        invariants::uri(text);
    }
});

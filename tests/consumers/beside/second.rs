//! A static library in Rust that has nothing to do with libnbwss, and is linked into one program with it.

use std::thread;

/// How many numbers, on threads of this library's own, are even.
#[unsafe(no_mangle)]
pub extern "C" fn second_count_even(below: u32) -> usize {
    let threads: Vec<_> = (0..below).map(|n| thread::spawn(move || n.is_multiple_of(2))).collect();
    threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|even| *even).count()
}

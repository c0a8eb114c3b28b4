//! Linker flags that make the shared library a good citizen of a Linux system.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target_os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let major = std::env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    if target_os == "linux" {
        // Without a soname, whoever links records the path of the file instead.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libnbwss.so.{major}");
        // dlclose must not unload code that thread-local destructors and the fork handler still need.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

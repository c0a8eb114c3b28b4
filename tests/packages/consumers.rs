//! Each project of tests/consumers finds the installed library in its own way, builds, and serves a cloud application.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Cloud, Program, Scratch, root};
use crate::{Installed, VERSION, installed, run};

/// A file of tests/consumers.
pub fn consumer(name: &str) -> PathBuf {
    root().join("tests/consumers").join(name)
}

/// Runs a host that a project built, with a cloud application to be served. Libraries that it does not find by itself are
/// in this directory.
pub fn serves(program: &Path, libraries: Option<&Path>) {
    let scratch = Scratch::new("consumer");
    let mut cloud = Cloud::start(&scratch, &[]);
    let mut command = Command::new(program);
    command.args([cloud.endpoint_file(), cloud.ca_file()]).env_remove("LD_LIBRARY_PATH");
    command.envs(libraries.map(|dir| ("LD_LIBRARY_PATH", dir)));
    let host = Program::start("host", &mut command);
    cloud.await_job(144, "ACTIVE");
    assert_eq!(cloud.ask("GET", "/netbackup/admin/jobs", "")["statusCode"], 200);
    let end = host.finish();
    assert!(end.status.success() && end.stdout == format!("{VERSION}\n"), "{}: {end:?}", program.display());
    cloud.finish();
}

/// Whether a program asks for our shared library.
pub fn needs_shared_library(program: &Path) -> bool {
    run(Command::new("readelf").arg("-d").arg(program)).contains("[libnbwss.so.")
}

/// The project that uses pkg-config, with what is installed under a root and `pkgconfig` below this directory.
pub fn pkg_config(sysroot: &Path, library_dir: &Path) -> Scratch {
    let out = Scratch::new("pkg-config");
    run(Command::new("make")
        .arg("-C")
        .arg(consumer("pkg-config"))
        .arg(format!("OUT={}", out.path().display()))
        .env_remove("MAKEFLAGS")
        .env("PKG_CONFIG_SYSROOT_DIR", sysroot)
        .env("PKG_CONFIG_LIBDIR", library_dir.join("pkgconfig")));
    out
}

fn cmake(project: &str) -> Scratch {
    let out = Scratch::new(project);
    let Installed { prefix, .. } = installed();
    run(Command::new("cmake")
        .arg("-S")
        .arg(consumer(project))
        .arg("-B")
        .arg(out.path())
        .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())));
    run(Command::new("cmake").arg("--build").arg(out.path()));
    out
}

#[test]
fn a_compiler_alone() {
    let out = Scratch::new("gcc");
    let (lib, program) = (installed().library_dir(), out.join("host"));
    run(Command::new("gcc")
        .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-I"])
        .arg(installed().prefix.join("include"))
        .arg(consumer("host.c"))
        .arg("-L")
        .arg(&lib)
        .args(["-lnbwss", "-o"])
        .arg(&program));
    assert!(needs_shared_library(&program));
    serves(&program, Some(&lib));
}

#[test]
fn make_with_pkg_config() {
    let lib = installed().library_dir();
    let out = pkg_config(&installed().root, &lib);
    let (shared, alone) = (out.join("shared"), out.join("static"));
    assert!(needs_shared_library(&shared));
    serves(&shared, Some(&lib));
    assert!(!run(Command::new("readelf").arg("-d").arg(&alone)).contains("NEEDED"));
    serves(&alone, None);
}

/// A prefix that the files were not made for, because it is below another root: the package can be moved.
#[test]
fn cmake_in_c() {
    let out = cmake("cmake");
    let (shared, without) = (out.join("shared"), out.join("static"));
    assert!(needs_shared_library(&shared) && !needs_shared_library(&without));
    serves(&shared, None);
    serves(&without, None);
}

#[test]
fn cmake_in_cpp() {
    serves(&cmake("cmake-cpp").join("host"), None);
}

/// In one program with OpenSSL and another Rust library, none of which takes a symbol of ours for its own, or the other
/// way round. Whole-program optimisation of the other one makes it define all of Rust's runtime, the usual build leaves
/// weak names open.
#[test]
fn beside_openssl_and_another_rust_library() {
    let out = Scratch::new("beside");
    for optimisation in ["lto=fat", "opt-level=1"] {
        let second = out.join("libsecond.a");
        run(Command::new("rustc")
            .args(["--edition=2024", "--crate-type=staticlib", "-C", optimisation, "-o"])
            .arg(&second)
            .arg(consumer("beside/second.rs")));
        for libraries in [[installed().static_library(), second.clone()], [second, installed().static_library()]] {
            let program = out.join("host");
            run(Command::new("gcc")
                .args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-I"])
                .arg(installed().prefix.join("include"))
                .arg(consumer("beside/host.c"))
                .args(libraries)
                .args(["-l:libssl.a", "-l:libcrypto.a", "-lpthread", "-lm", "-ldl", "-o"])
                .arg(&program));
            assert!(!needs_shared_library(&program));
            serves(&program, None);
        }
    }
}

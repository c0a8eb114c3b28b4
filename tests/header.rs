//! The header: generated, committed, complete, and clean for every C and C++ standard that hosts use.

#[path = "support/header.rs"]
mod generator;
mod support;

use std::fs;
use std::process::Command;

use support::{Scratch, root, shared_library};

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (make deps installs it)"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// `make generate` sets NBWSS_UPDATE to write the file; otherwise a difference is a failure.
#[test]
fn the_committed_header_is_the_generated_one() {
    let path = root().join("include/nbwss.h");
    let generated = generator::generate();
    if std::env::var_os("NBWSS_UPDATE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "include/nbwss.h is not what src/ffi says: run `make generate` and commit it");
}

#[test]
fn the_library_has_a_soname_with_the_major_version_and_stays_loaded() {
    let library = shared_library();
    let dynamic = run(Command::new("readelf").arg("-d").arg(&library));
    let soname = format!("[libnbwss.so.{}]", env!("CARGO_PKG_VERSION_MAJOR"));
    assert!(dynamic.contains(&soname), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(!dynamic.contains("libssl") && !dynamic.contains("libcrypto"), "{dynamic}");
}

/// Alone, and twice in one file.
#[test]
fn the_header_compiles_without_a_warning_as_every_standard() {
    let dir = Scratch::new("header");
    let include = root().join("include");
    for (language, suffix, compilers, standards) in [
        ("c", "c", ["gcc", "clang"], &["c99", "c11", "c17"][..]),
        ("c++", "cpp", ["g++", "clang++"], &["c++11", "c++17", "c++20"][..]),
    ] {
        let source = dir.join(&format!("twice.{suffix}"));
        fs::write(&source, "#include <nbwss.h>\n#include <nbwss.h>\nint nbwss_test(void);\nint nbwss_test(void) { return nbwss_check_compat(); }\n").unwrap();
        for compiler in compilers {
            for standard in standards {
                let mut command = Command::new(compiler);
                command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]);
                command.arg(format!("-std={standard}")).arg("-I").arg(&include).args(["-x", language]);
                run(command.arg(&source));
            }
        }
    }
}

/// Every initial value, used as a host would, in both languages.
#[test]
fn the_initial_values_initialise_every_field() {
    let dir = Scratch::new("initial");
    let header = fs::read_to_string(root().join("include/nbwss.h")).unwrap();
    let mut source = String::from("#include <nbwss.h>\n");
    let mut count = 0;
    for line in header.lines().filter(|line| line.starts_with("#define NBWSS_") && line.contains("_INIT")) {
        let name = line["#define ".len()..].split(' ').next().unwrap();
        let kind = name["NBWSS_".len()..name.len() - "_INIT".len()].to_lowercase();
        source += &format!("extern nbwss_{kind} value_{kind};\nnbwss_{kind} value_{kind} = {name};\n");
        count += 1;
    }
    assert!(count >= 7, "{source}");
    for (compiler, language, standard) in
        [("gcc", "c", "c99"), ("clang", "c", "c11"), ("g++", "c++", "c++11"), ("clang++", "c++", "c++20")]
    {
        let path = dir.join("initial.c");
        fs::write(&path, &source).unwrap();
        let mut command = Command::new(compiler);
        command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]).arg(format!("-std={standard}"));
        run(command.arg("-I").arg(root().join("include")).args(["-x", language]).arg(&path));
    }
}

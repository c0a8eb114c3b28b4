//! C and C++ in the documents compile without a warning.
//!
//! A block that begins with ```` ```c ```` or ```` ```cpp ```` is a file, but for the includes that it may leave out. One that
//! begins with ```` ```c statements ```` is the inside of a function that has `options` and `connector`.

use std::fs;
use std::process::Command;

use crate::documents;
use crate::support::{C_FLAGS, CPP_FLAGS, Scratch, root};

const C_INCLUDES: &str = "\
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <nbwss.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
";

const CPP_INCLUDES: &str = "\
#include <cstdio>
#include <nbwss.h>
";

fn statements(code: &str) -> String {
    format!(
        "{C_INCLUDES}void inside(nbwss_options *options, nbwss_connector *connector);\n\
         void inside(nbwss_options *options, nbwss_connector *connector) {{\n(void)options;\n(void)connector;\n{code}}}\n"
    )
}

fn with_includes(includes: &str, code: &str) -> String {
    let includes = if code.contains("#include") { "" } else { includes };
    format!("{includes}{code}")
}

#[test]
fn every_block_compiles() {
    let scratch = Scratch::new("docs");
    let mut count = 0;
    for document in documents() {
        for (words, code) in document.blocks() {
            let (source, compilers, flags) = match words {
                "c" => (with_includes(C_INCLUDES, &code), ["gcc", "clang"], &C_FLAGS),
                "c statements" => (statements(&code), ["gcc", "clang"], &C_FLAGS),
                "cpp" => (with_includes(CPP_INCLUDES, &code), ["g++", "clang++"], &CPP_FLAGS),
                _ => continue,
            };
            count += 1;
            let language = words.split(' ').next().unwrap_or_default();
            let file = scratch.join(&format!("{count}.{language}"));
            fs::write(&file, source).unwrap();
            for compiler in compilers {
                let output = Command::new(compiler)
                    // A block shows functions that nobody calls.
                    .args(flags)
                    .args(["-Wno-unused-function", "-fsyntax-only", "-I"])
                    .arg(root().join("include"))
                    .arg("-I")
                    .arg(root().join("bindings/cpp"))
                    .arg(&file)
                    .output()
                    .unwrap_or_else(|error| panic!("{compiler}: {error} (make deps installs it)"));
                let complaint = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}, {compiler}:\n{code}\n{complaint}", document.name());
            }
        }
    }
    assert!(count > 10, "the blocks were not found");
}

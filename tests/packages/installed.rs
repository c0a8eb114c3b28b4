//! The installed files: all there, ours alone, without a trace of the machine that built them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::exports::{defined, listed};
use crate::support::root;
use crate::{VERSION, installed, run};

/// The names of all files and links below a directory.
fn files(dir: &Path) -> BTreeSet<String> {
    let text = run(Command::new("find").args([".", "!", "-type", "d"]).current_dir(dir));
    text.lines().map(|line| line.trim_start_matches("./").to_owned()).collect()
}

#[test]
fn everything_a_host_needs_is_there_and_nothing_else() {
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    let mut expected: BTreeSet<String> = [
        "include/nbwss.h",
        "include/nbwss.hpp",
        "lib/libnbwss.a",
        "lib/libnbwss.so",
        &format!("lib/libnbwss.so.{major}"),
        &format!("lib/libnbwss.so.{VERSION}"),
        "lib/pkgconfig/nbwss.pc",
        "lib/cmake/nbwss/nbwss-config.cmake",
        "lib/cmake/nbwss/nbwss-config-version.cmake",
        "share/man/man7/nbwss.7",
    ]
    .map(str::to_owned)
    .into();
    expected.extend(files(&root().join("bindings/cpp")));
    expected.retain(|name| name != "nbwss.hpp");
    let documents = files(&root().join("docs")).into_iter().filter(|name| name.ends_with(".md"));
    expected.extend(documents.map(|name| format!("share/doc/nbwss/{name}")));
    let prefix = &installed().prefix;
    let (manual, there): (BTreeSet<_>, BTreeSet<_>) =
        files(prefix).into_iter().partition(|name| name.starts_with("share/man/man3/"));
    let expected =
        expected.into_iter().map(|name| if name.starts_with("nbwss/") { format!("include/{name}") } else { name });
    assert_eq!(there, expected.collect());
    for export in listed() {
        assert!(manual.contains(&format!("share/man/man3/{}.3", export.name)), "no manual page for {}", export.name);
    }
    for name in there.iter().chain(&manual) {
        let mode = fs::metadata(prefix.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "{name}");
    }
}

#[test]
fn both_libraries_define_the_functions_and_no_other_global_name() {
    let names: BTreeSet<String> = listed().into_iter().map(|export| export.name).collect();
    assert_eq!(defined(&installed().shared_library(), &["-D"]), names);
    assert_eq!(defined(&installed().static_library(), &["-g"]), names);
}

#[test]
fn the_shared_library_is_stripped() {
    let sections = run(Command::new("readelf").arg("-SW").arg(installed().shared_library()));
    assert!(sections.contains(".dynsym") && !sections.contains(".symtab"), "{sections}");
    assert!(!sections.contains(".debug_"), "{sections}");
}

#[test]
fn no_path_of_this_machine_is_in_a_library() {
    let default = || format!("{}/.cargo", std::env::var("HOME").expect("HOME"));
    let cargo_home = std::env::var("CARGO_HOME").unwrap_or_else(|_| default());
    for library in [installed().shared_library(), installed().static_library()] {
        let texts = run(Command::new("strings").args(["-a", "-n", "4"]).arg(&library));
        assert!(texts.contains("src/connector/"), "{}: no panic has a place", library.display());
        for path in [root().to_str().unwrap(), &cargo_home] {
            let found: Vec<&str> = texts.lines().filter(|line| line.contains(path)).collect();
            assert!(found.is_empty(), "{}: {found:#?}", library.display());
        }
    }
}

//! The Debian packages: what Debian's own tools say of them, and installed on a system of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::consumers::{needs_shared_library, pkg_config, serves};
use crate::exports::listed;
use crate::support::{Scratch, root};
use crate::{VERSION, make, run};

/// libnbwss0 and libnbwss-dev, made once for all tests.
fn packages() -> &'static [PathBuf; 2] {
    static PACKAGES: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        make(&["deb"]);
        let architecture = run(Command::new("dpkg").arg("--print-architecture"));
        ["libnbwss0", "libnbwss-dev"]
            .map(|name| root().join(format!("target/deb/{name}_{VERSION}-1_{}.deb", architecture.trim_end())))
    })
}

/// A file of a package's control part.
fn control(package: &Path, file: &str) -> String {
    run(Command::new("dpkg-deb").arg("-I").arg(package).arg(file))
}

#[test]
fn the_packages_say_what_they_need_and_what_they_have() {
    let [library, development] = packages();
    let about = control(library, "control");
    for line in ["Package: libnbwss0", &format!("Version: {VERSION}-1"), "Multi-Arch: same", "Depends: libc6 (>= "] {
        assert!(about.contains(line), "no {line:?} in\n{about}");
    }
    let about = control(development, "control");
    assert!(about.contains(&format!("Depends: libnbwss0 (= {VERSION}-1)")), "{about}");
    assert!(control(library, "triggers").contains("activate-noawait ldconfig"));
    assert_eq!(control(library, "shlibs"), format!("libnbwss 0 libnbwss0 (>= {VERSION})\n"));
    let mut symbols: Vec<String> =
        listed().iter().map(|export| format!(" {}@Base {}", export.name, export.since)).collect();
    symbols.sort();
    assert_eq!(control(library, "symbols"), format!("libnbwss.so.0 libnbwss0 #MINVER#\n{}\n", symbols.join("\n")));
    assert!(control(library, "md5sums").contains(&format!("libnbwss.so.{VERSION}\n")));
}

/// But for what nobody has decided yet: an address for mail, and that Debian is to have them. (It takes half a minute for
/// the static library and the manual pages, which have tests of their own.)
#[test]
fn lintian_has_nothing_to_say() {
    let undecided = "bogus-mail-host,bogus-mail-host-in-debian-changelog,initial-upload-closes-no-bugs";
    let words = run(Command::new("lintian")
        .args(["--allow-root", "--fail-on", "error,warning", "--suppress-tags", undecided])
        .arg(&packages()[0]));
    assert_eq!(words, "");
}

/// dpkg with a root and a database of its own, in which this machine's C library is what it is.
#[test]
fn installed_by_dpkg_they_serve_a_host() {
    let system = Scratch::new("debian");
    let database = system.join("var/lib/dpkg");
    fs::create_dir_all(database.join("info")).unwrap();
    fs::create_dir_all(database.join("updates")).unwrap();
    let there = run(Command::new("dpkg-query").args(["--status", "libc6", "libgcc-s1"]));
    fs::write(database.join("status"), there).unwrap();
    run(Command::new("dpkg")
        .arg(format!("--root={}", system.path().display()))
        .args(["--force-not-root", "--install"])
        .args(packages())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"));
    assert!(system.join("usr/share/doc/nbwss/settings.md").exists(), "what the header names");
    let triplet = run(Command::new("gcc").arg("-print-multiarch"));
    let lib = system.join("usr/lib").join(triplet.trim_end());
    let out = pkg_config(system.path(), &lib);
    assert!(needs_shared_library(&out.join("shared")));
    serves(&out.join("shared"), Some(&lib));
    serves(&out.join("static"), None);
}

//! There is one version, and everything that tells it tells the same.

use std::fs;
use std::process::Command;

use crate::support::{Scratch, root};
use crate::{VERSION, installed, run};

fn numbers() -> [u32; 3] {
    let mut parts = VERSION.split('.').map(|part| part.parse().unwrap());
    std::array::from_fn(|_| parts.next().unwrap())
}

#[test]
fn the_header_has_cargos_version() {
    let header = fs::read_to_string(installed().prefix.join("include/nbwss.h")).unwrap();
    let [major, minor, patch] = numbers();
    for line in [
        format!("#define NBWSS_VERSION_MAJOR {major}\n"),
        format!("#define NBWSS_VERSION_MINOR {minor}\n"),
        format!("#define NBWSS_VERSION_PATCH {patch}\n"),
        format!("#define NBWSS_VERSION \"{VERSION}\"\n"),
    ] {
        assert!(header.contains(&line), "{line}");
    }
}

/// What the library itself says, each consumer prints.
#[test]
fn the_links_and_the_soname_lead_to_the_file_with_the_version() {
    let lib = installed().library_dir();
    let soname = format!("libnbwss.so.{}", numbers()[0]);
    let dynamic = run(Command::new("readelf").arg("-d").arg(installed().shared_library()));
    assert!(dynamic.contains(&format!("soname: [{soname}]")), "{dynamic}");
    assert_eq!(fs::read_link(lib.join("libnbwss.so")).unwrap().to_str(), Some(&*soname));
    assert_eq!(fs::read_link(lib.join(&soname)).unwrap().to_str(), Some(&*format!("libnbwss.so.{VERSION}")));
}

#[test]
fn pkg_config_tells_it() {
    let dir = installed().library_dir().join("pkgconfig");
    let told = run(Command::new("pkg-config").args(["--modversion", "nbwss"]).env("PKG_CONFIG_LIBDIR", dir));
    assert_eq!(told.trim_end(), VERSION);
}

/// CMake finds what nbwss_check_compat accepts: the same major version, for 0.x the same minor version, none that is newer.
#[test]
fn cmake_finds_the_versions_that_fit() {
    let [major, minor, patch] = numbers();
    let version = |major: u32, minor: u32, patch: u32| format!("{major}.{minor}.{patch}");
    let older_minor = minor.checked_sub(1).map(|minor| (version(major, minor, 0), major > 0));
    let asked: Vec<(String, bool)> = [
        (format!("{major}"), true),
        (format!("{major}.{minor}"), true),
        (version(major, minor, patch), true),
        (version(major, minor, patch + 1), false),
        (version(major, minor + 1, 0), false),
        (version(major + 1, 0, 0), false),
    ]
    .into_iter()
    .chain(older_minor)
    .collect();
    let scratch = Scratch::new("cmake");
    let project = "cmake_minimum_required(VERSION 3.16)\nproject(versions NONE)\nforeach(version IN LISTS ASKED)\n\
                   find_package(nbwss ${version} QUIET)\nmessage(\"${version} ${nbwss_FOUND} ${nbwss_VERSION}\")\n\
                   endforeach()\n";
    fs::write(scratch.join("CMakeLists.txt"), project).unwrap();
    let list: Vec<&str> = asked.iter().map(|(version, _)| &**version).collect();
    let output = Command::new("cmake")
        .arg("-S")
        .arg(scratch.path())
        .arg("-B")
        .arg(scratch.join("build"))
        .arg(format!("-DCMAKE_PREFIX_PATH={}", installed().prefix.display()))
        .arg(format!("-DASKED={}", list.join(";")))
        .output()
        .expect("cmake (make deps installs it)");
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected: String =
        asked.iter().map(|(asked, fits)| format!("{asked} {} {VERSION}\n", u8::from(*fits))).collect();
    assert_eq!(told, expected);
}

#[test]
fn the_debian_changelog_begins_with_it() {
    let changelog = fs::read_to_string(root().join("packaging/debian/changelog")).unwrap();
    assert!(changelog.starts_with(&format!("libnbwss ({VERSION}-")), "{changelog}");
    let control = fs::read_to_string(root().join("packaging/debian/control")).unwrap();
    assert!(control.contains(&format!("\nPackage: libnbwss{}\n", numbers()[0])), "{control}");
}

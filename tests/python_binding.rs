//! The Python binding as a Python host gets it: installed by pip, without a network, into a virtual environment of
//! Debian's Python; typed; and its own tests, against this build of the library and a cloud application.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Scratch, cloud_app, library_dir, root};

const PYTHON: &str = "/usr/bin/python3";

fn run(what: &str, command: &mut Command) {
    // Nothing of the environment decides where Python looks.
    let command = command.env("PYTHONDONTWRITEBYTECODE", "1").env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    let output = command.output().unwrap_or_else(|error| panic!("{what}: {error} (make deps installs it)"));
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{said}{wrong}", output.status);
}

/// A copy of the package's directory: pip leaves files where it builds.
fn copy(scratch: &Scratch) -> PathBuf {
    let copied = scratch.join("python");
    run("cp", Command::new("cp").arg("-r").arg(root().join("bindings/python")).arg(&copied));
    copied
}

/// A virtual environment with the package in it. Sees Debian's pytest, mypy and setuptools.
fn installed(scratch: &Scratch, package: &Path) -> PathBuf {
    let environment = scratch.join("venv");
    run("venv", Command::new(PYTHON).args(["-m", "venv", "--system-site-packages"]).arg(&environment));
    let python = environment.join("bin/python");
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]);
    run("pip", pip.arg(package));
    python
}

#[test]
fn the_package_installs_is_typed_and_passes_its_tests() {
    let scratch = Scratch::new("python");
    let package = copy(&scratch);
    let python = installed(&scratch, &package);
    let mypy = ["-m", "mypy", "--strict", "--python-version", "3.9", "--cache-dir", "/dev/null", "-p", "nbwss"];
    run("mypy, the package as installed", Command::new(&python).args(mypy).current_dir(scratch.path()));
    let mypy = "exec \"$0\" -m mypy --strict --cache-dir /dev/null tests/*.py examples/*.py";
    run("mypy, tests and examples", Command::new("sh").args(["-c", mypy]).arg(&python).current_dir(&package));
    let mut pytest = Command::new(&python);
    pytest.args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]).current_dir(&package);
    pytest.arg(format!("--library={}", library_dir(&scratch).join("libnbwss.so").display()));
    pytest.arg(format!("--cloud-app={}", cloud_app().display()));
    pytest.arg(format!("--header={}", root().join("include/nbwss.h").display()));
    run("pytest", &mut pytest);
}

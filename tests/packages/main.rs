//! What `make install` and `make deb` leave is what a host finds: complete, of one version, nobody else's, and usable from
//! a project of every kind. tests/consumers has the projects.

#[path = "../support/exports.rs"]
mod exports;
#[path = "../support/mod.rs"]
mod support;

mod abi;
mod consumers;
mod debian;
mod installed;
mod version;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use support::root;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs a command to its end, which must be a good one, and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (make deps installs it)"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The project's Makefile. One at a time: it makes files that all have in common.
fn make(arguments: &[&str]) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // What a make around the tests was told is not meant for this one.
    run(Command::new("make").current_dir(root()).args(arguments).env_remove("MAKEFLAGS").env_remove("MAKELEVEL"));
}

/// What is installed, as its own prefix has it, under a root that is not the machine's.
struct Installed {
    root: PathBuf,
    prefix: PathBuf,
}

impl Installed {
    fn library_dir(&self) -> PathBuf {
        self.prefix.join("lib")
    }

    fn shared_library(&self) -> PathBuf {
        self.library_dir().join(format!("libnbwss.so.{VERSION}"))
    }

    fn static_library(&self) -> PathBuf {
        self.library_dir().join("libnbwss.a")
    }
}

/// `make install`, once for all tests, from what is built now.
fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed");
        let _ = fs::remove_dir_all(&root);
        make(&["all"]);
        make(&["install", "PREFIX=/opt/nbwss", &format!("DESTDIR={}", root.display())]);
        Installed { prefix: root.join("opt/nbwss"), root }
    })
}

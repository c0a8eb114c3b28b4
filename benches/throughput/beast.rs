//! The yardstick in C++, `benches/beast/client.cpp`: built when it is older than its source, run as a process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server::{Server, Work};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/beast/client.cpp");
/// Debian's names of what it needs.
const PACKAGES: &str = "g++ libboost-dev libssl-dev rapidjson-dev";

/// The program's path, or why there is none.
pub fn build() -> Result<PathBuf, String> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beast-client");
    let changed = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    if changed(&program) > changed(Path::new(SOURCE)) {
        return Ok(program);
    }
    eprintln!("Building {SOURCE}");
    let flags = ["-O3", "-DNDEBUG", "-std=c++17", "-Wall", "-Wextra", "-Werror"];
    let libraries = ["-lssl", "-lcrypto", "-pthread"];
    let built = Command::new("g++").args(flags).arg(SOURCE).arg("-o").arg(&program).args(libraries).output();
    let why = match built {
        Ok(output) if output.status.success() => return Ok(program),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            text.lines().find(|line| line.contains("error")).map_or_else(|| output.status.to_string(), str::to_owned)
        }
        Err(error) => format!("g++: {error}"),
    };
    Err(format!("it cannot be built ({why}); it needs the packages {PACKAGES}"))
}

/// A running client; killed when dropped.
pub struct Client(Child);

impl Client {
    pub fn start(program: &Path, server: &Server, work: Work) -> Client {
        let what = match work {
            Work::Commands { .. } => "commands",
            Work::Notifications => "notifications",
        };
        let mut command = Command::new(program);
        command.arg(server.port().to_string()).arg(server.ca_file()).arg(what).stdin(Stdio::null());
        Client(command.spawn().expect("the program starts"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

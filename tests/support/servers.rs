//! Other people's servers, from Debian's packages: each with a configuration and a directory of a test's own, on the
//! loopback interface, ended with its test.
#![allow(dead_code)] // each test file uses its own part

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One server. It can die and come back.
pub struct Server {
    command: Command,
    child: Child,
    pub dir: PathBuf,
    pub port: u16,
}

impl Server {
    /// Writes the files and starts the program; `{dir}` and `{port}` in files and arguments become the server's.
    pub fn start(program: &str, arguments: &[&str], files: &[(&str, &str)]) -> Server {
        let (dir, port) = (scratch(), free_port());
        let fill = |text: &str| {
            text.replace("{dir}", dir.to_str().expect("a path in UTF-8")).replace("{port}", &port.to_string())
        };
        for (name, text) in files {
            fs::write(dir.join(name), fill(text)).expect("a file of the server");
        }
        let mut command = Command::new(find(program));
        command.args(arguments.iter().map(|argument| fill(argument))).current_dir(&dir).stdin(Stdio::null());
        let child = launch(&mut command, &dir, port);
        Server { command, child, dir, port }
    }

    /// Ends it with all its connections. Some leave things behind when they are simply killed.
    pub fn die(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port.
    pub fn come_back(&mut self) {
        self.child = launch(&mut self.command, &self.dir, self.port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.die();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Not below the project's directory: a server that gives up its root rights must be able to read its files.
fn scratch() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("nbwss-server-{}-{number}", std::process::id()));
    fs::create_dir_all(&path).expect("a scratch directory");
    path
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Servers are not on everybody's PATH.
fn find(program: &str) -> PathBuf {
    ["/usr/sbin", "/usr/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{program} is missing: `make deps` installs it"))
}

/// Starts it and waits until it takes connections.
fn launch(command: &mut Command, dir: &Path, port: u16) -> Child {
    let log = fs::File::options().create(true).append(true).open(dir.join("output")).expect("a log");
    command.stdout(log.try_clone().expect("a log")).stderr(log);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().expect("its state");
        let output = fs::read_to_string(dir.join("output")).unwrap_or_default();
        assert!(ended.is_none() && Instant::now() < deadline, "{command:?}: {ended:?}: {output}");
        sleep(Duration::from_millis(10));
    }
    child
}

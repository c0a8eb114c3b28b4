//! What tests of whole processes need: scratch directories, compiled C programs, a cloud application that is
//! talked to over its standard input and listened to over its JSON events. Nothing here outlives its test.
#![allow(dead_code)] // each test file uses its own part

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Reached only when something is wrong; a slow machine with valgrind must not.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// Flags under which every C file of the project compiles without a word.
pub const C_FLAGS: [&str; 7] = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread", "-g"];

/// And every C++ file.
pub const CPP_FLAGS: [&str; 7] = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread", "-g"];

/// The project's directory.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo put the test binary; a fresh `libnbwss.so` lies beside it.
fn deps_dir() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.parent().expect("a directory").to_owned()
}

/// The shared library: the one that cargo built with the tests, or the one that NBWSS_LIBRARY names.
pub fn shared_library() -> PathBuf {
    let built = deps_dir().join("libnbwss.so");
    std::env::var_os("NBWSS_LIBRARY").map_or(built, PathBuf::from)
}

/// The cloud application, as `cargo test` or `cargo build --example cloud_app` leaves it.
pub fn cloud_app() -> PathBuf {
    let path = deps_dir().with_file_name("examples").join("cloud_app");
    assert!(path.exists(), "{} is missing: cargo build --example cloud_app", path.display());
    path
}

/// A directory of one test's own, removed at its end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a scratch directory");
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A directory with the shared library under the names that the linker and the loader ask for.
pub fn library_dir(scratch: &Scratch) -> PathBuf {
    let dir = scratch.join("lib");
    let library = shared_library();
    assert!(library.exists(), "{} is missing: cargo build", library.display());
    if !dir.exists() {
        fs::create_dir(&dir).expect("a directory for the library");
        let soname = concat!("libnbwss.so.", env!("CARGO_PKG_VERSION_MAJOR"));
        for name in ["libnbwss.so", soname] {
            std::os::unix::fs::symlink(&library, dir.join(name)).expect("a link to the library");
        }
    }
    dir
}

/// Compiles a C program against the public header and the shared library. Any warning fails the test.
pub fn compile_c(scratch: &Scratch, name: &str, sources: &[PathBuf]) -> PathBuf {
    compile(scratch, name, "gcc", &C_FLAGS, sources)
}

/// The same with another compiler and its flags. NBWSS_SANITIZE, say `address`, adds the sanitizer that the library
/// in NBWSS_LIBRARY was built with: its runtime comes with the program.
pub fn compile(scratch: &Scratch, name: &str, compiler: &str, flags: &[&str], sources: &[PathBuf]) -> PathBuf {
    let program = scratch.join(name);
    let lib = library_dir(scratch);
    let sanitizer = std::env::var("NBWSS_SANITIZE").ok();
    let output = Command::new(compiler)
        .args(flags)
        .args(sanitizer.map(|kind| format!("-fsanitize={kind}")))
        .arg("-I")
        .arg(root().join("include"))
        .arg("-o")
        .arg(&program)
        .args(sources)
        .arg("-L")
        .arg(&lib)
        .arg("-lnbwss")
        .arg(format!("-Wl,-rpath,{}", lib.display()))
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error} (make deps installs it)"));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{compiler}, {name}:\n{words}");
    program
}

/// A program that valgrind watches for every bad access and every definite leak.
pub fn valgrind(program: &Path) -> Command {
    let there = Command::new("valgrind").arg("--version").output().is_ok();
    assert!(there, "valgrind is needed for this test: apt-get install valgrind");
    let mut command = Command::new("valgrind");
    command
        .args(["--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"])
        // What is only reachable through a pointer into its middle is no leak: Rust keeps its handle of a thread so.
        .args(["--show-leak-kinds=definite", "-q"])
        .arg(program);
    command
}

/// A program under way, killed if it is dropped before its end.
pub struct Program {
    name: String,
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

/// How a program ended, and all it said.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn start(name: &str, command: &mut Command) -> Program {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let out = read_all(child.stdout.take().expect("piped"));
        let err = read_all(child.stderr.take().expect("piped"));
        Program { name: name.to_owned(), child, out, err }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end: both of its outputs are closed by then.
    pub fn finish(mut self) -> Finished {
        let until = Instant::now() + DEADLINE;
        let rest = |output: &Receiver<String>| {
            let left = until.saturating_duration_since(Instant::now());
            output.recv_timeout(left).ok()
        };
        let (Some(stdout), Some(stderr)) = (rest(&self.out), rest(&self.err)) else {
            panic!("{} has not ended within {DEADLINE:?}", self.name);
        };
        let status = self.child.wait().expect("the program's exit status");
        Finished { status, stdout, stderr }
    }

    /// Waits for an end without a word and with exit status 0.
    pub fn finish_silently(self) {
        let name = self.name.clone();
        let end = self.finish();
        let silent = end.stdout.is_empty() && end.stderr.is_empty();
        assert!(
            end.status.success() && silent,
            "{name}: {}\nstdout:\n{}stderr:\n{}",
            end.status,
            end.stdout,
            end.stderr
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A test that waited in vain for the cloud application wants to know what the program had to say.
        if thread::panicking()
            && let Ok(words) = self.err.recv_timeout(Duration::from_secs(1))
        {
            eprintln!("{} said: {words}", self.name);
        }
    }
}

fn read_all(mut output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = output.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[derive(Default)]
struct Log {
    events: Mutex<(Vec<Value>, bool)>,
    grown: Condvar,
}

/// A cloud application in a process of its own: lines are typed, events come back.
pub struct Cloud {
    child: Child,
    stdin: ChildStdin,
    log: Arc<Log>,
    dir: PathBuf,
}

impl Cloud {
    /// Starts it with further flags, and waits until a host can connect.
    pub fn start(scratch: &Scratch, flags: &[&str]) -> Cloud {
        let dir = scratch.join("cloud");
        fs::create_dir_all(&dir).expect("a directory for the cloud application");
        let mut command = Command::new(cloud_app());
        command.arg("--dir").arg(&dir).args(["--json", "--timeout", "120"]).args(flags);
        Cloud::launch(command, dir)
    }

    /// Starts another program that takes such lines, tells such events and leaves its files in this directory.
    pub fn launch(mut command: Command, dir: PathBuf) -> Cloud {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the cloud application starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        let log = Arc::new(Log::default());
        let writer = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line);
                let event = event.unwrap_or_else(|_| panic!("no JSON event: {line}"));
                writer.events.lock().unwrap().0.push(event);
                writer.grown.notify_all();
            }
            writer.events.lock().unwrap().1 = true;
            writer.grown.notify_all();
        });
        let cloud = Cloud { child, stdin, log, dir };
        cloud.wait_until("endpoint.json", |_| cloud.endpoint_file().exists().then_some(()));
        cloud
    }

    pub fn endpoint_file(&self) -> PathBuf {
        self.dir.join("endpoint.json")
    }

    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    pub fn type_line(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the cloud application reads");
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Value> {
        self.log.events.lock().unwrap().0.clone()
    }

    /// Looks at the events so far, and again at each new one, until something is found.
    pub fn wait_until<T>(&self, what: &str, mut find: impl FnMut(&[Value]) -> Option<T>) -> T {
        let until = Instant::now() + DEADLINE;
        let mut events = self.log.events.lock().unwrap();
        loop {
            if let Some(found) = find(&events.0) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            let over = events.1 || left.is_zero();
            assert!(!over, "the cloud application never saw {what}; it saw {:#?}", events.0);
            // A file that appears makes no event, so look now and then without one, too.
            let pause = left.min(Duration::from_millis(50));
            events = self.log.grown.wait_timeout(events, pause).unwrap().0;
        }
    }

    /// The number-th event of this name, counted from 1.
    pub fn wait_for(&self, name: &str, number: usize) -> Value {
        self.wait_until(&format!("{name} number {number}"), |events| {
            events.iter().filter(|event| event["event"] == name).nth(number - 1).cloned()
        })
    }

    /// The number-th answer, counted from 1, to a request for this uri.
    pub fn wait_for_response(&self, uri: &str, number: usize) -> Value {
        self.wait_until(&format!("response number {number} to {uri}"), |events| {
            events.iter().filter(|event| is_response(event, uri)).nth(number - 1).cloned()
        })
    }

    /// Types a line that asks for something at this uri, and waits for the answer.
    pub fn type_and_await(&mut self, line: &str, uri: &str) -> Value {
        let before = self.events().iter().filter(|event| is_response(event, uri)).count();
        self.type_line(line);
        self.wait_for_response(uri, before + 1)
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, method: &str, uri: &str, body: &str) -> Value {
        self.type_and_await(format!("send {method} {uri} {body}").trim_end(), uri)
    }

    /// Sends a COMMAND with this id and this payload, a JSON text that may hold whatever no application should send.
    pub fn command(&mut self, id: &str, payload: &str) {
        self.type_line(&format!(
            r#"raw {{"version":"1.0","id":"{id}","type":"COMMAND","subType":"REQUEST","timeStamp":1459829674,"payload":{payload}}}"#
        ));
    }

    /// All answers so far to COMMANDs with this id.
    pub fn answers_to(&self, id: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == "response" && event["id"] == id).collect()
    }

    /// The number-th answer, counted from 1, to COMMANDs with this id.
    pub fn wait_for_answer(&self, id: &str, number: usize) -> Value {
        self.wait_until(&format!("answer number {number} to {id}"), |events| {
            events.iter().filter(|event| event["event"] == "response" && event["id"] == id).nth(number - 1).cloned()
        })
    }

    /// Sends a COMMAND as [`Cloud::command`] does, and waits for its answer.
    pub fn ask_as(&mut self, id: &str, payload: &str) -> Value {
        let before = self.answers_to(id).len();
        self.command(id, payload);
        self.wait_for_answer(id, before + 1)
    }

    /// Sends many requests at once, all of which must be answered, and returns how often each status came.
    pub fn flood(&mut self, count: usize, method: &str, uri: &str) -> BTreeMap<u64, usize> {
        let before = self.events().iter().filter(|event| is_response(event, uri)).count();
        self.type_line(&format!("flood {count} {method} {uri}"));
        self.wait_until(&format!("{count} responses to {uri}"), |events| {
            let new: Vec<&Value> = events.iter().filter(|event| is_response(event, uri)).skip(before).collect();
            let mut statuses = BTreeMap::new();
            for response in &new {
                *statuses.entry(response["statusCode"].as_u64()?).or_default() += 1;
            }
            (new.len() == count).then_some(statuses)
        })
    }

    /// Waits until it was notified of a job in this state.
    pub fn await_job(&self, id: u64, state: &str) {
        self.wait_until(&format!("job {id} {state}"), |events| {
            let data = |event: &Value| event["payload"].as_array().cloned().unwrap_or_default();
            let elements = events.iter().flat_map(data);
            let entries = elements.flat_map(|e| e["data"].as_array().cloned().unwrap_or_default());
            entries.into_iter().find(|entry| entry["jobId"] == id && entry["state"] == state)
        });
    }

    /// Ends it. All must have gone as the protocol has it: nothing failed, no complaint about the connector.
    pub fn finish(self) {
        self.finish_with(&[]);
    }

    /// Ends it, with just these complaints in this order, each given by some of its words.
    pub fn finish_with(mut self, expected: &[&str]) {
        self.type_line("quit");
        self.wait_until_closed();
        let status = self.child.wait().expect("the cloud application's exit status");
        let mut complaints = self.events();
        complaints.retain(|event| event["event"] == "protocol-error" || event["event"] == "failed");
        let says = |(complaint, words): (&Value, &&str)| complaint["why"].as_str().unwrap_or_default().contains(words);
        let as_expected = complaints.len() == expected.len() && complaints.iter().zip(expected).all(says);
        assert!(status.success() == expected.is_empty() && as_expected, "cloud_app: {status}, {complaints:#?}");
    }

    fn wait_until_closed(&self) {
        let until = Instant::now() + DEADLINE;
        let mut events = self.log.events.lock().unwrap();
        while !events.1 {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the cloud application has not ended within {DEADLINE:?}");
            events = self.log.grown.wait_timeout(events, left).unwrap().0;
        }
    }
}

fn is_response(event: &Value, uri: &str) -> bool {
    event["event"] == "response" && event["uri"] == uri
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A guest's manners, proved on whole processes: the C programs in `tests/c/manners`, each of which tells its story at its
//! top, is silent and exits 0 where nothing else is said. Some define functions of the C library themselves, which the
//! library then calls: so nothing is put into the library for these tests, and `make test-release` runs them on the file
//! that is shipped. To have a network of one's own and to run out of threads takes root; without it these tests fail.

#[path = "support/exports.rs"]
mod exports;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{C_FLAGS, Cloud, Program, Scratch, compile, root, shared_library};

/// For a program that defines functions of the C library, to be called by the library.
const EXPORTS: &[&str] = &["-rdynamic"];
/// For one that the linker gives the library only if it uses it, and always.
const AS_NEEDED: &[&str] = &["-Wl,--as-needed"];
const ALWAYS: &[&str] = &["-Wl,--no-as-needed"];

fn program(scratch: &Scratch, name: &str, flags: &[&str]) -> PathBuf {
    let source = root().join("tests/c/manners").join(name).with_extension("c");
    compile(scratch, name, "gcc", &[&C_FLAGS[..], flags].concat(), &[source])
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// A program and a cloud application for it.
struct Stage {
    cloud: Cloud,
    program: PathBuf,
    scratch: Scratch,
}

impl Stage {
    fn new(name: &str, flags: &[&str], cloud_flags: &[&str]) -> Stage {
        let scratch = Scratch::new(name);
        let program = program(&scratch, name, flags);
        Stage { cloud: Cloud::start(&scratch, cloud_flags), program, scratch }
    }

    /// A path in the scratch directory.
    fn path(&self, name: &str) -> String {
        text(&self.scratch.join(name))
    }

    /// The program, its endpoint, and whatever else it wants to know; as the last words of another command, perhaps.
    fn command(&self, before: &[&str], arguments: &[&str]) -> Command {
        let fixed = [text(&self.program), text(&self.cloud.endpoint_file()), text(&self.cloud.ca_file())];
        let mut words = before.iter().copied().chain(fixed.iter().map(String::as_str)).chain(arguments.iter().copied());
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        command
    }

    /// Runs it, and `play` beside it, to a silent end, with which the cloud application is content, too.
    fn run_beside(mut self, mut command: Command, play: impl FnOnce(&mut Cloud)) {
        let program = Program::start("the program", &mut command);
        play(&mut self.cloud);
        program.finish_silently();
        self.cloud.finish();
    }

    fn run(self, arguments: &[&str]) {
        let command = self.command(&[], arguments);
        self.run_beside(command, |_| {});
    }
}

fn status(response: &serde_json::Value) -> u64 {
    response["statusCode"].as_u64().expect("a status code")
}

fn ends_as_it_likes(command: &mut Command) {
    let end = Program::start("the program", command).finish();
    assert!(end.status.code() == Some(7) && end.stdout.is_empty() && end.stderr.is_empty(), "{end:?}");
}

#[test]
fn linked_and_never_called() {
    let scratch = Scratch::new("unused");
    ends_as_it_likes(&mut Command::new(program(&scratch, "unused", ALWAYS)));
}

#[test]
fn loaded_and_never_called() {
    let scratch = Scratch::new("unused");
    ends_as_it_likes(Command::new(program(&scratch, "unused", AS_NEEDED)).arg(shared_library()));
}

#[test]
fn loaded_used_and_let_go_ten_times() {
    let stage = Stage::new("load_and_unload", AS_NEEDED, &[]);
    stage.run(&[&text(&shared_library())]);
}

#[test]
fn two_copies_in_one_process() {
    let stage = Stage::new("two_copies", &[], &[]);
    let copy = stage.path("plugins-own.so");
    fs::copy(shared_library(), &copy).expect("a copy of the library");
    stage.run(&[&copy]);
}

fn leaves(on: &str, handlers: &str) {
    let mut stage = Stage::new("leave", &[], &[]);
    let mut command = stage.command(&[], &[on, handlers]);
    let program = Program::start("leave", &mut command);
    stage.cloud.wait_for("connect", 1);
    stage.cloud.type_line("flood 300 GET /work");
    if on == "callback" {
        stage.cloud.type_line("send GET /leave");
    }
    let end = program.finish();
    assert!(end.status.code() == Some(7) && end.stdout.is_empty() && end.stderr.is_empty(), "{end:?}");
    stage.cloud.wait_for("closed", 1);
}

#[test]
fn an_exit_in_the_middle_of_everything_whose_handlers_call_the_library() {
    leaves("main", "uses");
    leaves("thread", "uses");
    leaves("callback", "uses");
}

#[test]
fn an_exit_in_the_middle_of_everything_whose_handlers_end_the_connector() {
    leaves("main", "destroys");
    leaves("thread", "destroys");
    leaves("callback", "destroys");
}

#[test]
fn a_disk_that_cannot_be_read_keeps_nobody_waiting() {
    let stage = Stage::new("unreadable", EXPORTS, &[]);
    let outbox = stage.path("outbox.db");
    stage.run(&[&outbox]);
}

/// `fork.c`, which `c_surface` runs, has a child make every call that there is.
#[test]
fn every_function_is_called_in_a_forked_child() {
    let source = fs::read_to_string(root().join("tests/c/fork.c")).expect("its source");
    for export in exports::listed() {
        // The inline compares the header's version.
        let name = export.name.trim_end_matches("_n").trim_end_matches("_version");
        let called = source.contains(&format!("{name}(")) || export.name == "nbwss_version";
        assert!(called, "tests/c/fork.c does not call {}", export.name);
    }
}

#[test]
fn children_inherit_no_descriptor() {
    let stage = Stage::new("inherited", &[], &[]);
    let directory = stage.path("");
    stage.run(&[&directory]);
}

#[test]
fn signals_are_the_hosts() {
    Stage::new("signals", &[], &[]).run(&[]);
}

/// The rows of the table of threads in docs/threads.md: their names, and what is said of each.
fn documented_threads() -> Vec<(String, String)> {
    let document = fs::read_to_string(root().join("docs/threads.md")).expect("the document");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `nbwss-")?.split_once('`'));
    rows.map(|(name, rest)| (name.to_owned(), rest.to_owned())).collect()
}

#[test]
fn threads_are_those_that_are_documented() {
    let documented = documented_threads();
    let names: Vec<&str> = documented.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["io", "call-0", "report", "store", "dns"]);
    let (_, most_dns) = documented[4].1.split_once("at most ").expect("how many there may be");
    let most_dns: String = most_dns.chars().take_while(char::is_ascii_digit).collect();
    let document = fs::read_to_string(root().join("docs/threads.md")).expect("the document");
    assert!(document.contains("2 MiB"), "the size of the stacks is not documented");
    let scratch = Scratch::new("threads");
    let mut command = Command::new(program(&scratch, "threads", EXPORTS));
    // Rust's standard library would take it from there.
    command.env("RUST_MIN_STACK", "16384").arg(scratch.path()).arg(most_dns);
    Program::start("threads", &mut command).finish_silently();
}

/// Variables that libraries are known to obey, each of which would make this one fail or leave traces.
fn hostile(command: &mut Command, scratch: &Scratch) {
    let nowhere = "http://127.0.0.1:1";
    for name in ["http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, nowhere);
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF"] {
        command.env(name, "/nonexistent");
    }
    command.env("SSLKEYLOGFILE", scratch.join("keys")).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    command.env("RUST_MIN_STACK", "99999999999999").env("TOKIO_WORKER_THREADS", "0");
}

fn quiet(descriptors: &str) {
    let stage = Stage::new("quiet", EXPORTS, &[]);
    let locale = stage.path("de_DE.UTF-8");
    let made = Command::new("localedef").args(["-f", "UTF-8", "-i", "de_DE", &locale]).output();
    let made = made.unwrap_or_else(|error| panic!("localedef: {error} (make deps installs it)"));
    assert!(made.status.success(), "localedef: {}", String::from_utf8_lossy(&made.stderr));
    let directory = stage.path("own");
    fs::create_dir(&directory).expect("a directory");
    // Without its outputs nothing tells that it hangs.
    let closing = ["timeout", "120", "sh", "-c", r#"exec "$@" <&- >&- 2>&-"#, "sh"];
    let before = if descriptors == "open" { &[][..] } else { &closing };
    let mut command = stage.command(before, &[&directory, descriptors]);
    command.env("LOCPATH", stage.scratch.path()).env("LC_ALL", "de_DE.UTF-8");
    hostile(&mut command, &stage.scratch);
    let end = Program::start("quiet", &mut command).finish();
    let said = fs::read_to_string(Path::new(&directory).join("2")).unwrap_or_default();
    assert!(end.status.success() && end.stdout.is_empty() && end.stderr.is_empty(), "{end:?} {said}");
    assert!(!stage.scratch.join("keys").exists(), "TLS keys were written down");
    stage.cloud.finish();
}

#[test]
fn nothing_is_written_read_or_changed_that_is_the_hosts() {
    quiet("open");
}

#[test]
fn nothing_is_written_to_the_standard_descriptors_that_a_host_has_closed() {
    quiet("closed");
}

#[test]
fn nothing_is_written_to_the_standard_descriptors_that_are_files_of_the_hosts() {
    quiet("files");
}

#[test]
fn a_panic_in_a_call_or_a_session_is_a_status_and_a_log_line() {
    Stage::new("panic", EXPORTS, &[]).run(&["calls"]);
}

#[test]
fn a_panic_in_a_call_or_a_session_is_a_status_and_a_log_line_under_valgrind() {
    let stage = Stage::new("panic", EXPORTS, &[]);
    let mut command = support::valgrind(&stage.program);
    command.arg(stage.cloud.endpoint_file()).arg(stage.cloud.ca_file()).arg("calls");
    stage.run_beside(command, |_| {});
}

#[test]
fn a_panic_around_a_callback_costs_one_call_at_the_most() {
    let stage = Stage::new("panic", EXPORTS, &[]);
    let command = stage.command(&[], &["threads"]);
    stage.run_beside(command, |cloud| {
        for (uri, expected) in [("/after", 200), ("/before", 200), ("/lost", 500), ("/finish", 200)] {
            assert_eq!(status(&cloud.ask("GET", uri, "")), expected, "{uri}");
        }
    });
}

#[test]
fn a_panic_while_polling_costs_one_call_at_the_most() {
    let stage = Stage::new("panic", EXPORTS, &[]);
    let command = stage.command(&[], &["poll"]);
    stage.run_beside(command, |cloud| {
        let statuses = ["/after", "/before", "/lost"].map(|uri| status(&cloud.ask("GET", uri, "")));
        assert!(statuses.iter().filter(|status| **status != 200).count() <= 1, "{statuses:?}");
        assert_eq!(status(&cloud.ask("GET", "/finish", "")), 200);
    });
}

#[test]
fn wherever_a_thread_panics_the_host_lives_and_every_notification_has_its_report() {
    for name in ["nbwss-io", "nbwss-report"] {
        Stage::new("panic_anywhere", EXPORTS, &[]).run(&[name]);
    }
}

/// As long as it may take, and as short as it still makes sense.
const SHUTDOWN_TIMEOUTS: [&str; 2] = ["5000", "400"];

#[test]
fn destroy_is_in_time_against_a_peer_that_does_not_answer() {
    for timeout in SHUTDOWN_TIMEOUTS {
        Stage::new("bounded_end", &[], &[]).run(&["silent", timeout]);
        Stage::new("bounded_end", &[], &[]).run(&["tls", timeout]);
    }
}

#[test]
fn destroy_is_in_time_against_a_name_server_that_does_not_answer() {
    for timeout in SHUTDOWN_TIMEOUTS {
        let stage = Stage::new("bounded_end", &[], &[]);
        let servers = stage.path("resolv.conf");
        fs::write(&servers, "nameserver 127.0.0.9\noptions timeout:30\n").expect("a file");
        let isolate = r#"ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#;
        let before = ["unshare", "--net", "--mount", "sh", "-c", isolate, "sh", &servers];
        let command = stage.command(&before, &["names", timeout]);
        stage.run_beside(command, |_| {});
    }
}

#[test]
fn destroy_is_in_time_against_a_peer_that_reads_nothing() {
    for timeout in SHUTDOWN_TIMEOUTS {
        let mut stage = Stage::new("bounded_end", &[], &["--freeze-after", "1"]);
        let mut command = stage.command(&[], &["full", timeout]);
        let program = Program::start("bounded_end", &mut command);
        stage.cloud.wait_for("connect", 1);
        for _ in 0..24 {
            stage.cloud.type_line("send GET /large");
        }
        program.finish_silently();
    }
}

#[test]
fn destroy_is_in_time_while_a_polling_thread_stays_in_a_callback() {
    let mut stage = Stage::new("bounded_end", &[], &[]);
    let mut command = stage.command(&[], &["polling", "400"]);
    let program = Program::start("bounded_end", &mut command);
    stage.cloud.wait_for("connect", 1);
    stage.cloud.type_line("send GET /stuck");
    program.finish_silently();
    assert_eq!(status(&stage.cloud.wait_for_response("/stuck", 1)), 503);
}

#[test]
fn without_threads_to_be_had() {
    let stage = Stage::new("thread_limit", EXPORTS, &[]);
    let database = stage.path("outbox.db");
    // A user that nobody else is; root is under no limit.
    let user = format!("--ruid={}", 1_000_000 + std::process::id());
    let command = stage.command(&["setpriv", &user, "--bounding-set=-sys_resource,-sys_admin"], &[&database]);
    stage.run_beside(command, |_| {});
}

#[test]
fn without_descriptors_to_be_had() {
    let stage = Stage::new("descriptor_limit", &[], &[]);
    let directory = stage.path("");
    stage.run(&[&directory]);
}

#[test]
fn idle_costs_nothing() {
    let stage = Stage::new("idle", &[], &[]);
    let database = stage.path("outbox.db");
    stage.run(&[&database]);
}

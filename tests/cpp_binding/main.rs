//! The C++ binding in `bindings/cpp`: complete, clean for the compilers and standards that hosts use, documented, and
//! true to its word, by the programs in `tests/cpp`. Each tells its story at its top, is silent and exits 0; where it
//! needs a cloud application, this file plays its part.

#[path = "../support/mod.rs"]
mod support;

mod complete;

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::{CPP_FLAGS, Cloud, Program, Scratch, compile, root, valgrind};

/// Beside the flags of every C++ file of the project: those of strict hosts, of which the binding must be clean, too.
const STRICT: [&str; 5] = ["-Wshadow", "-Wconversion", "-Wsign-conversion", "-Wold-style-cast", "-Wnon-virtual-dtor"];

fn include() -> String {
    format!("-I{}", root().join("bindings/cpp").display())
}

/// A host's program. Of two standards the last counts.
fn build_host(scratch: &Scratch, name: &str, compiler: &str, further: &[&str], sources: &[PathBuf]) -> PathBuf {
    compile(scratch, name, compiler, &[&CPP_FLAGS[..], &[include().as_str()][..], further].concat(), sources)
}

/// A program of `tests/cpp`.
fn build(scratch: &Scratch, name: &str, compiler: &str, further: &[&str]) -> PathBuf {
    let source = root().join("tests/cpp").join(name).with_extension("cpp");
    build_host(scratch, name, compiler, further, &[source])
}

/// Has a host's code compiled as far as to know whether it is right.
fn check_syntax(scratch: &Scratch, compiler: &str, flags: &[&str], code: &str) -> Output {
    let source = scratch.join("host.cpp");
    fs::write(&source, code).unwrap();
    let mut command = Command::new(compiler);
    command.args(CPP_FLAGS).args(STRICT).args(flags).arg("-fsyntax-only");
    command.arg(include()).arg("-I").arg(root().join("include")).arg(source);
    command.output().unwrap_or_else(|error| panic!("{compiler}: {error} (make deps installs it)"))
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_binding_compiles_without_a_warning_for_every_host() {
    let scratch = Scratch::new("cpp-standards");
    // Each header alone, in any order, and all of them.
    let dir = fs::read_dir(root().join("bindings/cpp/nbwss")).expect("the binding's headers");
    let names = dir.map(|entry| entry.expect("a header").file_name().into_string().expect("a name"));
    let mut headers: Vec<String> = names.map(|name| format!("#include <nbwss/{name}>\n")).collect();
    headers.push("#include <nbwss.hpp>\n#include <nbwss.hpp>\n".to_owned());
    for code in &headers {
        let output = check_syntax(&scratch, "g++", &[], code);
        assert!(output.status.success(), "{code}{}", words(&output));
    }
    for compiler in ["g++", "clang++"] {
        for standard in ["-std=c++17", "-std=c++20"] {
            for further in [&[][..], &["-fno-exceptions"], &["-fno-rtti"]] {
                let output = check_syntax(&scratch, compiler, &[&[standard], further].concat(), &headers.concat());
                assert!(output.status.success(), "{compiler} {standard} {further:?}\n{}", words(&output));
            }
        }
    }
}

/// Code that cannot be meant, and a word of what compilers say of it.
#[test]
fn what_cannot_be_meant_does_not_compile() {
    let scratch = Scratch::new("cpp-mistakes");
    let host = |line: &str| {
        format!(
            "#include <nbwss.hpp>\nvoid host(nbwss::Connector &connector, nbwss::Request request);\n\
             void host(nbwss::Connector &connector, nbwss::Request request) {{\n\
             (void)connector, (void)request;\n{line}\n}}\n"
        )
    };
    for compiler in ["g++", "clang++"] {
        assert!(check_syntax(&scratch, compiler, &[], &host("")).status.success());
        for (line, why) in [
            ("connector.start();", "nodiscard"),
            ("connector.health();", "nodiscard"),
            ("nbwss::Connector copy = connector;", "delete"),
            ("nbwss::Request copy = request;", "delete"),
            // Views into a list that goes at the end of the line.
            ("connector.endpoint_list().value().all();", "delete"),
            ("connector.endpoint_validate(\"wss://a/\").value().text();", "delete"),
        ] {
            let output = check_syntax(&scratch, compiler, &[], &host(line));
            assert!(!output.status.success() && words(&output).contains(why), "{compiler}: {line}\n{}", words(&output));
        }
    }
}

#[test]
fn two_files_of_one_program_may_include_it() {
    let scratch = Scratch::new("cpp-twice");
    let files = [
        ("main.cpp", "int main() { return nbwss::Connector::create(other()) ? 0 : 1; }"),
        ("other.cpp", "nbwss::Options other() { return nbwss::Options::create().value(); }"),
    ];
    let files = files.map(|(name, function)| {
        let path = scratch.join(name);
        fs::write(&path, format!("#include <nbwss.hpp>\nnbwss::Options other();\n{function}\n")).unwrap();
        path
    });
    let program = build_host(&scratch, "twice", "g++", &[], &files);
    Program::start("twice", &mut Command::new(program)).finish_silently();
}

#[test]
fn the_documentation_has_no_warning() {
    let scratch = Scratch::new("cpp-docs");
    let settings = format!(
        "INPUT = {}\nRECURSIVE = YES\nFILE_PATTERNS = *.hpp\nOUTPUT_DIRECTORY = {}\nGENERATE_LATEX = NO\n\
         HAVE_DOT = NO\nQUIET = YES\nWARN_AS_ERROR = FAIL_ON_WARNINGS\n",
        root().join("bindings/cpp").display(),
        scratch.path().display()
    );
    let file = scratch.join("Doxyfile");
    fs::write(&file, settings).unwrap();
    let output = Command::new("doxygen").arg(file).output().expect("doxygen (make deps installs it)");
    assert!(output.status.success(), "{}", words(&output));
    // It has seen what it should.
    assert!(scratch.join("html/classnbwss_1_1Connector.html").exists());
}

fn offline(program: &Path, mut command: Command, scratch: &Scratch) {
    Program::start(&program.display().to_string(), command.arg(scratch.path())).finish_silently();
}

#[test]
fn objects() {
    for (compiler, further) in [
        ("g++", &["-std=c++20"][..]),
        ("clang++", &[]),
        ("g++", &["-fno-exceptions", "-fno-rtti"]),
        ("clang++", &["-std=c++20", "-fno-exceptions", "-fno-rtti"]),
    ] {
        let scratch = Scratch::new("objects");
        let program = build(&scratch, "objects", compiler, further);
        offline(&program, Command::new(&program), &scratch);
        // The value of a failure, which nobody catches.
        let end = Program::start("objects", &mut Command::new(&program)).finish();
        assert_eq!(end.status.signal(), Some(6), "{compiler} {further:?}: {end:?}");
        assert_eq!(end.stderr.contains("options: is NULL"), !further.contains(&"-fno-exceptions"), "{}", end.stderr);
    }
}

#[test]
fn objects_under_valgrind() {
    let scratch = Scratch::new("objects");
    let program = build(&scratch, "objects", "g++", &[]);
    offline(&program, valgrind(&program), &scratch);
}

/// Runs a program against a cloud application, and `play` beside it.
fn online(mut command: Command, scratch: &Scratch, play: impl FnOnce(&mut Cloud)) {
    let mut cloud = Cloud::start(scratch, &[]);
    command.arg(cloud.endpoint_file()).arg(cloud.ca_file());
    let program = Program::start("the program", &mut command);
    play(&mut cloud);
    program.finish_silently();
    cloud.finish();
}

fn status(response: &Value) -> u64 {
    response["statusCode"].as_u64().expect("a status code")
}

/// The cloud application's side of `administration.cpp`.
fn take_notifications(cloud: &mut Cloud) {
    for state in ["QUEUED", "ACTIVE", "DONE"] {
        cloud.await_job(7, state);
    }
    cloud.await_job(8, "DONE");
    let image = cloud.wait_until("an image", |events| {
        let data = |event: &Value| event["payload"].as_array().cloned().unwrap_or_default();
        events.iter().flat_map(data).find(|element| element["object"] == "IMAGE")
    });
    assert_eq!(image["data"][0]["backupId"], "client.example.com_1459829674");
}

#[test]
fn administration() {
    let scratch = Scratch::new("administration");
    online(Command::new(build(&scratch, "administration", "clang++", &[])), &scratch, take_notifications);
}

#[test]
fn administration_under_valgrind() {
    let scratch = Scratch::new("administration");
    online(valgrind(&build(&scratch, "administration", "g++", &[])), &scratch, take_notifications);
}

/// The cloud application's side of `calls.cpp`.
fn ask_for_everything(cloud: &mut Cloud) {
    cloud.type_line("await-session");
    for uri in ["/dropped", "/replaced"] {
        let dropped = cloud.ask("GET", uri, "");
        assert_eq!(status(&dropped), 500, "{dropped}");
        assert_eq!(dropped["body"], json!({"errorCode": 500, "errorMessage": "the host did not answer"}).to_string());
    }
    for (uri, body) in [("/moved", "here"), ("/another-thread", "from another thread"), ("/twice", "once")] {
        let answer = cloud.ask("GET", uri, "");
        assert_eq!((status(&answer), &answer["body"]), (200, &json!(body)), "{answer}");
    }
    let accessors = json!({
        "uri": "/accessors?first=1&second=2", "method": "POST", "parameters": r#"{"a":"é"}"#,
        "headers": {"x-first": "one", "x-second": "two"},
    });
    assert_eq!(status(&cloud.ask_as("accessors", &accessors.to_string())), 200);
    let refused = cloud.ask("GET", "/refused", "");
    assert_eq!(status(&refused), 418);
    assert_eq!(refused["body"], r#"{"errorCode":418,"errorMessage":"I'm a \"teapot\""}"#);
    let headers = cloud.ask("GET", "/headers", "");
    assert_eq!((status(&headers), &headers["body"]), (202, &json!("{}")));
    assert_eq!(headers["headers"]["content-type"], "application/json");
    assert_eq!(headers["headers"]["x-other"], "1");
    assert_eq!(status(&cloud.ask("GET", "/bad-header", "")), 500);
    let nothing = cloud.ask("DELETE", "/without-body", "");
    assert_eq!((status(&nothing), &nothing["body"]), (204, &Value::Null));
    assert_eq!(status(&cloud.ask("GET", "/late", "")), 504);
    assert_eq!(status(&cloud.ask("GET", "/answer-late", "")), 200);
    cloud.type_line("send GET /left");
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
    assert_eq!(status(&cloud.wait_for_response("/left", 1)), 503);
}

#[test]
fn calls() {
    for (compiler, further) in [("g++", "-std=c++20"), ("clang++", "-fno-exceptions")] {
        let scratch = Scratch::new("calls");
        online(Command::new(build(&scratch, "calls", compiler, &[further])), &scratch, ask_for_everything);
    }
}

#[test]
fn calls_under_valgrind() {
    let scratch = Scratch::new("calls");
    online(valgrind(&build(&scratch, "calls", "g++", &[])), &scratch, ask_for_everything);
}

/// The cloud application's side of `throws.cpp`.
fn make_it_throw(cloud: &mut Cloud) {
    cloud.type_line("await-session");
    assert_eq!(status(&cloud.ask("GET", "/before", "")), 500);
    assert_eq!(status(&cloud.ask("GET", "/after", "")), 201);
    cloud.type_line("send GET /put-by");
    assert_eq!(status(&cloud.ask("GET", "/was-put-by", "")), 200);
    assert_eq!(cloud.wait_for_response("/put-by", 1)["body"], "put by");
    assert_eq!(status(&cloud.ask("GET", "/misused", "")), 500);
    assert_eq!(status(&cloud.ask("GET", "/cancelled", "")), 504);
    cloud.await_job(1, "QUEUED");
    assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
    // All of it in one session.
    assert_eq!(cloud.events().iter().filter(|event| event["event"] == "connect").count(), 1);
}

#[test]
fn callbacks_that_throw() {
    let scratch = Scratch::new("throws");
    online(Command::new(build(&scratch, "throws", "clang++", &["-std=c++20"])), &scratch, make_it_throw);
}

#[test]
fn callbacks_that_throw_under_valgrind() {
    let scratch = Scratch::new("throws");
    online(valgrind(&build(&scratch, "throws", "g++", &[])), &scratch, make_it_throw);
}

/// An event loop's host: `polled.cpp`.
#[test]
fn polling_under_valgrind() {
    let scratch = Scratch::new("polled");
    online(valgrind(&build(&scratch, "polled", "g++", &[])), &scratch, |cloud| {
        cloud.type_line("await-session");
        assert_eq!(cloud.flood(50, "GET", "/here"), [(200, 50)].into());
        assert_eq!(status(&cloud.ask("GET", "/throw", "")), 500);
        assert_eq!(status(&cloud.ask("DELETE", "/finish", "")), 200);
    });
}

#[test]
fn the_example_host_serves_and_notifies() {
    let scratch = Scratch::new("cpp-host");
    let source = root().join("examples/host.cpp");
    let program = build_host(&scratch, "host", "g++", &[], &[source]);
    let mut cloud = Cloud::start(&scratch, &[]);
    let mut host = Command::new(&program)
        .args([cloud.endpoint_file(), cloud.ca_file()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the host starts");
    let response = cloud.ask("GET", "/netbackup/admin/jobs", "");
    assert_eq!((status(&response), &response["body"]), (200, &json!(r#"{"data":[]}"#)));
    assert_eq!(response["headers"]["content-type"], "application/json");
    assert_eq!(status(&cloud.ask("GET", "/elsewhere", "")), 403);
    cloud.await_job(144, "ACTIVE");
    cloud.await_job(144, "DONE");
    host.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = host.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?}\n{said}", output.status);
    for line in ["GET /netbackup/admin/jobs", "notification 1 delivered", "notification 2 delivered"] {
        assert_eq!(said.lines().filter(|said| *said == line).count(), 1, "{said}");
    }
    cloud.finish();

    let end = Program::start("host", Command::new(program).args(["/nonexistent", "/nonexistent/ca.pem"])).finish();
    assert_eq!(end.status.code(), Some(1));
    assert!(end.stderr.contains("NBWSS_IO") && end.stderr.contains("/nonexistent/ca.pem"), "{}", end.stderr);
}

//! What a program asked of the operating system, as strace tells it.

use std::path::Path;
use std::process::Command;

/// A step that matters to a file.
#[derive(Debug, Clone)]
pub enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    /// All steps before it are safe.
    Sync,
    /// A line on standard output.
    Say(String),
}

/// A command that runs the program under strace, with these flags.
pub fn command(program: &Command, flags: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]).args(flags).arg("--").arg(program.get_program()).args(program.get_args());
    command
}

/// The steps of a trace of one thread, from opening `file` on.
pub fn read(trace: &Path, file: &Path) -> Vec<Step> {
    let text = std::fs::read_to_string(trace).expect("a trace");
    let name = file.to_str().expect("a path in UTF-8");
    let mut descriptor = String::new();
    let mut steps = Vec::new();
    for line in text.lines() {
        // Process id, call, arguments, result.
        let Some((call, result)) = line.split_once(' ').and_then(|(_, rest)| rest.trim_start().rsplit_once(" = "))
        else {
            continue;
        };
        let Some((call, arguments)) = call.split_once('(') else { continue };
        let arguments = arguments.trim_end().trim_end_matches(')');
        if call == "openat" && arguments.contains(&hex(name)) && !result.starts_with('-') {
            result.clone_into(&mut descriptor);
            continue;
        }
        let (first, rest) = arguments.split_once(", ").unwrap_or((arguments, ""));
        if call == "write" && first == "1" {
            let said = String::from_utf8(unhex(rest)).expect("text");
            steps.push(Step::Say(said.trim_end().to_owned()));
        } else if first == descriptor {
            let last = || rest.rsplit(", ").next().and_then(|number| number.parse().ok()).expect("a number");
            match call {
                "pwrite64" => steps.push(Step::Write(last(), unhex(rest))),
                "ftruncate" => steps.push(Step::SetLen(last())),
                "fdatasync" | "fsync" => steps.push(Step::Sync),
                "openat" | "pread64" => {}
                other => panic!("{other} is not understood"),
            }
        }
    }
    steps
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// The bytes of the first text in quotes, which strace writes in hexadecimal.
fn unhex(arguments: &str) -> Vec<u8> {
    let quoted = arguments.split('"').nth(1).expect("a text");
    let byte = |digits: &str| u8::from_str_radix(digits, 16).expect("hexadecimal");
    quoted.split("\\x").skip(1).map(byte).collect()
}

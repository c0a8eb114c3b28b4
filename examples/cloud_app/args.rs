//! The command line: what each flag means, and a text that says what is wrong with one.
//! Leaves the doing to the others.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
cloud_app: a cloud application to test a backup host against (a WebSocket server over TLS)

  --listen ADDR:PORT    where to listen (127.0.0.1:0; port 0 takes a free one)
  --dir DIR             where ca.pem, server.pem, server.key and endpoint.json go (.)
  --cert-from DIR       take CA, certificate and key that an earlier run left there
  --token T             the endpoint's token (random)
  --priority N          the endpoint's priority (1)
  --group G             the endpoint's server group (cloud)
  --host-name H         the endpoint's host name (cloud.example.com)
  --script FILE         commands, one a line; after the last one sessions are closed with 1000.
                        Without it they are read from standard input: 'help' lists them
  --timeout SECONDS     how long a command waits for what it expects (10)
  --json                one JSON object a line instead of the transcript
  --help                this text

Misbehaviour, on every connection, or with --once on the first one only:
  --reject-token        answer every CONNECT with valid:false
  --drop-acks N         leave the first N NOTIFICATION messages unacknowledged; a repeat counts too
  --no-acks             acknowledge none
  --duplicate-acks      acknowledge each one twice
  --unknown-acks        also acknowledge ids that never were
  --stall PHASE         go no further at tcp, tls, upgrade or connect
  --http-status N       answer the upgrade with this HTTP status
  --close-after N[:CODE]  after N text messages: a close frame (code 1000)
  --reset-after N         a TCP reset; what was sent just before may be lost with it
  --garbage-after N       a text message that cannot be decoded
  --freeze-after N        read nothing any more: no pongs, but commands still go out
  --duplicate-commands  send every COMMAND twice under the same id
  --early-command       send a COMMAND before the CONNECT is answered

N text messages are those received on the connection. The CONNECT is the first, and the Nth is
still handled: 0 means before the CONNECT, 1 right after the session was established.

Exit code: 0 all as expected, 1 something was not, 2 bad arguments or no way to start.
";

/// Where `--stall` stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Accepted, and not one byte sent.
    Tcp,
    /// Half of the server's first TLS flight.
    Tls,
    /// TLS is up, the upgrade request stays unanswered.
    Upgrade,
    /// The WebSocket is up, the CONNECT stays unanswered.
    Connect,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Close(u16),
    Reset,
    Garbage,
    Freeze,
}

/// How one connection is to be treated badly; the default is a faultless one.
#[derive(Clone, Default)]
pub struct Misbehaviour {
    pub reject_token: bool,
    /// NOTIFICATION messages to leave unacknowledged.
    pub drop_acks: u64,
    pub duplicate_acks: bool,
    pub unknown_acks: bool,
    pub stall: Option<Phase>,
    pub http_status: Option<u16>,
    /// What happens after how many received text messages.
    pub after: Vec<(u64, Fault)>,
    pub duplicate_commands: bool,
    pub early_command: bool,
}

#[derive(Clone)]
pub struct Options {
    pub listen: SocketAddr,
    pub dir: PathBuf,
    pub cert_from: Option<PathBuf>,
    pub token: String,
    pub priority: u64,
    pub group: String,
    pub host_name: String,
    pub script: Option<PathBuf>,
    pub timeout: Duration,
    pub json: bool,
    pub once: bool,
    pub misbehaviour: Misbehaviour,
}

impl Options {
    /// How the connection with this number (from 1) is to be treated.
    pub fn misbehaviour_of(&self, connection: u64) -> Misbehaviour {
        if self.once && connection > 1 { Misbehaviour::default() } else { self.misbehaviour.clone() }
    }
}

/// `None`: help was asked for.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        dir: PathBuf::from("."),
        cert_from: None,
        token: random_token(),
        priority: 1,
        group: "cloud".to_owned(),
        host_name: "cloud.example.com".to_owned(),
        script: None,
        timeout: Duration::from_secs(10),
        json: false,
        once: false,
        misbehaviour: Misbehaviour::default(),
    };
    let mut arguments = Arguments { rest: arguments, inline: None };
    while let Some(flag) = arguments.flag()? {
        let bad = &mut options.misbehaviour;
        match flag.as_str() {
            "--help" | "-h" => return Ok(None),
            "--listen" => {
                options.listen = arguments.parsed(&flag, "an address and port, as 127.0.0.1:8443")?;
            }
            "--dir" => options.dir = arguments.value(&flag)?.into(),
            "--cert-from" => options.cert_from = Some(arguments.value(&flag)?.into()),
            "--token" => options.token = arguments.text(&flag)?,
            "--priority" => options.priority = arguments.parsed(&flag, "a number")?,
            "--group" => options.group = arguments.text(&flag)?,
            "--host-name" => options.host_name = arguments.text(&flag)?,
            "--script" => options.script = Some(arguments.value(&flag)?.into()),
            "--timeout" => options.timeout = arguments.seconds(&flag)?,
            "--json" => options.json = true,
            "--once" => options.once = true,
            "--reject-token" => bad.reject_token = true,
            "--drop-acks" => bad.drop_acks = arguments.parsed(&flag, "a number of messages")?,
            "--no-acks" => bad.drop_acks = u64::MAX,
            "--duplicate-acks" => bad.duplicate_acks = true,
            "--unknown-acks" => bad.unknown_acks = true,
            "--stall" => bad.stall = Some(phase(&arguments.value(&flag)?)?),
            "--http-status" => bad.http_status = Some(http_status(&arguments.value(&flag)?)?),
            "--close-after" => bad.after.push(close_after(&arguments.value(&flag)?)?),
            "--reset-after" => bad.after.push((arguments.messages(&flag)?, Fault::Reset)),
            "--garbage-after" => bad.after.push((arguments.messages(&flag)?, Fault::Garbage)),
            "--freeze-after" => bad.after.push((arguments.messages(&flag)?, Fault::Freeze)),
            "--duplicate-commands" => bad.duplicate_commands = true,
            "--early-command" => bad.early_command = true,
            _ => return Err(format!("{flag}: no such flag (--help lists them)")),
        }
        arguments.nothing_left_inline(&flag)?;
    }
    Ok(Some(options))
}

/// Arguments as `--flag value` or `--flag=value`.
struct Arguments<I> {
    rest: I,
    inline: Option<String>,
}

impl<I: Iterator<Item = String>> Arguments<I> {
    fn flag(&mut self) -> Result<Option<String>, String> {
        let Some(argument) = self.rest.next() else {
            return Ok(None);
        };
        if !argument.starts_with('-') {
            return Err(format!("{argument}: a flag was expected here (--help lists them)"));
        }
        Ok(Some(match argument.split_once('=') {
            Some((flag, value)) => {
                self.inline = Some(value.to_owned());
                flag.to_owned()
            }
            None => argument,
        }))
    }

    fn value(&mut self, flag: &str) -> Result<String, String> {
        match self.inline.take() {
            Some(value) => Ok(value),
            None => self.rest.next().ok_or(format!("{flag} needs a value")),
        }
    }

    fn text(&mut self, flag: &str) -> Result<String, String> {
        let text = self.value(flag)?;
        if text.is_empty() {
            return Err(format!("{flag}: the value is empty"));
        }
        Ok(text)
    }

    fn parsed<T: std::str::FromStr>(&mut self, flag: &str, what: &str) -> Result<T, String> {
        let value = self.value(flag)?;
        let parsed = value.parse();
        parsed.map_err(|_| format!("{flag} {value}: expected {what}"))
    }

    fn messages(&mut self, flag: &str) -> Result<u64, String> {
        self.parsed(flag, "a number of messages")
    }

    fn seconds(&mut self, flag: &str) -> Result<Duration, String> {
        let seconds: f64 = self.parsed(flag, "a number of seconds")?;
        Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|timeout| !timeout.is_zero())
            .ok_or(format!("{flag} {seconds}: expected more than 0 seconds"))
    }

    fn nothing_left_inline(&mut self, flag: &str) -> Result<(), String> {
        match self.inline.take() {
            Some(_) => Err(format!("{flag} takes no value")),
            None => Ok(()),
        }
    }
}

fn phase(text: &str) -> Result<Phase, String> {
    match text {
        "tcp" => Ok(Phase::Tcp),
        "tls" => Ok(Phase::Tls),
        "upgrade" => Ok(Phase::Upgrade),
        "connect" => Ok(Phase::Connect),
        _ => Err(format!("--stall {text}: expected tcp, tls, upgrade or connect")),
    }
}

fn http_status(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|status| (100..=599).contains(status))
        .ok_or(format!("--http-status {text}: expected 100 to 599"))
}

fn close_after(text: &str) -> Result<(u64, Fault), String> {
    let (messages, code) = text.split_once(':').unwrap_or((text, "1000"));
    let wrong = |part: &str| format!("--close-after {text}: {part}");
    let messages = messages.parse().map_err(|_| wrong("expected N or N:CODE"))?;
    Ok((messages, Fault::Close(close_code(code).map_err(|why| wrong(&why))?)))
}

/// A close code that may stand in a frame.
pub fn close_code(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999))
        .ok_or(format!("{text} is not a close code (1000-1003, 1007-1014, 3000-4999)"))
}

fn random_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

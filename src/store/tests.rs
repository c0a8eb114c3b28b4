//! Files that are refused, files that are damaged, and who may have one open.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::*;

mod damage;
mod unsure;

const VALUES: TableDefinition<&str, u64> = TableDefinition::new("values");

/// A directory of this test's own, removed with it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("nbwss-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a scratch directory");
        Scratch(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The file that a process made by [`again`] is to work on.
pub(crate) fn given_file() -> Option<PathBuf> {
    std::env::var_os("NBWSS_TEST_STORE").map(PathBuf::from)
}

/// The test with this name once more, in a process of its own that has a file to work on.
pub(crate) fn again(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args([test, "--exact", "--nocapture"]).env("NBWSS_TEST_STORE", path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// Tells the other process something, on a line of its own between those of the test harness.
pub(crate) fn tell(text: &str) {
    print!("\n@{text}\n");
    std::io::stdout().flush().expect("standard output");
}

/// What [`tell`] told.
pub(crate) fn told(line: &str) -> Option<&str> {
    line.strip_prefix('@')
}

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(path, "values", 1)
}

fn put(store: &Store, key: &str, value: u64) -> Result<(), Error> {
    store.write(|transaction| {
        transaction.open_table(VALUES)?.insert(key, value)?;
        Ok(())
    })
}

fn values(store: &Store) -> Vec<(String, u64)> {
    let all = store.read(|transaction| {
        let mut all = Vec::new();
        let table = match transaction.open_table(VALUES) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(all),
            table => table?,
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            all.push((key.value().to_owned(), value.value()));
        }
        Ok(all)
    });
    all.expect("values")
}

fn refusal(path: &Path) -> String {
    open(path).expect_err("a refusal").to_string()
}

#[test]
fn what_was_written_is_there_when_it_is_opened_again() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    put(&open(&path).unwrap(), "a", 1).unwrap();
    put(&open(&path).unwrap(), "b", 2).unwrap();
    assert_eq!(values(&open(&path).unwrap()), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

#[test]
fn an_unfinished_change_leaves_nothing() {
    let scratch = Scratch::new();
    let store = open(&scratch.file("db")).unwrap();
    put(&store, "a", 1).unwrap();
    let failed: Result<(), Error> = store.write(|transaction| {
        transaction.open_table(VALUES)?.insert("a", 2)?;
        Err(redb::Error::Corrupted("not really".into()))
    });
    assert!(failed.unwrap_err().to_string().contains("the next change is tried anew"));
    assert_eq!(values(&store), [("a".to_owned(), 1)]);
    put(&store, "b", 2).unwrap();
}

#[test]
fn one_at_a_time_has_it_open() {
    if let Some(path) = given_file() {
        let _store = open(&path).unwrap();
        tell("open");
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let scratch = Scratch::new();
    let path = scratch.file("db");
    let store = open(&path).unwrap();
    assert!(matches!(open(&path), Err(Error::StoreInUse(used)) if used == path));
    drop(store);

    let mut child = again("store::tests::one_at_a_time_has_it_open", &path).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| told(&line.unwrap()) == Some("open")));
    assert!(matches!(open(&path), Err(Error::StoreInUse(_))));
    // A process that is killed leaves its lock to the next.
    child.kill().unwrap();
    child.wait().unwrap();
    open(&path).unwrap();
}

/// However they meet, in making the file and in putting another in its place: nobody works on one that is gone.
#[test]
fn those_who_open_it_at_once_take_turns() {
    let scratch = Scratch::new();
    for round in 0..20 {
        let path = scratch.file(&format!("db{round}"));
        let barrier = Barrier::new(4);
        thread::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let (path, barrier) = (&path, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let store = loop {
                        match open(path) {
                            Err(Error::StoreInUse(_)) => thread::yield_now(),
                            store => break store.unwrap(),
                        }
                    };
                    put(&store, name, 1).unwrap();
                    let all = values(&store);
                    let fill = |transaction: &WriteTransaction| {
                        let mut table = transaction.open_table(VALUES)?;
                        for (key, value) in &all {
                            table.insert(key.as_str(), value)?;
                        }
                        Ok(())
                    };
                    store.rewrite(fill).unwrap();
                });
            }
        });
        assert_eq!(values(&open(&path).unwrap()).len(), 4, "round {round}");
    }
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owner_s_alone_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    if let Some(path) = given_file() {
        put(&open(&path).unwrap(), "a", 1).unwrap();
        return;
    }
    let scratch = Scratch::new();
    for umask in ["000", "022", "777"] {
        let path = scratch.file(umask);
        let child = again("store::tests::the_file_is_its_owner_s_alone_whatever_the_umask", &path);
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask $0; exec \"$@\"", umask]).arg(child.get_program()).args(child.get_args());
        assert!(shell.env("NBWSS_TEST_STORE", &path).stdout(Stdio::null()).status().unwrap().success());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600, "umask {umask}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_get_at_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let scratch = Scratch::new();
    let path = scratch.file("db");
    drop(open(&path).unwrap());
    for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let why = refusal(&path);
        assert!(why.contains(&format!("mode {mode:o}")) && why.ends_with("chmod 600"), "{why}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    open(&path).unwrap();

    symlink(&path, scratch.file("link")).unwrap();
    symlink(scratch.file("nothing"), scratch.file("dangling")).unwrap();
    for link in ["link", "dangling"] {
        assert!(refusal(&scratch.file(link)).contains("is a symbolic link"));
    }
    assert!(!scratch.file("nothing").exists());

    fs::create_dir(scratch.file("directory")).unwrap();
    assert!(refusal(&scratch.file("directory")).contains("cannot be opened"));
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(scratch.file("fifo")).status().unwrap().success());
    assert!(refusal(&scratch.file("fifo")).contains("is not a regular file"));
    assert!(refusal(&scratch.file("missing/db")).contains("its directory does not exist"));
}

#[test]
fn a_database_of_another_kind_format_or_program_is_refused_and_left_as_it_was() {
    let scratch = Scratch::new();
    let path = scratch.file("db");
    let check = |why: &str| {
        let before = fs::read(&path).unwrap();
        let refused = refusal(&path);
        assert!(refused.contains(why), "{refused}");
        assert!(before == fs::read(&path).unwrap(), "{why}");
        fs::remove_file(&path).unwrap();
    };

    drop(Store::open(&path, "others", 1).unwrap());
    check("holds others, not values");
    drop(Store::open(&path, "values", 7).unwrap());
    check("has format 7, and this library knows formats up to 1");
    for name in ["values", "nbwss"] {
        // Another program's, and one that only looks like ours.
        let database = open_on(file::open(&path).unwrap()).unwrap();
        let definition: TableDefinition<u64, &str> = TableDefinition::new(name);
        let fill = |transaction: &WriteTransaction| {
            transaction.open_table(definition)?.insert(1, "x")?;
            Ok(())
        };
        write(&database, fill).unwrap();
        drop(database);
        check("not a database of this library; nothing in it was changed");
    }
    assert!(matches!(Store::open(&path, "values", 7), Ok(store) if store.format == 7));
    assert!(matches!(open(&path), Err(Error::StoreNewer { format: 7, known: 1, .. })));
}

/// On a file that cannot grow beyond what the system lets this process write, as on a full disk.
#[cfg(target_os = "linux")]
#[test]
fn after_the_disk_was_full_it_goes_on() {
    if let Some(path) = given_file() {
        let store = open(&path).unwrap();
        let key = |number: u64| format!("{number:01000}");
        let full = (0..20_000).find_map(|number| put(&store, &key(number), number).err().map(|error| (number, error)));
        let (count, error) = full.expect("a full disk");
        assert!(count > 10, "{count}");
        let told = crate::error::with_causes(&error);
        assert!(told.contains("cannot be written") && told.contains("os error"), "{told}");
        // What was there is there, and it can be read while the disk is full.
        assert_eq!(values(&store).len() as u64, count);
        assert!(put(&store, &key(count), count).is_err() || values(&store).len() as u64 == count + 1);
        let this = std::process::id().to_string();
        assert!(Command::new("prlimit").args(["--fsize=unlimited", "--pid", &this]).status().unwrap().success());
        for number in count..count + 100 {
            put(&store, &key(number), number).unwrap();
        }
        drop(store);
        assert_eq!(values(&open(&path).unwrap()).len() as u64, count + 100);
        return;
    }
    let scratch = Scratch::new();
    let child = again("store::tests::after_the_disk_was_full_it_goes_on", &scratch.file("db"));
    let mut shell = Command::new("sh");
    // The signal would end the process; a full disk sends none. 2 MiB in units of 512 bytes.
    shell.args(["-c", "trap '' XFSZ; ulimit -S -f 4096; exec \"$0\" \"$@\""]);
    shell.arg(child.get_program()).args(child.get_args());
    assert!(shell.env("NBWSS_TEST_STORE", scratch.file("db")).status().unwrap().success());
}

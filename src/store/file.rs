//! A database's file as the operating system sees it: this user's alone, and opened by one only.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use redb::DatabaseError;
use redb::backends::FileBackend;

use crate::error::Error;

/// Opens or makes the file, and locks it until it is closed. The operating system takes the lock away from a process
/// that dies. File systems without locks, some network ones, are used without.
///
/// # Errors
/// [`Error::Store`] names what is wrong with the file; [`Error::StoreInUse`].
pub(super) fn open(path: &Path) -> Result<FileBackend, Error> {
    let refused = |why: &str, source: Option<io::Error>| Error::Store {
        path: path.to_owned(),
        why: why.to_owned(),
        source: source.map(Into::into),
    };
    let file = match existing(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::StoreInUse(path.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(refused("its directory does not exist; make it, for this user only (chmod 700)", None));
            }
            made => made.map_err(|error| refused("cannot be made", Some(error)))?,
        },
        found => found.map_err(|error| {
            let link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
            let why = if link { "is a symbolic link; name the file that it points to" } else { "cannot be opened" };
            refused(why, Some(error))
        })?,
    };
    let unknown = |error| refused("cannot be looked at", Some(error));
    let metadata = file.metadata().map_err(unknown)?;
    check(&metadata, effective_user().map_err(unknown)?).map_err(|why| refused(&why, None))?;
    let locked = FileBackend::new(file).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => Error::StoreInUse(path.to_owned()),
        error => Error::Store { path: path.to_owned(), why: "cannot be locked".into(), source: Some(error.into()) },
    })?;
    // Whoever had the lock until now may have put another file in its place.
    match path.symlink_metadata() {
        Ok(now) if is_same(&now, &metadata) => Ok(locked),
        _ => Err(Error::StoreInUse(path.to_owned())),
    }
}

/// Where the successor of a database is made before it takes the database's place.
pub(super) fn successor(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    PathBuf::from(name)
}

/// Puts one file in the place of another, which is gone then.
pub(super) fn replace(old: &Path, new: &Path) -> io::Result<()> {
    fs::rename(new, old)?;
    sync_directory(old);
    Ok(())
}

/// Has the file's name survive a power failure, too. Not every file system can, so a refusal counts for nothing.
#[cfg(unix)]
fn sync_directory(path: &Path) {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
}

#[cfg(unix)]
fn existing(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    // The process's umask may have taken even the owner's bits.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    sync_directory(path);
    Ok(file)
}

/// Whether it is a regular file that nobody but the user may use.
#[cfg(unix)]
fn check(metadata: &fs::Metadata, user: u32) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    if !metadata.is_file() {
        return Err("is not a regular file".into());
    }
    let owner = metadata.uid();
    if owner != user {
        return Err(format!("belongs to user {owner}, and this process runs as user {user}: chown {user}"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(format!("is open to other users (mode {mode:o}) and holds secrets: chmod 600"));
    }
    Ok(())
}

/// The user that files are made as, by asking whose a pipe is that this process just made.
#[cfg(unix)]
fn effective_user() -> io::Result<u32> {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt;
    let (reader, _) = io::pipe()?;
    Ok(File::from(OwnedFd::from(reader)).metadata()?.uid())
}

#[cfg(unix)]
fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere the directory's access rules decide who may use the file: keep it in one that only this user may use.
#[cfg(not(unix))]
fn existing(path: &Path) -> io::Result<File> {
    if path.symlink_metadata()?.is_symlink() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new().read(true).write(true).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

#[cfg(not(unix))]
fn check(metadata: &fs::Metadata, _: u32) -> Result<(), String> {
    if metadata.is_file() { Ok(()) } else { Err("is not a regular file".into()) }
}

#[cfg(not(unix))]
fn effective_user() -> io::Result<u32> {
    Ok(0)
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) {}

/// A file that is open cannot be replaced here.
#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::store::tests::Scratch;

    #[test]
    fn another_user_s_file_is_refused() {
        let scratch = Scratch::new();
        fs::write(scratch.file("own"), "").unwrap();
        let user = effective_user().unwrap();
        assert_eq!(user, scratch.file("own").metadata().unwrap().uid(), "files that we make are ours");

        drop(open(&scratch.file("db")).unwrap());
        let metadata = scratch.file("db").metadata().unwrap();
        check(&metadata, user).unwrap();
        let why = check(&metadata, user + 1).unwrap_err();
        assert!(why.starts_with(&format!("belongs to user {user}")), "{why}");
    }
}

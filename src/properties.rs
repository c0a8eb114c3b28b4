//! Files of settings as NetBackup's `nbwss.properties` has them: lines of `key=value`, or `key: value`.
//!
//! Blank lines and lines that begin with `#` or `!` are passed over, whatever their bytes; the others are UTF-8. White
//! space around keys and values is passed over, too; lines end in LF or CRLF. A key that this library does not know is
//! reported and does no harm, because the field's files hold keys of other versions, too. A key that is there twice: the
//! last one counts.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::settings::{Settings, shown};

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A line whose key is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// Counted from 1.
    pub line: usize,
    /// The key, shortened.
    pub key: String,
}

/// Reads a file into the settings. All or nothing: on an error they are as they were.
///
/// # Errors
/// [`Error::File`] where the file cannot be read or a line is not `key=value`; [`Error::Properties`] names the line of
/// a value that is refused.
pub fn load(settings: &mut Settings, path: &Path) -> Result<Vec<UnknownKey>, Error> {
    let refused = |why: String, source| Error::File { path: path.to_owned(), why, source };
    let unreadable = |source| refused("cannot be read".into(), Some(source));
    // Wiped, for it may hold a password; with room for all there may be, so that no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize + 2));
    File::open(path).map_err(unreadable)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(refused(format!("is larger than {MAX_FILE_BYTES} bytes"), None));
    }
    let mut changed = settings.clone();
    let mut unknown = Vec::new();
    let lines = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes).split(|byte| *byte == b'\n');
    for (line, bytes) in (1..).zip(lines) {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() || bytes.starts_with(b"#") || bytes.starts_with(b"!") {
            continue;
        }
        let text = std::str::from_utf8(bytes).map_err(|_| refused(format!("line {line} is not UTF-8"), None))?;
        let (key, value) =
            text.split_once(['=', ':']).ok_or_else(|| refused(format!("line {line} is not key=value"), None))?;
        let (key, value) = (key.trim_end(), value.trim_start());
        match changed.set(key, value) {
            Ok(()) => {}
            Err(Error::UnknownKey(_)) => unknown.push(UnknownKey { line, key: shown(key) }),
            Err(why) => return Err(Error::Properties { path: path.to_owned(), line, why: Box::new(why) }),
        }
    }
    *settings = changed;
    Ok(unknown)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    fn file(name: &str, content: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("nbwss-{}-{name}.properties", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    fn load_text(name: &str, settings: &mut Settings, content: &[u8]) -> Result<Vec<UnknownKey>, Error> {
        let path = file(name, content);
        let result = load(settings, &path);
        std::fs::remove_file(path).unwrap();
        result
    }

    #[test]
    fn a_file_of_the_field_is_read_as_it_is() {
        let mut settings = Settings::default();
        let text = b"\xef\xbb\xbf# NBWSS\r\n\r\n! f\xfcr mehr\r\nexception.ignoreDecoder = TRUE\r\nkeepAlive.scheduledRate=7\r\n\
                     \tcom.example.other=1\r\nkeepAlive.scheduledRate=9\r\ntls.caFile= /a=b \r\n\x0c\n\
                     proxy.url: http://p:1\n#last";
        let unknown = load_text("field", &mut settings, text).unwrap();
        assert_eq!(unknown, [UnknownKey { line: 6, key: "com.example.other".into() }]);
        assert_eq!(settings.proxy_url, "http://p:1");
        assert!(settings.ignore_undecodable);
        assert_eq!(settings.keep_alive_interval, Duration::from_secs(9));
        assert_eq!(settings.ca_file.as_deref(), Some(Path::new("/a=b")));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_changes_nothing() {
        let cases: [(&[u8], &str); 4] = [
            (
                b"keepAlive.scheduledRate=7\nnotification.scheduledRate=soon",
                "line 2: setting notification.scheduledRate",
            ),
            (b"keepAlive.scheduledRate=7\n\nwhatever", "line 3 is not key=value"),
            (b"keepAlive.scheduledRate=7\n#\xff\nproxy.user=\xff", "line 3 is not UTF-8"),
            (&[b'#'; MAX_FILE_BYTES as usize + 1], "is larger than"),
        ];
        for (content, words) in cases {
            let mut settings = Settings::default();
            let error = load_text("wrong", &mut settings, content).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert_eq!(settings.keep_alive_interval, Duration::from_secs(30));
        }
        let missing = load(&mut Settings::default(), Path::new("/nowhere.properties")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere.properties: cannot be read"), "{missing}");
    }
}

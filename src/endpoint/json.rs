//! Endpoint details as JSON: one object or an array of them, from text or from a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::Utf8Error;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::details::{Details, Invalid, Rule};
use crate::error::Error;
use crate::secret::Secret;

/// Largest JSON text or file with endpoint details, in bytes.
pub const MAX_JSON_BYTES: usize = 65536;

/// The known keys, each still as JSON text so that its own error can name it. Others are ignored.
#[derive(Deserialize)]
struct Keys<'j> {
    #[serde(borrow, rename = "hostName")]
    host_name: Option<&'j RawValue>,
    #[serde(borrow)]
    url: Option<&'j RawValue>,
    #[serde(borrow, rename = "groupId")]
    group_id: Option<&'j RawValue>,
    #[serde(borrow)]
    priority: Option<&'j RawValue>,
    #[serde(borrow)]
    token: Option<&'j RawValue>,
}

/// Reads endpoint details: one JSON object, or an array of them. All or nothing.
///
/// # Errors
/// [`Error::InvalidEndpoint`] names the field and, in an array, the element; text that is not JSON is named by
/// line and column. The token is never quoted.
pub fn parse(text: &[u8]) -> Result<Vec<Details>, Error> {
    if text.len() > MAX_JSON_BYTES {
        let why = format!("is longer than the {MAX_JSON_BYTES} bytes that are allowed");
        return Err(Invalid::new(Rule::TooLong, "json", why).into());
    }
    let text = std::str::from_utf8(text).map_err(|error| not_utf8("json", error))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_ascii_start().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        if elements.is_empty() {
            return Err(Invalid::new(Rule::Missing, "json", "is an empty array").into());
        }
        let details = elements
            .iter()
            .enumerate()
            .map(|(index, element)| one(element.get()).map_err(|invalid| Invalid { index: Some(index), ..invalid }));
        Ok(details.collect::<Result<_, _>>()?)
    } else {
        Ok(vec![one(text)?])
    }
}

/// Reads a file with endpoint details.
///
/// # Errors
/// [`Error::File`] where it cannot be read; otherwise as for [`parse`].
pub fn read_file(path: &Path) -> Result<Vec<Details>, Error> {
    let unreadable = |source: std::io::Error| Error::File {
        path: path.to_owned(),
        why: "cannot be read".into(),
        source: Some(source),
    };
    let file = File::open(path).map_err(unreadable)?;
    // Room for all there may be, so that no copy of the token is left behind by growing.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_JSON_BYTES + 2));
    file.take(MAX_JSON_BYTES as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    parse(&text)
}

/// The words for bytes that are no text.
pub(crate) fn not_utf8(field: &'static str, error: Utf8Error) -> Invalid {
    Invalid::new(Rule::NotUtf8, field, format!("is not UTF-8 at byte {}", error.valid_up_to()))
}

fn one(text: &str) -> Result<Details, Invalid> {
    // serde would also take the values of the keys as an array.
    if text.trim_ascii_start().starts_with('[') {
        return Err(not_details());
    }
    let keys: Keys = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let host_name = string("hostName", keys.host_name)?;
    let url = string("url", keys.url)?;
    let group_id = string("groupId", keys.group_id)?;
    let priority = keys.priority.ok_or_else(|| Invalid::new(Rule::Missing, "priority", "is missing"))?;
    let digits = priority.get().trim_matches('"');
    // Rust's own reading of numbers would also take a plus sign.
    let priority = digits.parse().ok().filter(|_| !digits.starts_with('+')).ok_or_else(|| {
        Invalid::new(Rule::BadPriority, "priority", format!("must be a whole number from 0 to {}", i32::MAX))
    })?;
    let token = Secret::new(string("token", keys.token)?.into_owned());
    Details::new(&host_name, &url, &group_id, priority, token)
}

fn string<'j>(field: &'static str, value: Option<&'j RawValue>) -> Result<Cow<'j, str>, Invalid> {
    #[derive(Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);
    let value = value.ok_or_else(|| Invalid::new(Rule::Missing, field, "is missing"))?;
    let text = serde_json::from_str::<Text>(value.get());
    text.map(|text| text.0).map_err(|_| Invalid::new(Rule::WrongType, field, "must be a string"))
}

fn not_details() -> Invalid {
    Invalid::new(Rule::WrongType, "json", "must be an object with endpoint details, or an array of them")
}

/// Syntax by place; what serde says of repeated keys names the key. Neither quotes a value.
fn not_json(error: &serde_json::Error) -> Invalid {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let repeated = ["hostName", "url", "groupId", "priority", "token"]
        .into_iter()
        .find(|field| text.starts_with(&format!("duplicate field `{field}`")));
    match repeated {
        Some(field) => Invalid::new(Rule::DuplicateKey, field, format!("is there twice (line {line} column {column})")),
        None if error.is_data() => not_details(),
        None => Invalid::new(Rule::NotJson, "json", format!("is not JSON at line {line} column {column}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"token":"TOK\"EN","priority":"2","groupId":"g","hostName":"h","url":"wss://h/p","more":[1]}"#;

    #[test]
    fn one_object_or_an_array_and_a_priority_as_number_or_numeric_string() {
        let details = parse(GOOD.as_bytes()).unwrap();
        assert_eq!((details.len(), details[0].priority, details[0].token.expose()), (1, 2, "TOK\"EN"));
        let array = format!("\u{feff} [{GOOD}, {}]", GOOD.replace("\"2\"", "3"));
        let priorities: Vec<i32> = parse(array.as_bytes()).unwrap().iter().map(|details| details.priority).collect();
        assert_eq!(priorities, [2, 3]);
    }

    #[test]
    fn each_fault_is_named_and_nothing_is_quoted() {
        let cases = [
            (GOOD.replace("\"2\"", "\"two\""), "priority: must be"),
            (GOOD.replace("\"2\"", "2.5"), "priority: must be"),
            (GOOD.replace("\"2\"", "\"+2\""), "priority: must be"),
            (GOOD.replace("\"2\"", "4294967296"), "priority: must be"),
            (GOOD.replace("\"priority\":\"2\",", ""), "priority: is missing"),
            (GOOD.replace("\"h\"", "7"), "hostName: must be a string"),
            (GOOD.replace("\"TOK\\\"EN\"", "[\"TOK\"]"), "token: must be a string"),
            (GOOD.replace("\"more\"", "\"token\""), "token: is there twice"),
            (GOOD.replace("\"more\"", "more"), "json: is not JSON at line 1 column"),
            (format!("[{GOOD},\n{}]", GOOD.replace("wss", "ws")), "endpoint 1: url: ws://"),
            ("[]".into(), "json: is an empty array"),
            ("7".into(), "json: must be an object"),
            (r#"[["h","wss://h/p","g",1,"TOK"]]"#.into(), "endpoint 0: json: must be an object"),
            ("".into(), "json: is not JSON"),
            (" ".repeat(MAX_JSON_BYTES + 1), "json: is longer than"),
        ];
        for (text, start) in cases {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(start), "{error} should start with {start}");
            assert!(!error.contains("TOK"), "{error}");
        }
    }
}

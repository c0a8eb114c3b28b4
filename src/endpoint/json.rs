//! Endpoint details as JSON: one object or an array of them, from text or from a file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::Utf8Error;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::details::{Details, Invalid, Rule};
use crate::error::Error;
use crate::secret::Secret;

/// Largest JSON text or file with endpoint details, in bytes.
pub const MAX_JSON_BYTES: usize = 65536;

/// The keys that are read. Others are ignored.
const KEYS: [&str; 5] = ["hostName", "url", "groupId", "priority", "token"];

/// An object by its keys, none of which is there twice: readers differ in which one they take. Each value is still JSON
/// text, so that its own error can name it.
struct Object<'j>(HashMap<Cow<'j, str>, &'j RawValue>);

#[derive(Deserialize)]
struct Text<'j>(#[serde(borrow)] Cow<'j, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'de>, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = HashMap::new();
                while let Some(Text(key)) = map.next_key()? {
                    if members.contains_key(&key) {
                        let known = KEYS.iter().find(|known| **known == key);
                        return Err(A::Error::duplicate_field(known.copied().unwrap_or("json")));
                    }
                    members.insert(key, map.next_value()?);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// How many lines, and bytes of a line, are before a part of a text.
#[derive(Clone, Copy, Default)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn of(part: &str, whole: &str) -> Place {
        let before = &whole.as_bytes()[..part.as_ptr().addr() - whole.as_ptr().addr()];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Place { line: before.iter().filter(|byte| **byte == b'\n').count(), column: before.len() - line_start }
    }
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
        let elements: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| not_json(&error, Place::default()))?;
        if elements.is_empty() {
            return Err(Invalid::new(Rule::Missing, "json", "is an empty array").into());
        }
        let details = elements.iter().map(|element| element.get()).enumerate().map(|(index, element)| {
            one(element, Place::of(element, text)).map_err(|invalid| Invalid { index: Some(index), ..invalid })
        });
        Ok(details.collect::<Result<_, _>>()?)
    } else {
        Ok(vec![one(text, Place::default())?])
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

fn one(text: &str, place: Place) -> Result<Details, Invalid> {
    let Object(members) = serde_json::from_str(text).map_err(|error| not_json(&error, place))?;
    let value = |key| {
        let value = members.get(key).copied().filter(|value| value.get() != "null");
        value.ok_or_else(|| Invalid::new(Rule::Missing, key, "is missing"))
    };
    let string = |key| string(key, value(key)?);
    let host_name = string("hostName")?;
    let url = string("url")?;
    let group_id = string("groupId")?;
    let priority = value("priority")?;
    let digits = priority.get().trim_matches('"');
    // Rust's own reading of numbers would also take a plus sign.
    let priority = digits.parse().ok().filter(|_| !digits.starts_with('+')).ok_or_else(|| {
        Invalid::new(Rule::BadPriority, "priority", format!("must be a whole number from 0 to {}", i32::MAX))
    })?;
    let token = Secret::new(string("token")?.into_owned());
    Details::new(&host_name, &url, &group_id, priority, token)
}

fn string<'j>(field: &'static str, value: &'j RawValue) -> Result<Cow<'j, str>, Invalid> {
    serde_json::from_str(value.get()).map(|Text(text)| text).map_err(|_| {
        if value.get().starts_with('"') {
            // All else that a string must not hold was found before.
            return Invalid::new(Rule::Character, field, r"has half of a surrogate pair (\uD800 to \uDFFF)");
        }
        Invalid::new(Rule::WrongType, field, "must be a string")
    })
}

fn not_details() -> Invalid {
    Invalid::new(Rule::WrongType, "json", "must be an object with endpoint details, or an array of them")
}

/// Syntax by place; what serde says of repeated keys names the key. Neither quotes a value.
fn not_json(error: &serde_json::Error, Place { line, column }: Place) -> Invalid {
    let column = error.column() + if error.line() == 1 { column } else { 0 };
    let line = line + error.line();
    let text = error.to_string();
    let repeated =
        KEYS.into_iter().chain(["json"]).find(|field| text.starts_with(&format!("duplicate field `{field}`")));
    match repeated {
        Some("json") => {
            let why = format!("has a key that is there twice (line {line} column {column})");
            Invalid::new(Rule::DuplicateKey, "json", why)
        }
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
            (GOOD.replace("\"2\"", "null"), "priority: is missing"),
            (GOOD.replace("\"h\"", "null"), "hostName: is missing"),
            (GOOD.replace("\"h\"", "7"), "hostName: must be a string"),
            (GOOD.replace("\"TOK\\\"EN\"", "[\"TOK\"]"), "token: must be a string"),
            (GOOD.replace("\"more\"", "\"token\""), "token: is there twice"),
            (GOOD.replace("\"more\"", "\"a\":1,\"a\""), "json: has a key that is there twice (line 1 column "),
            (GOOD.replace("\"more\"", r#""\u0074oken""#), "token: is there twice"),
            (GOOD.replace("EN", r"\ud800"), "token: has half of a surrogate pair"),
            (GOOD.replace("more", r"\udc00"), "json: is not JSON at line 1 column"),
            (GOOD.replace("\"more\"", "more"), "json: is not JSON at line 1 column"),
            // In an array, places are those of the whole text.
            (format!("[{GOOD},\n {{\"url\":1,\"url\":2}}]"), "endpoint 1: url: is there twice (line 2 column 15)"),
            ("[\n{\n\"url\":1,\n\"url\":2}]".into(), "endpoint 0: url: is there twice (line 4 column 5)"),
            (format!("[{GOOD},\n{{,]"), "json: is not JSON at line 2 column 2"),
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

//! Writing JSON text piece by piece: the hot path appends to one string and builds no tree.

/// Appends `text` as a JSON string with its quotes (RFC 8259, section 7: escapes `"`, `\` and U+0000 to U+001F).
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut clean_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean_from..at]);
        clean_from = at + 1;
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 0xf)]));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[clean_from..]);
    out.push('"');
}

/// Appends a whole number.
pub(crate) fn push_integer(out: &mut String, number: i64) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
}

/// How deep the objects and arrays of a JSON text are nested. A text that is not JSON gets some number, never
/// less than the depth at which a reader would give it up.
pub(crate) fn json_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::{json_depth, push_string};

    #[test]
    fn brackets_count_outside_strings_only() {
        for (text, depth) in
            [("", 0), ("7", 0), ("[]", 1), (r#"{"a":[{}],"b":[]}"#, 3), (r#"["[[[\"[[", "\\"]"#, 1), ("]]][", 1)]
        {
            assert_eq!(json_depth(text), depth, "{text}");
        }
    }

    #[test]
    fn every_character_comes_back_as_it_went_in() {
        let all: String = (0..0x500).chain([0xfffd, 0x1f600]).filter_map(char::from_u32).collect();
        let mut written = String::new();
        push_string(&mut written, &all);
        assert!(written.bytes().all(|byte| byte >= 0x20));
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), all);
    }
}

//! Writing JSON text piece by piece: the hot path appends to one string and builds no tree.

/// How many bytes at the start stand for themselves in a JSON string: all up to a quote, a backslash or a control
/// character (RFC 8259, section 7). Looks at eight bytes at a time.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        // A subtraction reaches the high bit of a byte below 128 if that is less than what is taken from it. What is
        // borrowed then disturbs only the bytes behind, and the first is what counts.
        let backslashes = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        // With this bit changed, control characters and the quote are all that is below `!`.
        let others = (word ^ (ONES * u64::from(b'"' ^ b' '))).wrapping_sub(ONES * u64::from(b'!'));
        let special = (backslashes | others) & !word & HIGH_BITS;
        if special != 0 {
            return bytes.len() - rest.len() + special.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Appends the first `length` bytes of a text. JSON in a string has an escape every few bytes: to copy a block of constant
/// size and to cut it then takes no call, and is quicker than to copy those few.
#[inline(always)]
pub(super) fn push_start(out: &mut String, text: &str, length: usize) {
    const BLOCK: usize = 16;
    match text.get(..BLOCK) {
        Some(block) if length <= BLOCK => {
            let end = out.len() + length;
            out.push_str(block);
            out.truncate(end);
        }
        _ => out.push_str(text.get(..length).unwrap_or_default()),
    }
}

/// Appends `text` as a JSON string with its quotes (RFC 8259, section 7: escapes `"`, `\` and U+0000 to U+001F).
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let plain = plain_run(rest.as_bytes());
        push_start(out, rest, plain);
        let (Some(byte), Some(behind)) = (rest.as_bytes().get(plain), rest.get(plain + 1..)) else { break };
        match byte {
            b'"' => out.push_str("\\\""),
            other => push_escape(out, *other),
        }
        rest = behind;
    }
    out.push('"');
}

/// Appends the escape of a byte other than a quote. These are rare, and apart from the loop they do not slow it down.
#[inline(never)]
fn push_escape(out: &mut String, byte: u8) {
    match byte {
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        control => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(control >> 4)]));
            out.push(char::from(HEX[usize::from(control & 0xf)]));
        }
    }
}

/// Appends a whole number.
pub(crate) fn push_integer(out: &mut String, number: i64) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// Whether objects and arrays are nested deeper than this; exact where the text is JSON.
pub(crate) fn nests_deeper(text: &str, most: usize) -> bool {
    // Few texts have so many brackets at all, and those are quickly counted: many at a time, as far as a byte counts.
    let opening = |bytes: &[u8]| bytes.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    text.as_bytes().chunks(255).map(|bytes| usize::from(opening(bytes))).sum::<usize>() > most
        && json_depth(text) > most
}

/// How deep the objects and arrays of a JSON text are nested. A text that is not JSON gets some number, never
/// less than the depth at which a reader would give it up.
fn json_depth(text: &str) -> usize {
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
    use super::{json_depth, push_integer, push_string};

    #[test]
    fn integers_are_written_as_the_standard_library_writes_them() {
        let places = (0..=18).map(|digits| 10_i64.pow(digits)).flat_map(|power| [power - 1, power, -power]);
        for number in places.chain(0..1000).chain([1_444_856_264, i64::MAX, i64::MIN]) {
            let mut written = String::new();
            push_integer(&mut written, number);
            assert_eq!(written, number.to_string());
        }
    }

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

    #[test]
    fn an_escape_is_written_wherever_it_stands() {
        let special: Vec<char> = ('\0'..=' ').chain(['"', '\\', '\u{7f}', '\u{a2}', '☂', '😀']).collect();
        for length in 0..36 {
            for at in 0..=length {
                for character in &special {
                    let mut text = "x".repeat(length);
                    text.insert(at, *character);
                    for text in [text.clone(), text.clone() + "\"", text + "é"] {
                        let mut written = String::new();
                        push_string(&mut written, &text);
                        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
                    }
                }
            }
        }
    }
}

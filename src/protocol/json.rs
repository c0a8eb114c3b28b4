//! Writing JSON text piece by piece: the hot path appends to one string and builds no tree.

/// How many bytes at the start stand for themselves in a JSON string: all up to a quote, a backslash or a control
/// character (RFC 8259, section 7). Looks at eight bytes at a time.
#[inline]
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        // A subtraction reaches the high bit of a byte below 128 if that is less than what is taken from it. What is
        // borrowed then disturbs only the bytes behind, and the first is what counts.
        let quotes = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
        let backslashes = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        let controls = word.wrapping_sub(ONES * u64::from(b' '));
        let special = (quotes | backslashes | controls) & !word & HIGH_BITS;
        if special != 0 {
            return 8 * index + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Appends `text` as a JSON string with its quotes (RFC 8259, section 7: escapes `"`, `\` and U+0000 to U+001F).
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_run(rest.as_bytes()));
        out.push_str(plain);
        let Some(byte) = special.bytes().next() else { break };
        match byte {
            b'"' => out.push_str("\\\""),
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
        rest = &special[1..];
    }
    out.push('"');
}

/// Appends a whole number.
pub(crate) fn push_integer(out: &mut String, number: i64) {
    if number < 0 {
        out.push('-');
    }
    let mut digits = [b'0'; 20];
    let mut rest = number.unsigned_abs();
    let mut first = digits.len() - 1;
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit += (rest % 10) as u8;
        first = at;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(digits.get(first..).and_then(|digits| std::str::from_utf8(digits).ok()).unwrap_or_default());
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
        for number in [0, 7, 10, -10, 1_444_856_264, i64::MAX, i64::MIN] {
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
}

//! Reading JSON text (RFC 8259) in one pass and in place: no tree is built, and a string without escapes is a
//! piece of the text. Every message of a peer goes through here, so it is made to be quick.

use std::borrow::Cow;

use super::json::{plain_run, push_start};

/// Deepest nesting of objects and arrays that is followed.
const MAX_DEPTH: usize = 128;

/// Why a text is not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// Not JSON, or nested too deeply.
    Syntax,
    /// JSON, but a key is missing, repeated or wrongly typed, or a string that is not text.
    Shape,
}

/// A place in a text. After an error it is where the error is.
#[derive(Clone)]
pub(super) struct Reader<'m> {
    text: &'m str,
    at: usize,
    depth: usize,
}

/// Puts a key's value in its place, unless there was one before.
pub(super) fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Bad> {
    if place.is_some() {
        return Err(Bad::Shape);
    }
    *place = Some(value);
    Ok(())
}

impl<'m> Reader<'m> {
    pub(super) fn new(text: &'m str) -> Reader<'m> {
        Reader { text, at: 0, depth: 0 }
    }

    /// Line and column, both counted from 1.
    pub(super) fn position(&self) -> (usize, usize) {
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        (lines + 1, column + 1)
    }

    /// The text has to end here.
    pub(super) fn end(&mut self) -> Result<(), Bad> {
        if self.next_byte().is_none() { Ok(()) } else { Err(Bad::Syntax) }
    }

    /// Reads an object. `member` is given each key and reads its value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'m, str>) -> Result<(), Bad>,
    ) -> Result<(), Bad> {
        self.series(b'{', b'}', |reader| {
            if !reader.take(b'"') {
                return Err(Bad::Syntax);
            }
            let key = reader.opened_string()?;
            if !reader.take(b':') {
                return Err(Bad::Syntax);
            }
            member(reader, key)
        })
    }

    /// Reads a string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'m, str>, Bad> {
        if self.take(b'"') { self.opened_string() } else { Err(self.unexpected()) }
    }

    /// Reads a string or `null`.
    pub(super) fn optional_string(&mut self) -> Result<Option<Cow<'m, str>>, Bad> {
        if self.next_byte() == Some(b'n') { self.literal("null").map(|()| None) } else { self.string().map(Some) }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self) -> Result<bool, Bad> {
        match self.next_byte() {
            Some(b't') => self.literal("true").map(|()| true),
            Some(b'f') => self.literal("false").map(|()| false),
            _ => Err(self.unexpected()),
        }
    }

    /// Goes past any value.
    pub(super) fn value(&mut self) -> Result<(), Bad> {
        match self.next_byte() {
            Some(b'"') => match self.string() {
                // What nobody wants to read need not be text.
                Ok(_) | Err(Bad::Shape) => Ok(()),
                Err(bad) => Err(bad),
            },
            Some(b'{') => self.object(|reader, _| reader.value()),
            Some(b'[') => self.series(b'[', b']', Self::value),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.number(),
        }
    }

    /// What was read since then, without white space before it.
    pub(super) fn since(&self, start: &Self) -> &'m str {
        self.text.get(start.at..self.at).unwrap_or_default().trim_ascii_start()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not white space.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        match self.byte() {
            Some(byte) if byte <= b' ' => self.next_behind_white_space(),
            byte => byte,
        }
    }

    /// Apart, because most peers send none, and what is seldom needed makes the rest slow.
    #[inline(never)]
    fn next_behind_white_space(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.byte()
    }

    /// Goes past this byte, if it is the next that is not white space.
    fn take(&mut self, expected: u8) -> bool {
        let found = self.next_byte() == Some(expected);
        if found {
            self.at += 1;
        }
        found
    }

    /// What the next value is, where another one was asked for.
    #[cold]
    fn unexpected(&mut self) -> Bad {
        match self.value() {
            Ok(()) => Bad::Shape,
            Err(bad) => bad,
        }
    }

    /// Reads what is between two brackets and separated by commas.
    fn series(
        &mut self,
        open: u8,
        close: u8,
        mut element: impl FnMut(&mut Self) -> Result<(), Bad>,
    ) -> Result<(), Bad> {
        if !self.take(open) {
            return Err(self.unexpected());
        }
        if self.depth == MAX_DEPTH {
            return Err(Bad::Syntax);
        }
        self.depth += 1;
        if !self.take(close) {
            loop {
                element(self)?;
                let separator = self.next_byte();
                if separator != Some(b',') && separator != Some(close) {
                    return Err(Bad::Syntax);
                }
                self.at += 1;
                if separator == Some(close) {
                    break;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn literal(&mut self, literal: &str) -> Result<(), Bad> {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(literal.as_bytes()));
        if !found {
            return Err(Bad::Syntax);
        }
        self.at += literal.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Bad> {
        self.at += usize::from(self.byte() == Some(b'-'));
        if self.byte() == Some(b'0') {
            self.at += 1
        } else {
            self.digits()?
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Bad> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Bad::Syntax) }
    }

    /// Reads a string whose first quote has been taken.
    fn opened_string(&mut self) -> Result<Cow<'m, str>, Bad> {
        let start = self.at;
        self.skip_plain();
        let Some(plain) = self.text.get(start..self.at) else { return Err(Bad::Syntax) };
        if self.byte() != Some(b'"') {
            return self.escaped_string(plain).map(Cow::Owned);
        }
        self.at += 1;
        Ok(Cow::Borrowed(plain))
    }

    /// Reads a string from its first escape on.
    #[inline(never)]
    fn escaped_string(&mut self, begun: &str) -> Result<String, Bad> {
        // As much again as was read, and more than most need.
        let mut out = String::with_capacity(2 * begun.len() + 256);
        out.push_str(begun);
        let mut is_text = true;
        while self.byte() == Some(b'\\') {
            let escape = self.text.as_bytes().get(self.at + 1).copied();
            self.at += 2;
            let decoded = match escape {
                // It stands for itself, and is taken along with what follows.
                Some(b'"' | b'\\' | b'/') => {
                    self.push_plain(&mut out, self.at - 1);
                    continue;
                }
                Some(b'b') => '\u{8}',
                Some(b'f') => '\u{c}',
                Some(b'n') => '\n',
                Some(b'r') => '\r',
                Some(b't') => '\t',
                Some(b'u') => {
                    let decoded = self.unicode()?;
                    is_text &= decoded.is_some();
                    decoded.unwrap_or_default()
                }
                _ => return Err(Bad::Syntax),
            };
            out.push(decoded);
            self.push_plain(&mut out, self.at);
        }
        if self.byte() != Some(b'"') {
            return Err(Bad::Syntax);
        }
        self.at += 1;
        if is_text { Ok(out) } else { Err(Bad::Shape) }
    }

    /// Goes past what needs no unescaping, and appends what was read from `start` on.
    #[inline(always)]
    fn push_plain(&mut self, out: &mut String, start: usize) {
        self.skip_plain();
        if let Some(text) = self.text.get(start..) {
            push_start(out, text, self.at - start);
        }
    }

    /// Goes past what needs no unescaping.
    #[inline]
    fn skip_plain(&mut self) {
        // Not `unwrap_or_default`: reading would wait for the choice between two slices, where a branch is foreseen.
        if let Some(rest) = self.text.as_bytes().get(self.at..) {
            self.at += plain_run(rest);
        }
    }

    /// Reads what is behind `\u`, and the other half of a pair. `None` for one half alone.
    fn unicode(&mut self) -> Result<Option<char>, Bad> {
        let first = self.code_unit()?;
        let mut second = self.clone();
        if (0xd800..0xdc00).contains(&first) && second.literal("\\u").is_ok() {
            let pair = [first, second.code_unit()?];
            if let Some(Ok(decoded)) = char::decode_utf16(pair).next() {
                *self = second;
                return Ok(Some(decoded));
            }
        }
        Ok(char::from_u32(first.into()))
    }

    /// Reads four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u16, Bad> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| !digits.starts_with('+'));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).ok_or(Bad::Syntax)?;
        self.at += 4;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    /// Whether serde_json takes the same texts, and reads the same string.
    fn agrees(text: &str) {
        let mut reader = Reader::new(text);
        let value = reader.value().and_then(|()| reader.end());
        assert_eq!(value.is_ok(), serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text}");
        let mut reader = Reader::new(text);
        let string = reader.string().and_then(|string| reader.end().map(|()| string.into_owned()));
        assert_eq!(string.ok(), serde_json::from_str(text).ok(), "{text}");
    }

    #[test]
    fn another_reader_agrees_on_what_is_json() {
        let numbers = ["0", "-0", "01", "-", "1.", ".5", "1.5e+7", "1e", "1E-2", "+1", "0x1", "1e5.", "--1", "1 2"];
        let words = ["true", "false", "null", "tru", "nul", "True", "", " ", "truefalse"];
        let strings = [
            r#""a\"b\\c\/\b\f\n\r\t""#,
            r#""\u00e9\u2602 \ud83d\ude00 \uD83D\uDE00x""#,
            r#""\ud83d""#,
            r#""\ude00\ud83d""#,
            r#""\ud83d\n""#,
            r#""\ud83d\u0041""#,
            r#""\u00g0""#,
            r#""\u12"#,
            r#""\x""#,
            "\"\\",
            "\"\\é\"",
            "\"a\tb\"",
            "\"é☂\u{7f}\"",
            "\"abcdefgh\\\"",
            "\"open",
        ];
        let nested = [
            r#" { "a" : [ 1 , {} , [ ] ] , "b" : { "c" : "}" } } "#,
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{7:1}",
            "{\"a\":1 \"b\":2}",
            "[}",
            "]",
            "\u{a0}1",
        ];
        for text in [&numbers[..], &words, &strings, &nested].concat() {
            agrees(text);
        }
    }

    #[test]
    fn another_reader_agrees_on_mutated_text() {
        let seed =
            r#"{"a":[-1.5e3,true,null,{"b":"x\"\\\u00e9\ud83d\ude00é"}],"longer key":"a value of more than 8 bytes"}"#;
        let pieces: Vec<char> = "\"\\{}[]:,u0dD-.eE tn\u{1}é".chars().collect();
        let mut random = fastrand::Rng::with_seed(8);
        for _ in 0..100_000 {
            let mut chars: Vec<char> = seed.chars().collect();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..chars.len());
                match random.u8(0..3) {
                    0 => drop(chars.remove(at)),
                    1 => chars.insert(at, pieces[random.usize(0..pieces.len())]),
                    _ => chars[at] = pieces[random.usize(0..pieces.len())],
                }
            }
            let text: String = chars.into_iter().collect();
            agrees(&text);
        }
    }

    #[test]
    fn another_reader_agrees_on_escapes_wherever_they_stand() {
        let pieces = [
            "",
            "\\\"",
            "\\\\",
            "\\/",
            "\\n",
            "\\u00e9",
            "\\ud83d\\ude00",
            "\\ud83d",
            "\\x",
            "\"",
            "\t",
            "é",
            "☂",
            "\\é",
        ];
        for length in 0..36 {
            for at in 0..=length {
                for piece in pieces {
                    let (before, behind) = ("x".repeat(at), "y".repeat(length - at));
                    agrees(&format!("\"{before}{piece}{behind}\""));
                    agrees(&format!("\"\\\"{before}{piece}{behind}"));
                    // What is behind the string is not taken for a part of it.
                    agrees(&format!("\"\\\"{before}{piece}\"{behind}é"));
                }
            }
        }
    }

    #[test]
    fn nesting_is_followed_to_its_bound() {
        for (depth, followed) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false), (100_000, false)] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(Reader::new(&text).value().is_ok(), followed, "{depth}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_from_a_wrong_syntax_and_has_its_place() {
        let mut reader = Reader::new("{\n \"a\": 7}");
        assert_eq!(reader.object(|reader, _| reader.string().map(drop)), Err(Bad::Shape));
        assert_eq!(reader.position().0, 2);
        let mut reader = Reader::new("{\"a\": x}");
        assert_eq!(reader.object(|reader, _| reader.string().map(drop)), Err(Bad::Syntax));
        assert_eq!(reader.position(), (1, 7));
        assert_eq!(Reader::new("[1]").object(|_, _| Ok(())), Err(Bad::Shape));
        assert_eq!(Reader::new("null").optional_string(), Ok(None));
        assert_eq!(Reader::new("1").boolean(), Err(Bad::Shape));
    }
}

//! The id of a COMMAND while its call is under way.

/// A text that lies where it is named, and not in a piece of memory of its own, for each call has one. A UUID fits (36
/// bytes); what does not is on the heap.
#[derive(Debug)]
pub(super) enum Name {
    Short { bytes: [u8; Name::SHORT_BYTES], length: u8 },
    Long(Box<str>),
}

impl Name {
    const SHORT_BYTES: usize = 38;

    pub(super) fn as_str(&self) -> &str {
        match self {
            Name::Short { bytes, length } => {
                let text = bytes.get(..usize::from(*length)).unwrap_or_default();
                std::str::from_utf8(text).unwrap_or_default()
            }
            Name::Long(text) => text,
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        let mut bytes = [0; Name::SHORT_BYTES];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Name::Short { bytes, length: text.len() as u8 }
            }
            None => Name::Long(text.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::MAX_ID_BYTES;

    #[test]
    fn a_name_is_what_it_was_made_of() {
        for length in 0..=MAX_ID_BYTES {
            let text = "x".repeat(length) + "☂";
            assert_eq!(Name::from(&*text).as_str(), text);
        }
    }
}

//! Text that must not be seen: wiped from memory when dropped, and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// A token or password. There is no `Display`, and `Debug` shows only that there is one.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership, so that no copy stays behind.
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The text itself. Each caller is a place where the secret leaves: keep them few.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A text of somebody who knows the secret, without it. (A secret so short that it is part of ordinary words would be
    /// given away by what is missing.)
    pub(crate) fn redacted(&self, text: &str) -> String {
        if self.0.len() < 8 { text.to_owned() } else { text.replace(&**self.0, "[token]") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_does_not_show_the_text() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "[secret]");
    }
}

//! Tokens on disk that only who has the key can read: AES-256-GCM, each bound to the record that it belongs to.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

use crate::error::Error;

/// Length of a key.
const KEY_BYTES: usize = 32;

/// The host's key for tokens on disk. Wiped from memory when dropped, and never printed.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; KEY_BYTES]>);

impl StoreKey {
    /// Takes a copy of the key.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another length than 32 bytes.
    pub fn new(bytes: &[u8]) -> Result<StoreKey, Error> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        if bytes.len() != KEY_BYTES {
            let why = format!("is {} bytes long; must be {KEY_BYTES} random bytes", bytes.len());
            return Err(Error::InvalidArgument { argument: "key", why });
        }
        key.copy_from_slice(bytes);
        Ok(StoreKey(key))
    }

    /// Encrypts. What it is bound to has to be told again to open it.
    pub(super) fn seal(&self, text: &[u8], bound_to: &str) -> Result<Vec<u8>, Unspecified> {
        // Nonce, text, tag; room for all, so that no copy of the text is left behind by growing.
        let mut sealed = Vec::with_capacity(NONCE_LEN + text.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(text);
        let (place, text) = sealed.split_at_mut(NONCE_LEN);
        let (nonce, tag) = self.cipher()?.seal_in_place_separate_tag(Aad::from(bound_to), text)?;
        place.copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Decrypts what was sealed with this key and bound to the same.
    pub(super) fn open(&self, sealed: &[u8], bound_to: &str) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let mut text = Zeroizing::new(rest.to_vec());
        let len = self.cipher()?.open_in_place(nonce, Aad::from(bound_to), &mut text)?.len();
        text.truncate(len);
        Ok(text)
    }

    /// Made for each use: aws-lc wipes its copy of the key when it is freed.
    fn cipher(&self) -> Result<RandomizedNonceKey, Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM, &*self.0)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_the_same_record_open_it() {
        let [key, other] = [1, 2].map(|byte| StoreKey::new(&[byte; 32]).unwrap());
        for text in [&b"token"[..], b""] {
            let sealed = key.seal(text, "record").unwrap();
            assert_eq!(**key.open(&sealed, "record").unwrap(), *text);
            assert_ne!(sealed, key.seal(text, "record").unwrap(), "a nonce is used once");
            assert!(other.open(&sealed, "record").is_err());
            assert!(key.open(&sealed, "another record").is_err());
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert!(key.open(&changed, "record").is_err(), "byte {at}");
                assert!(key.open(&sealed[..at], "record").is_err(), "{at} bytes");
            }
        }
    }

    #[test]
    fn a_key_has_one_length_and_is_not_printed() {
        for len in [0, 31, 33] {
            let error = StoreKey::new(&vec![7; len]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("key: is {len} bytes long; must be 32")), "{error}");
        }
        assert_eq!(format!("{:?}", StoreKey::new(&[7; 32]).unwrap()), "[secret]");
    }
}

//! The encryption of MonkeyCI's parameters and keys (protocol/security.md §4).
//!
//! It owns turning a text into its encrypted form and back, with a key that somebody else has. It leaves to others
//! where keys come from, and what is encrypted. Start reading at [`DataKey`].
//!
//! ```text
//! key         16 bytes for the tag, 16 for the cipher
//! IV          from an id, so equal texts under one id and key look equal; it does not travel
//! encrypted   base64 of: AES-128-CBC (PKCS#7) of the text ‖ first 16 bytes of HMAC-SHA256 of (IV ‖ what is before)
//! ```

use std::fmt;

use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretBox, SecretString};

const BLOCK: usize = 16;
const TAG: usize = 16;
/// The key of the tag, then that of the cipher.
const KEY: usize = 32;

/// Why something could not be encrypted or decrypted. Says nothing of what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// A key that is none.
    #[error("a data key is 32 bytes in base64, and this is not")]
    Key,
    /// Every text is encrypted under an id.
    #[error("nothing can be encrypted under an empty id")]
    Id,
    /// What is to be decrypted has never been encrypted, or was cut.
    #[error("this is no encrypted text")]
    Form,
    /// The tag does not fit.
    #[error("the text was encrypted with another key or under another id, or was changed since")]
    Tag,
    /// What is inside is no text.
    #[error("what was encrypted is no text")]
    Text,
    /// The library said no.
    #[error("the text could not be encrypted")]
    Failed,
}

/// A key that texts are encrypted with: of an org, or of a build.
pub struct DataKey(SecretBox<[u8; KEY]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

impl DataKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; KEY]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// A key as it travels: 32 bytes in base64.
    pub fn from_base64(text: &SecretString) -> Result<Self, CryptoError> {
        let bytes = SecretBox::new(Box::new(
            STANDARD
                .decode(text.expose_secret().trim())
                .map_err(|_| CryptoError::Key)?,
        ));
        let bytes = bytes.expose_secret().as_slice();
        bytes
            .try_into()
            .map(Self::new)
            .map_err(|_| CryptoError::Key)
    }

    /// The encrypted form of a text, under an id.
    pub fn encrypt(&self, id: &str, text: &str) -> Result<String, CryptoError> {
        let iv = iv(id)?;
        let key = self.cipher_key()?;
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| CryptoError::Failed)?;
        let mut sealed = text.as_bytes().to_vec();
        key.less_safe_encrypt(&mut sealed, EncryptionContext::Iv128(FixedLength::from(iv)))
            .map_err(|_| CryptoError::Failed)?;
        let tag = self.tag(&iv, &sealed);
        sealed.extend_from_slice(&tag);
        Ok(STANDARD.encode(sealed))
    }

    /// The text of an encrypted form, under the id that it was encrypted under.
    pub fn decrypt(&self, id: &str, sealed: &str) -> Result<SecretString, CryptoError> {
        let iv = iv(id)?;
        let sealed = STANDARD
            .decode(sealed.trim())
            .map_err(|_| CryptoError::Form)?;
        let (sealed, tag) = sealed
            .split_last_chunk::<TAG>()
            .filter(|(sealed, _)| !sealed.is_empty() && sealed.len() % BLOCK == 0)
            .ok_or(CryptoError::Form)?;
        // Before anything is decrypted, and in a time that does not tell how much of it fits.
        verify_slices_are_equal(&self.tag(&iv, sealed), tag).map_err(|_| CryptoError::Tag)?;
        let key = self.cipher_key()?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| CryptoError::Failed)?;
        let mut open = SecretBox::new(Box::new(sealed.to_vec()));
        let text = secrecy::ExposeSecretMut::expose_secret_mut(&mut open);
        let text = key
            .decrypt(text, DecryptionContext::Iv128(FixedLength::from(iv)))
            .map_err(|_| CryptoError::Form)?;
        let text = std::str::from_utf8(text).map_err(|_| CryptoError::Text)?;
        Ok(SecretString::from(text))
    }

    fn cipher_key(&self) -> Result<UnboundCipherKey, CryptoError> {
        UnboundCipherKey::new(&AES_128, &self.0.expose_secret()[BLOCK..])
            .map_err(|_| CryptoError::Key)
    }

    fn tag(&self, iv: &[u8; BLOCK], sealed: &[u8]) -> [u8; TAG] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0.expose_secret()[..BLOCK]);
        let mut context = hmac::Context::with_key(&key);
        context.update(iv);
        context.update(sealed);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
        tag
    }
}

/// The IV of an id: of each character as many of its lowest bits, highest first, as 128 bits take; these fill the
/// bytes from their lowest bit on.
fn iv(id: &str) -> Result<[u8; BLOCK], CryptoError> {
    // As the JVM counts characters.
    let units: Vec<u16> = id.encode_utf16().collect();
    if units.is_empty() {
        return Err(CryptoError::Id);
    }
    let each = (BLOCK * 8).div_ceil(units.len());
    let bits = units.iter().flat_map(|unit| {
        (0..each).rev().map(move |bit| match bit {
            0..16 => unit >> bit & 1 == 1,
            _ => false,
        })
    });
    let mut iv = [0; BLOCK];
    for (place, set) in bits.take(BLOCK * 8).enumerate() {
        if set {
            iv[place / 8] |= 1 << (place % 8);
        }
    }
    Ok(iv)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWX";
    const LOWER: &str = "abcdefghijklmnopqrstuvwx";

    fn key() -> DataKey {
        DataKey::from_base64(&"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into()).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat()
    }

    #[test]
    fn it_is_what_the_server_does() {
        assert_eq!(hex(&iv(UPPER).unwrap()), "2004232886132445332cc70ba2242baa");
        assert_eq!(hex(&iv(LOWER).unwrap()), "6114276996176555376dd70fe3342feb");
        for (id, text, sealed) in [
            (
                UPPER,
                "hello",
                "kiQq4V3yEG94ojzhp4B1CJu/IZTlkVfBNcL58NlQiKo=",
            ),
            (
                UPPER,
                "a-secret-value-longer-than-16-bytes",
                "FP4hGs1c7i1t5Yj4UvZOVC4z5G6DpMY3QqOFXwgJ8vsgWOJ5lQ/2rx+hS2irwc2HD/bEQ35KL/KczLshWC8nqA==",
            ),
            (
                LOWER,
                "hello",
                "DAbTwFBEeTjQrGSR7Wx/XVRWQpzIC6dklLtn+/NKh+Q=",
            ),
        ] {
            assert_eq!(key().encrypt(id, text).unwrap(), sealed);
            assert_eq!(key().decrypt(id, sealed).unwrap().expose_secret(), text);
        }
    }

    #[test]
    fn another_key_another_id_or_another_byte_is_found_out() {
        let sealed = key().encrypt(UPPER, "hello").unwrap();
        let other = DataKey::new([7; KEY]);
        let error = |result: Result<SecretString, CryptoError>| result.unwrap_err();
        assert_eq!(error(other.decrypt(UPPER, &sealed)), CryptoError::Tag);
        assert_eq!(error(key().decrypt(LOWER, &sealed)), CryptoError::Tag);
        let bytes = STANDARD.decode(&sealed).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = STANDARD.encode(changed);
            assert_eq!(error(key().decrypt(UPPER, &changed)), CryptoError::Tag);
        }
        for cut in 0..bytes.len() {
            let cut = STANDARD.encode(&bytes[..cut]);
            assert!(key().decrypt(UPPER, &cut).is_err());
        }
        for nonsense in ["", "x", "hello", "====", "AAAA"] {
            assert_eq!(error(key().decrypt(UPPER, nonsense)), CryptoError::Form);
        }
        assert_eq!(error(key().decrypt("", &sealed)), CryptoError::Id);
    }

    #[test]
    fn keys_of_other_lengths_are_none_and_no_key_shows() {
        for text in ["", "AAEC", "no base64 at all", &STANDARD.encode([1; 33])] {
            let made = DataKey::from_base64(&text.into());
            assert_eq!(made.unwrap_err(), CryptoError::Key);
        }
        assert_eq!(format!("{:?}", key()), "DataKey");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(
            bytes in any::<[u8; KEY]>(),
            id in ".{1,200}",
            text in any::<String>(),
        ) {
            let key = DataKey::new(bytes);
            let sealed = key.encrypt(&id, &text).unwrap();
            let open = key.decrypt(&id, &sealed).unwrap();
            prop_assert_eq!(open.expose_secret(), text);
        }

        #[test]
        fn nothing_that_is_no_encrypted_text_is_taken_for_one(text in any::<String>()) {
            prop_assert!(key().decrypt(UPPER, &text).is_err());
        }
    }
}

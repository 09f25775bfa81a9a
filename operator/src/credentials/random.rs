//! Secrets drawn from a cryptographic source.

use rand::CryptoRng;
use rand::distr::{Alphanumeric, SampleString};

/// 32 characters of `[A-Za-z0-9]`: 190 bits, and below bcrypt's limit of 72 bytes.
///
/// Letters and digits alone survive every shell, YAML file and URL that a person pastes them into.
pub fn password(rng: &mut impl CryptoRng) -> String {
    Alphanumeric.sample_string(rng, 32)
}

/// 64 lower-case hexadecimal characters (256 bits) for the server's `http.secret`, which signs upload sessions.
pub fn http_secret(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0u8; 32];
    rng.fill_bytes(&mut bytes);
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn a_password_is_letters_and_digits_and_never_twice_the_same() {
        let mut rng = StdRng::seed_from_u64(7);
        let (first, second) = (password(&mut rng), password(&mut rng));
        assert_eq!(first.len(), 32);
        assert!(first.chars().all(|c| c.is_ascii_alphanumeric()), "{first}");
        assert_ne!(first, second);
    }

    #[test]
    fn an_http_secret_is_256_bits_in_hexadecimal() {
        let mut rng = StdRng::seed_from_u64(7);
        let (first, second) = (http_secret(&mut rng), http_secret(&mut rng));
        assert_eq!(first.len(), 64);
        assert!(first.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()), "{first}");
        assert_ne!(first, second);
    }
}

use std::collections::HashMap;

use bcrypt::HashParts;

/// Beyond this one check takes more than ten seconds of a processor, and checks go one at a time.
const MAX_COST: u32 = 16;

/// An htpasswd file, which `auth.htpasswd.path` and `entrepot.auth.managed.path` name: users and their bcrypt hashes.
#[derive(Clone, Default)]
pub struct UserFile {
    hashes: HashMap<Box<str>, Box<str>>,
    cost: u32,
}

/// What PowerShell and editors put before UTF-8.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// What PowerShell's `>` puts before UTF-16, of either byte order.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// What is wrong with an htpasswd file. A hash is never repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserFileError {
    /// As PowerShell's `>` writes it.
    #[error(
        "it is UTF-16 and must be ASCII or UTF-8; in PowerShell, write it with `| Set-Content -Encoding ASCII FILE`"
    )]
    Utf16,
    /// No text at all.
    #[error("line {line}: it is no UTF-8 text")]
    NotText {
        /// One-based.
        line: usize,
    },
    /// No colon, or nothing before it.
    #[error("line {line}: must be `name:hash`")]
    Malformed {
        /// One-based.
        line: usize,
    },
    /// Another algorithm, or a damaged hash.
    #[error("line {line}: the hash of `{name}` is not bcrypt; make it with `htpasswd -B`")]
    NotBcrypt {
        /// One-based.
        line: usize,
        /// Whose.
        name: String,
    },
    /// A hash that takes too long to check.
    #[error("line {line}: the hash of `{name}` has cost {cost}; at most {MAX_COST} is accepted")]
    Cost {
        /// One-based.
        line: usize,
        /// Whose.
        name: String,
        /// bcrypt's cost: each step doubles the work.
        cost: u32,
    },
    /// The same name twice.
    #[error("line {line}: `{name}` is there already")]
    Twice {
        /// One-based, of the second one.
        line: usize,
        /// Whose.
        name: String,
    },
}

impl UserFile {
    /// From the file's bytes. Empty lines and lines that begin with `#` are skipped, and so is a byte order mark.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Self, UserFileError> {
        let bytes = bytes.as_ref();
        if UTF16_MARKS.iter().any(|mark| bytes.starts_with(mark)) {
            return Err(UserFileError::Utf16);
        }
        let bytes = bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.iter().take(error.valid_up_to());
            UserFileError::NotText { line: 1 + before.filter(|byte| **byte == b'\n').count() }
        })?;
        let mut file = Self::default();
        for (index, text) in text.lines().enumerate() {
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                file.add(index + 1, text)?;
            }
        }
        Ok(file)
    }

    fn add(&mut self, line: usize, text: &str) -> Result<(), UserFileError> {
        let (name, hash) = text.split_once(':').ok_or(UserFileError::Malformed { line })?;
        if name.is_empty() {
            return Err(UserFileError::Malformed { line });
        }
        let name = || name.to_owned();
        let parts: HashParts = hash.parse().map_err(|_| UserFileError::NotBcrypt { line, name: name() })?;
        let cost = parts.get_cost();
        if cost > MAX_COST {
            return Err(UserFileError::Cost { line, name: name(), cost });
        }
        self.cost = self.cost.max(cost);
        match self.hashes.insert(name().into(), hash.into()) {
            None => Ok(()),
            Some(_) => Err(UserFileError::Twice { line, name: name() }),
        }
    }

    /// The bcrypt hash of `name`.
    pub fn hash(&self, name: &str) -> Option<&str> {
        self.hashes.get(name).map(AsRef::as_ref)
    }

    /// The highest bcrypt cost in the file; 0 when it is empty.
    pub fn cost(&self) -> u32 {
        self.cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "$2y$05$C4bnFzR5zqOmJZ8yRrh3qemFn4U9fDdl5Y8W0T0oQ4h9n2xXyHyJW";

    fn error(text: &str) -> String {
        UserFile::parse(text).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn reads_names_comments_and_both_line_ends() {
        let file = UserFile::parse(format!("# team\r\n\r\nada:{ADA}\r\nbob:{ADA}\n")).unwrap();
        assert_eq!((file.hash("ada"), file.hash("bob"), file.hash("eve")), (Some(ADA), Some(ADA), None));
        assert_eq!(file.cost(), 5);
    }

    #[test]
    fn a_file_of_windows_is_read_or_told_how_to_write() {
        let file = UserFile::parse(format!("\u{feff}ada:{ADA}\r\n")).unwrap();
        assert_eq!(file.hash("ada"), Some(ADA));
        let utf16 = |bytes: fn(u16) -> [u8; 2]| {
            let text = format!("\u{feff}ada:{ADA}\r\n");
            UserFile::parse(text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()).map(drop)
        };
        assert_eq!(utf16(u16::to_le_bytes), Err(UserFileError::Utf16));
        assert_eq!(utf16(u16::to_be_bytes), Err(UserFileError::Utf16));
        let not_text = UserFile::parse(b"# team\nada:\xe9").map(drop);
        assert_eq!(not_text, Err(UserFileError::NotText { line: 2 }));
    }

    #[test]
    fn says_which_line_is_wrong() {
        assert_eq!(error("ada\n"), "line 1: must be `name:hash`");
        assert_eq!(error(&format!("\n:{ADA}")), "line 2: must be `name:hash`");
        let not_bcrypt = "the hash of `ada` is not bcrypt; make it with `htpasswd -B`";
        assert_eq!(error("#\nada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), format!("line 2: {not_bcrypt}"));
        assert_eq!(error("ada:$apr1$x$y"), format!("line 1: {not_bcrypt}"));
        assert_eq!(error("ada:$2y$05$short"), format!("line 1: {not_bcrypt}"));
        assert_eq!(
            error(&format!("ada:{}", ADA.replace("$05$", "$31$"))),
            "line 1: the hash of `ada` has cost 31; at most 16 is accepted"
        );
        assert_eq!(error(&format!("ada:{ADA}\nada:{ADA}")), "line 2: `ada` is there already");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".{0,200}", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = UserFile::parse(&text).map(|_| ());
            let _ = UserFile::parse(&bytes).map(|_| ());
        }
    }
}

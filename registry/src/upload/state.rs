use entrepot_oci::{Algorithm, Digest, Hasher, HasherState};
use serde::{Deserialize, Serialize};

/// The digest of an upload's first bytes, so that a later request, maybe of a later process, need not read them again.
/// Worth nothing unless it fits: whoever finds any mismatch reads the bytes from zero.
#[derive(Clone, Debug)]
pub struct SavedState {
    /// How many bytes have been taken in.
    pub offset: u64,
    /// The digest so far.
    pub hasher: Hasher,
}

/// What is stored: one line of JSON, a newline, and the sha256 of that line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    offset: u64,
    boot: String,
    algorithm: String,
    state: Vec<u8>,
}

impl SavedState {
    /// As bytes to store; `boot` names the kernel's run. After another one the file cache that both the bytes and this
    /// record went through is gone, and with it the reason to believe that they fit.
    pub fn encode(&self, boot: &str) -> Vec<u8> {
        let HasherState { algorithm, bytes } = self.hasher.state();
        let record =
            Record { offset: self.offset, boot: boot.into(), algorithm: algorithm.to_string(), state: bytes };
        // Serializing strings and numbers to memory cannot fail; an empty record would only be read as damaged.
        let mut line = serde_json::to_vec(&record).unwrap_or_default();
        let check = Digest::of(Algorithm::Sha256, &line).hex().to_owned();
        line.push(b'\n');
        line.extend_from_slice(check.as_bytes());
        line
    }

    /// What was stored in this run of the kernel; `None` when it is damaged, cut short or of another run.
    pub fn decode(stored: &[u8], boot: &str) -> Option<Self> {
        let at = stored.iter().position(|&byte| byte == b'\n')?;
        let (line, check) = (stored.get(..at)?, stored.get(at + 1..)?);
        if Digest::of(Algorithm::Sha256, line).hex().as_bytes() != check {
            return None;
        }
        let record: Record = serde_json::from_slice(line).ok()?;
        let state = HasherState { algorithm: record.algorithm.parse().ok()?, bytes: record.state };
        (record.boot == boot).then_some(Self { offset: record.offset, hasher: Hasher::resume(&state)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn saved(bytes: &[u8]) -> SavedState {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        SavedState { offset: bytes.len() as u64, hasher }
    }

    #[test]
    fn is_of_one_run_of_the_kernel() {
        let stored = saved(b"abc").encode("boot-1");
        let state = SavedState::decode(&stored, "boot-1").unwrap();
        assert_eq!((state.offset, state.hasher.finish()), (3, Digest::of(Algorithm::Sha256, b"abc")));
        assert!(SavedState::decode(&stored, "boot-2").is_none());
    }

    proptest! {
        #[test]
        fn any_damage_is_noticed(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), bit in 0_u32..8) {
            let whole = saved(&bytes).encode("boot");
            let cut = at.index(whole.len());
            prop_assert!(SavedState::decode(&whole[..cut], "boot").is_none());
            let mut damaged = whole;
            damaged[cut] ^= 1 << bit;
            prop_assert!(SavedState::decode(&damaged, "boot").is_none());
        }

        #[test]
        fn never_panics(bytes in any::<Vec<u8>>()) {
            SavedState::decode(&bytes, "boot");
        }
    }
}

use sha2::Digest as _;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Sha256, Sha512};

use crate::{Algorithm, Digest};

/// A digest in the making. Can be saved between two updates and taken up again by another process.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha256(Sha256),
    Sha512(Sha512),
}

/// The state of a [`Hasher`] as bytes, of an algorithm-specific length. Not authenticated: whoever stores it
/// must notice damage before [`Hasher::resume`], which can only check the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HasherState {
    /// The algorithm whose state it is.
    pub algorithm: Algorithm,
    /// The serialized state of the implementation.
    pub bytes: Vec<u8>,
}

impl Hasher {
    /// Of nothing so far.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
        })
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            State::Sha256(_) => Algorithm::Sha256,
            State::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hasher) => Digest::from_output(Algorithm::Sha256, &hasher.finalize()),
            State::Sha512(hasher) => Digest::from_output(Algorithm::Sha512, &hasher.finalize()),
        }
    }

    /// What [`Hasher::resume`] needs to go on from here.
    pub fn state(&self) -> HasherState {
        let bytes = match &self.0 {
            State::Sha256(hasher) => hasher.serialize().to_vec(),
            State::Sha512(hasher) => hasher.serialize().to_vec(),
        };
        HasherState { algorithm: self.algorithm(), bytes }
    }

    /// Goes on from a saved state; `None` when the bytes are not a state of that algorithm.
    pub fn resume(state: &HasherState) -> Option<Self> {
        let bytes = state.bytes.as_slice();
        Some(Self(match state.algorithm {
            Algorithm::Sha256 => {
                let bytes: &SerializedState<Sha256> = bytes.try_into().ok()?;
                State::Sha256(Sha256::deserialize(bytes).ok()?)
            }
            Algorithm::Sha512 => {
                let bytes: &SerializedState<Sha512> = bytes.try_into().ok()?;
                State::Sha512(Sha512::deserialize(bytes).ok()?)
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn resumes_where_it_was_saved(
            head in proptest::collection::vec(any::<u8>(), 0..300),
            tail in proptest::collection::vec(any::<u8>(), 0..300),
            long in any::<bool>(),
        ) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let mut first = Hasher::new(algorithm);
            first.update(&head);
            let mut second = Hasher::resume(&first.state()).unwrap();
            second.update(&tail);
            prop_assert_eq!(second.finish(), Digest::of(algorithm, &[head, tail].concat()));
        }

        #[test]
        fn a_damaged_state_never_panics(bytes in any::<Vec<u8>>(), long in any::<bool>()) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            if let Some(mut hasher) = Hasher::resume(&HasherState { algorithm, bytes }) {
                hasher.update(b"more");
                hasher.finish();
            }
        }
    }
}

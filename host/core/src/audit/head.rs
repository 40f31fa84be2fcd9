//! Heads: a place in a trail, signed (Ed25519, RFC 8032), to be kept elsewhere. Whoever cuts the end off a trail, or
//! writes all of it anew, cannot have it agree with a head that was taken before. Pure: keys are passed in.

use super::chain::{ChainId, Place};
use crate::Digest;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// What a signature is for, so that none can be taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The end of a trail.
    Head,
    /// Where a trail begins, because what was before has been dropped: so many records.
    Checkpoint(u64),
}

/// The key that heads are signed with: 32 random bytes, made with the store.
#[derive(Debug)]
pub struct AuditKey(SecretBox<[u8; 32]>);

impl AuditKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// For whoever seals it.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(self.0.expose_secret())
    }

    /// What others know it by.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.signing().verifying_key().to_bytes())
    }

    /// Signs a place.
    pub fn sign(&self, what: Signed, place: Place, at: Timestamp) -> AuditHead {
        let signature = Signature(self.signing().sign(&message(what, place, at)).to_bytes());
        AuditHead {
            chain: place.chain,
            sequence: place.sequence,
            hash: place.hash,
            at,
            public_key: self.public(),
            signature,
        }
    }
}

macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = hex::decode(String::deserialize(deserializer)?).map_err(de::Error::custom)?;
                let wrong = || de::Error::custom(concat!("not ", $length, " bytes in hexadecimal digits"));
                bytes.try_into().map(Self).map_err(|_| wrong())
            }
        }
    };
}

bytes!(
    /// The public half of the key that heads are signed with.
    PublicKey, 32
);
bytes!(
    /// A signature.
    Signature, 64
);

/// A place in a trail, with whose word it is that it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The chain.
    pub chain: ChainId,
    /// The number of its last record; 0: there is none yet.
    pub sequence: u64,
    /// The link of that record.
    pub hash: Digest,
    /// When it was signed.
    pub at: Timestamp,
    /// The key it is signed with.
    pub public_key: PublicKey,
    /// The signature.
    pub signature: Signature,
}

/// A head is not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// Somebody has changed it.
    #[error("its signature does not fit")]
    Signature,
    /// It is of another store.
    #[error("it is signed with another key than this trail's")]
    OtherKey,
}

impl AuditHead {
    /// The place.
    pub fn place(&self) -> Place {
        Place { chain: self.chain, sequence: self.sequence, hash: self.hash }
    }

    /// Whether it was signed as this, and with the trail's key where that is known.
    ///
    /// # Errors
    /// It was not.
    pub fn check(&self, what: Signed, trusted: Option<PublicKey>) -> Result<(), BadHead> {
        if trusted.is_some_and(|trusted| trusted != self.public_key) {
            return Err(BadHead::OtherKey);
        }
        let key = VerifyingKey::from_bytes(&self.public_key.0).map_err(|_| BadHead::Signature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&self.signature.0);
        key.verify_strict(&message(what, self.place(), self.at), &signature).map_err(|_| BadHead::Signature)
    }
}

fn message(what: Signed, place: Place, at: Timestamp) -> Vec<u8> {
    let (name, count): (&[u8], u64) = match what {
        Signed::Head => (b"gatehouse audit head 1", 0),
        Signed::Checkpoint(count) => (b"gatehouse audit checkpoint 1", count),
    };
    let (sequence, at) = (place.sequence.to_be_bytes(), at.as_nanosecond().to_be_bytes());
    [name, &place.chain.0, &sequence, &place.hash.0, &at, &count.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(what: Signed) -> AuditHead {
        let place = Place { chain: ChainId([1; 16]), sequence: 7, hash: Digest([2; 32]) };
        AuditKey::new([3; 32]).sign(what, place, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_head_is_good_as_it_was_signed() {
        let head = head(Signed::Head);
        let own = AuditKey::new([3; 32]).public();
        assert_eq!(head.check(Signed::Head, Some(own)), Ok(()));
        let text = serde_json::to_string(&head).unwrap_or_default();
        assert_eq!(serde_json::from_str::<AuditHead>(&text).ok(), Some(head));
    }

    #[test]
    fn a_head_with_anything_changed_is_none() {
        let good = head(Signed::Head);
        let changed = [
            AuditHead { sequence: 6, ..good.clone() },
            AuditHead { hash: Digest([9; 32]), ..good.clone() },
            AuditHead { chain: ChainId([9; 16]), ..good.clone() },
            AuditHead { at: Timestamp::MAX, ..good.clone() },
            AuditHead { public_key: AuditKey::new([4; 32]).public(), ..good.clone() },
        ];
        for head in changed {
            assert_eq!(head.check(Signed::Head, None), Err(BadHead::Signature), "{head:?}");
        }
        assert_eq!(good.check(Signed::Checkpoint(0), None), Err(BadHead::Signature), "it is no checkpoint");
        assert_eq!(head(Signed::Checkpoint(5)).check(Signed::Checkpoint(6), None), Err(BadHead::Signature));
        let other = AuditKey::new([4; 32]).public();
        assert_eq!(good.check(Signed::Head, Some(other)), Err(BadHead::OtherKey));
    }

    #[test]
    fn nothing_of_a_key_shows_in_debug() {
        assert!(!format!("{:?}", AuditKey::new([0xab; 32])).contains("171"));
    }
}

//! Identifiers: dense numbers with a prefix for people, and digests. They are passed in, never made up here.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// A text is not the identifier it was to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}; it looks like {example}")]
pub struct BadId {
    text: String,
    what: &'static str,
    example: &'static str,
}

impl BadId {
    pub(crate) fn new(text: &str, what: &'static str, example: &'static str) -> Self {
        Self { text: text.to_owned(), what, example }
    }
}

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!(concat!($prefix, "-{:06}"), self.0))
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            /// Takes the full form in any case, or the bare number.
            fn from_str(text: &str) -> Result<Self, BadId> {
                let upper = text.to_ascii_uppercase();
                let digits = upper.strip_prefix(concat!($prefix, "-")).unwrap_or(&upper);
                let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let number = all_digits.then(|| digits.parse().ok()).flatten();
                number.map(Self).ok_or_else(|| BadId {
                    text: text.to_owned(),
                    what: $what,
                    example: concat!($prefix, "-000001"),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    u64::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

numbered!(
    /// A user provisioning request: `UPR-000001`.
    RequestId, "UPR", "request number"
);
numbered!(
    /// A user: `USR-000001`.
    UserId, "USR", "user number"
);
numbered!(
    /// A connected app: `APP-000001`. People name apps by their name.
    AppId, "APP", "app number"
);
numbered!(
    /// An account: `ACC-000001`.
    AccountId, "ACC", "account number"
);

numbered!(
    /// A job that raises requests for many users: `JOB-000001`.
    JobId, "JOB", "job number"
);
numbered!(
    /// A delegation: `DLG-000001`.
    DelegationId, "DLG", "delegation number"
);

/// A SHA-256 digest (FIPS 180-4): of a component, of a sealed change, of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a value's JSON. Maps in the domain are ordered, so equal values have equal digests.
    pub fn of_json<T: Serialize + ?Sized>(value: &T) -> Self {
        // Domain types serialise without fail; a failure would have to give different digests to be noticed.
        Self::of(&serde_json::to_vec(value).unwrap_or_default())
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl FromStr for Digest {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { text: text.to_owned(), what: "sha256 digest", example: "64 hexadecimal digits" };
        let bytes = hex::decode(text.strip_prefix("sha256:").unwrap_or(text)).map_err(|_| bad())?;
        bytes.try_into().map(Self).map_err(|_| bad())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

//! Secrets at rest: the master key wraps a data key, the data key seals each credential (XChaCha20-Poly1305,
//! draft-irtf-cfrg-xchacha). It never keeps a secret in the clear, and nothing of a key shows in Debug or in errors.

use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use gatehouse_core::audit::AuditKey;
use gatehouse_core::ports::CredentialRecord;
use secrecy::{ExposeSecret, SecretBox, SecretString};

/// The length of the nonce that stands before each ciphertext.
const NONCE: usize = 24;
/// Says what the wrapped data key is, so that no other ciphertext can take its place.
const WRAPPED: &[u8] = b"gatehouse data key 1";
/// Says the same of the key that the heads of the audit trail are signed with.
const AUDIT_KEY: &[u8] = b"gatehouse audit key 1";

/// The key under which a store's secrets are kept: 32 bytes that the server reads from a file or the environment.
/// Overwritten when dropped; Debug does not show it.
#[derive(Debug)]
pub struct MasterKey(SecretBox<[u8; 32]>);

impl MasterKey {
    /// A master key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }
}

impl Clone for MasterKey {
    fn clone(&self) -> Self {
        Self::new(*self.0.expose_secret())
    }
}

/// Something could not be sealed (no randomness to be had), or does not open: another key, or altered since.
#[derive(Debug)]
pub(crate) struct Unsealable;

/// A name that nothing else has.
pub(crate) fn random_name() -> Result<[u8; 16], Unsealable> {
    let random = XNonce::try_generate().map_err(|_| Unsealable)?;
    let mut name = [0; 16];
    name.copy_from_slice(&random.as_slice()[..16]);
    Ok(name)
}

/// A key to sign the heads of the audit trail with.
pub(crate) fn new_audit_key() -> Result<AuditKey, Unsealable> {
    let key = Key::try_generate().map_err(|_| Unsealable)?;
    Ok(AuditKey::new(key.into()))
}

/// The key that seals credentials. Made by the store, replaced when the master key is.
#[derive(Debug)]
pub(crate) struct DataKey(SecretBox<[u8; 32]>);

impl DataKey {
    pub fn generate() -> Result<Self, Unsealable> {
        let key = Key::try_generate().map_err(|_| Unsealable)?;
        Ok(Self(SecretBox::new(Box::new(key.into()))))
    }

    /// The data key as it is kept. That it opens again proves the master key right.
    pub fn wrap(&self, master: &MasterKey) -> Result<Vec<u8>, Unsealable> {
        seal(&master.0, WRAPPED, self.0.expose_secret())
    }

    pub fn unwrap(master: &MasterKey, wrapped: &[u8]) -> Result<Self, Unsealable> {
        // In a secret from the start, so that it is overwritten on every path.
        let bytes = SecretBox::<[u8]>::from(open(&master.0, WRAPPED, wrapped)?);
        let key: [u8; 32] = bytes.expose_secret().try_into().map_err(|_| Unsealable)?;
        Ok(Self(SecretBox::new(Box::new(key))))
    }

    /// Seals the key of the audit trail.
    pub fn seal_audit_key(&self, key: &AuditKey) -> Result<Vec<u8>, Unsealable> {
        seal(&self.0, AUDIT_KEY, key.expose())
    }

    /// Opens the key of the audit trail.
    pub fn open_audit_key(&self, sealed: &[u8]) -> Result<AuditKey, Unsealable> {
        let bytes = SecretBox::<[u8]>::from(open(&self.0, AUDIT_KEY, sealed)?);
        bytes.expose_secret().try_into().map(AuditKey::new).map_err(|_| Unsealable)
    }

    /// Seals a credential's secret.
    pub fn seal(&self, record: &CredentialRecord, secret: &SecretString) -> Result<Vec<u8>, Unsealable> {
        seal(&self.0, &binding(record)?, secret.expose_secret().as_bytes())
    }

    /// Opens a credential's secret.
    pub fn open(&self, record: &CredentialRecord, sealed: &[u8]) -> Result<SecretString, Unsealable> {
        let bytes = open(&self.0, &binding(record)?, sealed)?;
        String::from_utf8(bytes).map(SecretString::from).map_err(|_| Unsealable)
    }
}

/// What a sealed secret is bound to besides its name: whoever can write to the file must not be able to have it sent
/// elsewhere, or in another way.
fn binding(record: &CredentialRecord) -> Result<Vec<u8>, Unsealable> {
    serde_json::to_vec(&(&record.name, &record.origin, &record.scheme, &record.header)).map_err(|_| Unsealable)
}

fn seal(key: &SecretBox<[u8; 32]>, aad: &[u8], msg: &[u8]) -> Result<Vec<u8>, Unsealable> {
    // 24 random bytes do not repeat in the life of a key: no counter to keep.
    let nonce = XNonce::try_generate().map_err(|_| Unsealable)?;
    let cipher = XChaCha20Poly1305::new(key.expose_secret().into());
    let sealed = cipher.encrypt(&nonce, Payload { msg, aad }).map_err(|_| Unsealable)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(key: &SecretBox<[u8; 32]>, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
    let (nonce, msg) = sealed.split_at_checked(NONCE).ok_or(Unsealable)?;
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| Unsealable)?;
    let cipher = XChaCha20Poly1305::new(key.expose_secret().into());
    cipher.decrypt(&XNonce::from(nonce), Payload { msg, aad }).map_err(|_| Unsealable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_core::AuthScheme;

    fn record(name: &str, origin: &str) -> CredentialRecord {
        CredentialRecord {
            name: name.to_owned(),
            origin: origin.parse().unwrap(),
            scheme: AuthScheme::Bearer,
            header: None,
            updated_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_sealed_secret_opens_under_its_key_and_record_alone() {
        let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
        let hr = record("hr", "https://hr.example.com");
        let sealed = key.seal(&hr, &"s3cret".into()).unwrap();
        assert_eq!(key.open(&hr, &sealed).unwrap().expose_secret(), "s3cret");
        assert!(!sealed.windows(6).any(|w| w == b"s3cret"));
        assert!(other.open(&hr, &sealed).is_err(), "another key");
        assert!(key.open(&record("crm", "https://hr.example.com"), &sealed).is_err(), "another name");
        assert!(key.open(&record("hr", "https://evil.example.com"), &sealed).is_err(), "another origin");
        let mut altered = sealed.clone();
        altered[30] ^= 1;
        assert!(key.open(&hr, &altered).is_err(), "altered");
        assert!(key.open(&hr, &sealed[..10]).is_err(), "cut off");
    }

    #[test]
    fn a_data_key_unwraps_under_its_master_key_alone() {
        let (right, wrong) = (MasterKey::new([1; 32]), MasterKey::new([2; 32]));
        let key = DataKey::generate().unwrap();
        let wrapped = key.wrap(&right).unwrap();
        let again = DataKey::unwrap(&right, &wrapped).unwrap();
        assert_eq!(again.0.expose_secret(), key.0.expose_secret());
        assert!(DataKey::unwrap(&wrong, &wrapped).is_err());
    }

    #[test]
    fn nothing_of_a_key_shows_in_debug() {
        let shown = format!("{:?} {:?}", MasterKey::new([0xab; 32]), DataKey::generate().unwrap());
        assert!(!shown.contains("171") && !shown.contains("ab, "), "{shown}");
        assert!(shown.contains("REDACTED"), "{shown}");
    }
}

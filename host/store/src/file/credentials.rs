//! Credentials in the file, each sealed under the data key. A secret is in the clear only on its way in and out.

use super::fault::{Fault, Outcome};
use super::record::{decode, encode, fetch};
use super::tables::{CREDENTIALS, Record};
use crate::vault::{DataKey, Unsealable};
use gatehouse_core::ports::{Credential, CredentialRecord};
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct SealedCredential {
    record: CredentialRecord,
    /// Nonce and ciphertext.
    sealed: Vec<u8>,
}

pub(super) struct Credentials<'t>(Table<'t, &'static str, Record>);

impl<'t> Credentials<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self(txn.open_table(CREDENTIALS)?))
    }

    pub fn apply(
        &mut self,
        key: &DataKey,
        set: Vec<(CredentialRecord, SecretString)>,
        remove: Vec<String>,
    ) -> Outcome<()> {
        for name in remove {
            self.0.remove(name.as_str())?;
        }
        for (record, secret) in set {
            let sealed = key.seal(&record, &secret).map_err(no_randomness)?;
            self.put(&SealedCredential { record, sealed })?;
        }
        Ok(())
    }

    /// Seals every secret anew.
    pub fn reseal(&mut self, old: &DataKey, new: &DataKey) -> Outcome<()> {
        let all = self.0.iter()?.map(|entry| decode(entry?.1.value())).collect::<Outcome<Vec<SealedCredential>>>()?;
        for credential in all {
            let secret = unseal(old, &credential)?;
            let sealed = new.seal(&credential.record, &secret).map_err(no_randomness)?;
            self.put(&SealedCredential { record: credential.record, sealed })?;
        }
        Ok(())
    }

    fn put(&mut self, credential: &SealedCredential) -> Outcome<()> {
        self.0.insert(credential.record.name.as_str(), encode(credential)?.as_slice())?;
        Ok(())
    }
}

pub(super) fn no_randomness(_: Unsealable) -> Fault {
    Fault::Broken("a secret cannot be sealed: the system gives no randomness".to_owned())
}

fn unseal(key: &DataKey, credential: &SealedCredential) -> Outcome<SecretString> {
    key.open(&credential.record, &credential.sealed).map_err(|Unsealable| {
        let name = &credential.record.name;
        Fault::Broken(format!("credential `{name}` does not open: it was altered outside Gatehouse; set it again"))
    })
}

pub(super) fn credentials(txn: &ReadTransaction) -> Outcome<Vec<CredentialRecord>> {
    let table = txn.open_table(CREDENTIALS)?;
    table.iter()?.map(|entry| Ok(decode::<SealedCredential>(entry?.1.value())?.record)).collect()
}

pub(super) fn credential(txn: &ReadTransaction, key: &DataKey, name: &str) -> Outcome<Option<Credential>> {
    let Some(credential) = fetch::<_, SealedCredential>(&txn.open_table(CREDENTIALS)?, name)? else { return Ok(None) };
    let secret = unseal(key, &credential)?;
    Ok(Some(Credential { record: credential.record, secret }))
}

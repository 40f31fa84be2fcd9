//! Verifying the audit trail of a store that nobody has open: only by reading. It never changes the file, not even to
//! repair it.

use super::fault::Outcome;
use super::open::{locked_or_unusable, proved};
use super::shared::guarded;
use super::tables::AUDIT;
use super::trail::as_found;
use super::trail_reads::{public_key, trail_checkpoint};
use crate::vault::MasterKey;
use gatehouse_core::audit::{AuditHead, Verdict, Verifier};
use gatehouse_core::ports::StoreError;
use redb::{ReadOnlyDatabase, ReadableDatabase, ReadableTable};
use std::path::Path;

/// Verifies the audit trail of the store in a file, against heads that were taken of it before.
///
/// # Errors
/// The file is no store of this Gatehouse's, in use, was not closed cleanly, or the master key is not its own.
pub fn verify_closed(path: &Path, master_key: &MasterKey, heads: Vec<AuditHead>) -> Result<Verdict, StoreError> {
    Ok(guarded(|| verify(path, master_key, heads))?)
}

fn verify(path: &Path, master_key: &MasterKey, heads: Vec<AuditHead>) -> Outcome<Verdict> {
    let db = ReadOnlyDatabase::open(path).map_err(|error| locked_or_unusable(path, error))?;
    let txn = db.begin_read()?;
    let key = proved(&txn, path, master_key)?;
    let mut verifier = Verifier::new(trail_checkpoint(&txn)?, heads, Some(public_key(&txn, &key)?));
    for found in txn.open_table(AUDIT)?.iter()? {
        let (no, bytes) = found?;
        verifier.push(as_found(no.value(), bytes.value()));
    }
    Ok(verifier.finish())
}

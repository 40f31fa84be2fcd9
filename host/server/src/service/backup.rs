//! Backups, compaction and restores, while everything else goes on. A restore is prepared beside the store, where what
//! may have been done since the backup is marked as such, and takes its place while nothing is under way.

use super::{Caller, ServiceError, Services};
use async_trait::async_trait;
use gatehouse_core::lifecycle::{Moment, restored};
use gatehouse_core::ports::{ChangeSet, ListPage, RequestQuery, Store, StoreError};
use gatehouse_core::{Actor, State};
use gatehouse_store::{Compacted, Manifest, Staged};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Keeping copies of the store, and going back to one: what only the store that is a file can do.
#[async_trait]
pub trait Safekeeping: Send + Sync {
    /// A folder for what is on its way, on the store's own disk.
    fn folder(&self) -> &Path;
    /// Writes a backup, made now, into a new file.
    async fn backup(&self, to: PathBuf, now: jiff::Timestamp) -> Result<Manifest, ServiceError>;
    /// Unpacks and proves one.
    async fn stage(&self, from: PathBuf, other_installation: bool) -> Result<Staged, ServiceError>;
    /// Gives back the space that nothing uses.
    async fn compact(&self) -> Result<Compacted, ServiceError>;
    /// Puts it in the store's place, with the engine at rest.
    async fn adopt(&self, staged: Staged) -> Result<(), ServiceError>;
}

/// How the names of folders begin that a backup is in while it is on its way.
pub const TRANSIT: &str = "transit-";

impl Services {
    /// What keeps copies; none in tests without a file.
    ///
    /// # Errors
    /// There is none.
    pub fn safekeeping(&self) -> Result<&dyn Safekeeping, ServiceError> {
        let none = || ServiceError::Internal("this host keeps nothing in a file".to_owned());
        self.safekeeping.as_deref().ok_or_else(none)
    }

    /// A folder of its own for what is on its way.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn transit(&self) -> Result<TempDir, ServiceError> {
        let folder = tempfile::Builder::new().prefix(TRANSIT).tempdir_in(self.safekeeping()?.folder());
        folder.map_err(|e| ServiceError::Internal(format!("no folder for a backup: {e}")))
    }

    /// Writes a backup.
    ///
    /// # Errors
    /// The store is unavailable, or the disk full.
    pub async fn backup(&self, caller: &Caller, to: PathBuf) -> Result<Manifest, ServiceError> {
        let manifest = self.safekeeping()?.backup(to, self.now()).await?;
        let audit = vec![self.audit(caller, "store.backup", "store").with("made_at", manifest.made_at)];
        self.store.commit(ChangeSet { audit, ..ChangeSet::default() }).await?;
        Ok(manifest)
    }

    /// Gives back the space in the store's file that nothing uses any more.
    ///
    /// # Errors
    /// The store is unavailable, or there is no space for the copy; it is as it was.
    pub async fn compact(&self, caller: &Caller) -> Result<Compacted, ServiceError> {
        let compacted = self.safekeeping()?.compact().await?;
        let record = self.audit(caller, "store.compact", "store");
        let audit = vec![record.with("before", compacted.before).with("after", compacted.after)];
        self.store.commit(ChangeSet { audit, ..ChangeSet::default() }).await?;
        Ok(compacted)
    }

    /// Goes back to a backup. Nothing is touched before all of it has been proved; nobody may be changing anything
    /// meanwhile.
    ///
    /// # Errors
    /// It does not belong here, or the disk is full.
    pub async fn restore(
        &self,
        caller: &Caller,
        from: PathBuf,
        other_installation: bool,
    ) -> Result<Manifest, ServiceError> {
        let safekeeping = self.safekeeping()?;
        let staged = safekeeping.stage(from, other_installation).await?;
        let manifest = staged.manifest.clone();
        // What is lost of the trail that is replaced: whoever has a head of it is told why it no longer fits.
        let replaced = self.store.audit_head(None, self.now()).await;
        let mut record = self.audit(caller, "store.restore", "store").with("made_at", manifest.made_at);
        // A store that is damaged is one that is to be replaced.
        if let Ok(replaced) = replaced {
            record = record.with("replaced_chain", replaced.chain).with("replaced_through", replaced.sequence);
        }
        let recorded = ChangeSet { audit: vec![record], ..ChangeSet::default() };
        let ready = async {
            self.mark(&caller.actor, &staged.store).await?;
            staged.store.commit(recorded).await.map_err(ServiceError::from)
        };
        ready.await.map_err(|error| beside_the_store(&error))?;
        safekeeping.adopt(staged).await?;
        self.background.wake();
        Ok(manifest)
    }

    /// Marks what was not settled when the backup was made.
    async fn mark(&self, actor: &Actor, store: &dyn Store) -> Result<(), ServiceError> {
        for state in State::ALL.into_iter().filter(|state| !state.is_settled()) {
            let mut after = None;
            loop {
                let query = RequestQuery { state: Some(state), after, limit: 500, ..RequestQuery::default() };
                let ListPage { items, next } = store.requests(&query).await?;
                for request in items {
                    let moment = Moment { now: self.now(), jitter: 0, retry: Default::default() };
                    if let Some(transition) = restored(&request, actor, &moment) {
                        store.commit(transition.into_changes(None)).await?;
                    }
                }
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// What went wrong with the copy did not go wrong with the store, and does not pass by itself.
fn beside_the_store(error: &ServiceError) -> ServiceError {
    let text =
        format!("the backup could not be made ready beside the store ({error}); nothing was changed, restore it again");
    ServiceError::Store(StoreError::Unavailable(text))
}

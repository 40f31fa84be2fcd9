//! Backups, compaction and restores, while everything else goes on. A restore is prepared beside the store, where what
//! may have been done since the backup is marked as such, and takes its place while nothing is under way.

use super::{Caller, ServiceError, Services};
use async_trait::async_trait;
use gatehouse_core::lifecycle::{Moment, restored};
use gatehouse_core::ports::{ChangeSet, JobQuery, ListPage, RequestQuery, Store, StoreError, Versioned};
use gatehouse_core::{Actor, App, Job, JobState, State};
use gatehouse_store::{Compacted, Manifest, Staged};
use jiff::Timestamp;
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

/// Why jobs are called off.
const RESTORED: &str = "a backup was restored";

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
            mark(&staged.store, &caller.actor, self.now()).await?;
            staged.store.commit(recorded).await.map_err(ServiceError::from)
        };
        ready.await.map_err(|error| beside_the_store(&error))?;
        safekeeping.adopt(staged).await?;
        self.background.wake();
        Ok(manifest)
    }
}

/// Marks what was not settled when the backup was made: requests are looked at before they go on, and open jobs are
/// called off, since what they would raise may have been raised already. Nobody knows who has got an account since.
async fn mark(store: &dyn Store, actor: &Actor, now: Timestamp) -> Result<(), ServiceError> {
    for state in State::ALL.into_iter().filter(|state| !state.is_settled()) {
        let mut after = None;
        loop {
            let query = RequestQuery { state: Some(state), after, limit: 500, ..RequestQuery::default() };
            let ListPage { items, next } = store.requests(&query).await?;
            for request in items {
                let moment = Moment { now, jitter: 0, retry: Default::default() };
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
    let unsurveyed = |app: App| Versioned::replacing(app.version, App { surveyed: false, updated_at: now, ..app });
    let apps = store.apps().await?.into_iter().map(unsurveyed).collect();
    store.commit(ChangeSet { apps, ..ChangeSet::default() }).await?;
    for state in [JobState::Counting, JobState::Held, JobState::Running] {
        // Those that were called off are not in this state any more: the first page is always the next one.
        loop {
            let open = store.jobs(&JobQuery { state: Some(state), limit: 500, ..JobQuery::default() }).await?.items;
            if open.is_empty() {
                break;
            }
            store.commit(called_off(open, now)?).await?;
        }
    }
    Ok(())
}

fn called_off(open: Vec<Job>, now: Timestamp) -> Result<ChangeSet, ServiceError> {
    let (host, mut changes) = (Actor::host(), ChangeSet::default());
    for before in open {
        let version = before.version;
        let job = before.cancelled(&host, RESTORED, now).map_err(|unfit| ServiceError::Internal(unfit.to_string()))?;
        changes.audit.push(job.record(&host, "job.cancel", now));
        changes.jobs.push(Versioned::replacing(version, Job { version: version + 1, ..job }));
    }
    Ok(changes)
}

/// What went wrong with the copy did not go wrong with the store, and does not pass by itself.
fn beside_the_store(error: &ServiceError) -> ServiceError {
    let text =
        format!("the backup could not be made ready beside the store ({error}); nothing was changed, restore it again");
    ServiceError::Store(StoreError::Unavailable(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatehouse_core::job::{Origin, Task, held_job};
    use gatehouse_core::{AppId, ConnectorRef, Digest, JobId};
    use gatehouse_store::MemoryStore;

    fn app(now: Timestamp) -> App {
        let connector =
            ConnectorRef { name: "sample".to_owned(), version: "1.0.0".to_owned(), digest: Digest::of(b"sample") };
        App {
            id: AppId(1),
            name: "hr".to_owned(),
            connector,
            settings: Default::default(),
            credentials: Default::default(),
            private_origins: Default::default(),
            profiles: Default::default(),
            permission_sets: Default::default(),
            config: Default::default(),
            paused: false,
            link_epoch: 0,
            last_reconcile: None,
            surveyed: true,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    #[tokio::test]
    async fn open_jobs_of_a_restored_store_are_called_off_and_those_that_ended_stay() {
        let (store, now, host) = (MemoryStore::default(), Timestamp::UNIX_EPOCH, Actor::host());
        let job = |(no, state)| {
            let origin = Origin { id: JobId(no), by: Actor("ada".to_owned()), user: None, correlation: None, now };
            Versioned::new(Job { state, ..held_job(AppId(1), Task::Release, "", origin) })
        };
        let jobs = (1..).zip(JobState::ALL).map(job).collect();
        let apps = vec![Versioned::new(app(now))];
        store.commit(ChangeSet { apps, jobs, ..ChangeSet::default() }).await.unwrap();
        mark(&store, &host, now).await.unwrap();
        let mut jobs = store.jobs(&JobQuery { limit: 99, ..JobQuery::default() }).await.unwrap().items;
        jobs.sort_by_key(|job| job.id);
        let told: Vec<_> = jobs.iter().map(|job| (job.state, job.decided.clone().unwrap().1)).collect();
        let off = || (JobState::Cancelled, RESTORED.to_owned());
        let ended = (JobState::Completed, String::new());
        assert_eq!(told, [off(), off(), off(), ended, (JobState::Cancelled, String::new())]);
        assert!(!store.app(AppId(1)).await.unwrap().unwrap().surveyed);
        let audit = store.audit(None, 99).await.unwrap().items;
        assert_eq!(audit.len(), 3);
        for record in &audit {
            assert_eq!((record.action.as_str(), &record.actor), ("job.cancel", &host), "{record:?}");
            assert_eq!(record.facts["why"], RESTORED);
        }
    }
}

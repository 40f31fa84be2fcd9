//! Jobs: looked at, consented to and called off; and those that let held requests go on. What a job does is for the
//! engine, and when it needs consent for the core to say.

use super::{Answer, Caller, Paging, ServiceError, Services};
use crate::wire::{ByIdNewestFirst, JobView, Page};
use gatehouse_core::job::{Origin, Task, held_job};
use gatehouse_core::ports::{ChangeSet, JobQuery, Sequence, Versioned};
use gatehouse_core::{Job, JobId, JobState};

/// Which jobs.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Of this app.
    pub app: Option<String>,
    /// In this state.
    pub state: Option<JobState>,
}

/// What somebody decides about a job, or about what the guard holds.
#[derive(Clone, Debug)]
pub enum Consent {
    /// Go on, for this reason.
    Given(Option<String>),
    /// Do not, for this reason.
    Refused(String),
}

impl Services {
    pub(super) fn job_origin(&self, caller: &Caller) -> Origin {
        Origin {
            id: JobId(self.store.allocate(Sequence::Job, 1)),
            by: caller.actor.clone(),
            user: caller.user,
            correlation: caller.correlation.clone(),
            now: self.now(),
        }
    }

    /// A job.
    ///
    /// # Errors
    /// There is none with that number.
    pub async fn find_job(&self, id: JobId) -> Result<Job, ServiceError> {
        self.store.job(id).await?.ok_or_else(|| {
            ServiceError::NotFound(format!("there is no job {id}; `gatehouse job list` shows all there are"))
        })
    }

    /// A job as the API shows it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn job_view(&self, job: &Job) -> Result<JobView, ServiceError> {
        let app = self.store.app(job.app).await?;
        Ok(JobView::of(job, app.map_or_else(|| job.app.to_string(), |app| app.name)))
    }

    /// Jobs, the newest first if nothing else is asked for.
    ///
    /// # Errors
    /// There is no such app, or the cursor is none of this list.
    pub async fn list_jobs(
        &self,
        filter: JobFilter,
        paging: &Paging<ByIdNewestFirst>,
    ) -> Result<Page<JobView>, ServiceError> {
        let app = match &filter.app {
            Some(name) => Some(self.find_app(name).await?.id),
            None => None,
        };
        let (direction, after, limit) = (paging.direction(), paging.after.clone(), paging.size()?);
        let query = JobQuery { app, state: filter.state, direction, after, limit };
        let page = self.store.jobs(&query).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for job in &page.items {
            items.push(self.job_view(job).await?);
        }
        Ok(Page { items, next: page.next })
    }

    /// Lets a job go on that waits for consent, or calls one off.
    ///
    /// # Errors
    /// There is none, it is in no state for that, or has changed meanwhile.
    pub async fn decide_job(&self, caller: &Caller, id: JobId, consent: Consent) -> Result<Answer, ServiceError> {
        let before = self.find_job(id).await?;
        caller.has_seen(id.to_string(), before.version)?;
        let (by, now, version) = (&caller.actor, self.now(), before.version);
        let (action, decided) = match consent {
            Consent::Given(why) => ("job.approve", before.approved(by, &why.unwrap_or_default(), now)),
            Consent::Refused(why) => ("job.cancel", before.cancelled(by, &reason(&why)?, now)),
        };
        let mut job = decided.map_err(|unfit| ServiceError::Conflict(unfit.to_string()))?;
        job.version = version + 1;
        let answer = Answer::done(job.version, &self.job_view(&job).await?);
        let audit = vec![job.record(by, action, now)];
        let jobs = vec![Versioned::replacing(version, job)];
        let mut changes = ChangeSet { jobs, audit, ..ChangeSet::default() };
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        self.background.wake();
        Ok(answer)
    }

    /// Makes the job that lets an app's held requests go on, or withdraws them.
    ///
    /// # Errors
    /// There is no such app.
    pub async fn decide_held(&self, caller: &Caller, app: &str, consent: Consent) -> Result<Answer, ServiceError> {
        let app = self.find_app(app).await?;
        let (task, why) = match consent {
            Consent::Given(why) => (Task::Release, why.unwrap_or_default()),
            Consent::Refused(why) => (Task::Withdraw, reason(&why)?),
        };
        let mut job = held_job(app.id, task, &why, self.job_origin(caller));
        let audit = vec![job.record(&caller.actor, "job.create", self.now())];
        let mut changes = ChangeSet { jobs: vec![Versioned::new(job.clone())], audit, ..ChangeSet::default() };
        job.version = 1;
        let answer = Answer::accepted(format!("/api/v1/jobs/{}", job.id), 1, &self.job_view(&job).await?);
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        self.background.wake();
        Ok(answer)
    }
}

fn reason(why: &str) -> Result<String, ServiceError> {
    if why.trim().is_empty() {
        return Err(ServiceError::invalid("reason", "it is empty: say why"));
    }
    Ok(why.to_owned())
}

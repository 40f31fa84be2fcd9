//! Jobs as the API shows them.

use super::JobStateSpelling;
use gatehouse_core::job::Source;
use gatehouse_core::{Job, JobId, JobState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is done for many users, piece by piece.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// The number.
    #[schema(value_type = String, example = "JOB-000001")]
    pub id: JobId,
    /// The app it is about.
    pub app: String,
    /// `access`: raises requests for the users of what the app was given to or taken from; `release` or `withdraw`: lets
    /// the app's held requests go on, or withdraws them.
    pub task: &'static str,
    /// Profiles that the app was given to or taken from, whose users it goes through.
    pub profiles: Vec<String>,
    /// Permission sets that the app was given to or taken from, whose users it goes through.
    pub permission_sets: Vec<String>,
    /// Where it is in its life.
    #[schema(value_type = JobStateSpelling)]
    pub state: JobState,
    /// Why it waits, or waited, for consent; null if it needs none.
    pub held: Option<String>,
    /// Accounts it would make or bring back, as counted before it began.
    pub creates: u64,
    /// Accounts it would deactivate, as counted before it began.
    pub deactivates: u64,
    /// Users, or requests, it is about.
    pub total: u64,
    /// How many of them it has looked at.
    pub done: u64,
    /// Requests it has raised, released or withdrawn.
    pub requests: u64,
    /// How many of those failed at once, since they could not be planned.
    pub failed: u64,
    /// Who caused it.
    pub created_by: String,
    /// Who consented to it or called it off.
    pub decided_by: Option<String>,
    /// Why they did.
    pub reason: Option<String>,
    /// Counts changes; the ETag.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why something may go on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentBody {
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Why something is called off.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefusalBody {
    /// Why.
    pub reason: String,
}

impl JobView {
    /// The job of an app of this name.
    pub fn of(job: &Job, app: String) -> Self {
        let sources = || job.sources().iter();
        let profile = |source: &Source| match source {
            Source::Profile(name) => Some(name.clone()),
            Source::PermissionSet(_) => None,
        };
        let set = |source: &Source| match source {
            Source::PermissionSet(name) => Some(name.clone()),
            Source::Profile(_) => None,
        };
        let decided = job.decided.clone();
        Self {
            id: job.id,
            app,
            task: job.task.name(),
            profiles: sources().filter_map(profile).collect(),
            permission_sets: sources().filter_map(set).collect(),
            state: job.state,
            held: job.held.clone(),
            creates: job.tally.creates,
            deactivates: job.tally.deactivates,
            total: job.total,
            done: job.done,
            requests: job.requests,
            failed: job.failed,
            created_by: job.created_by.to_string(),
            decided_by: decided.as_ref().map(|(by, _)| by.to_string()),
            reason: decided.map(|(_, why)| why).filter(|why| !why.is_empty()),
            version: job.version,
            created_at: job.created_at,
            updated_at: job.updated_at,
        }
    }
}

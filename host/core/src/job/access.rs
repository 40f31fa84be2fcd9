//! Jobs about who has access to an app: whose users they go through, and what those had before.

use super::{Job, JobState, Origin, Task, job};
use crate::{App, Expression, ProvisioningConfig, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What gives access to an app, and to whom at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Who is in scope; none: everybody.
    #[serde(default)]
    pub scope: Option<Expression>,
    /// Profiles.
    pub profiles: BTreeSet<String>,
    /// Permission sets.
    pub permission_sets: BTreeSet<String>,
}

/// Whose users a job goes through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Those of a profile.
    Profile(String),
    /// Those of a permission set.
    PermissionSet(String),
}

impl Access {
    /// What gives access to an app now.
    pub fn of(app: &App) -> Self {
        let (profiles, permission_sets) = (app.profiles.clone(), app.permission_sets.clone());
        Self { scope: app.config.scope.clone(), profiles, permission_sets }
    }

    /// The app as it was when this gave access to it.
    pub fn on(&self, app: &App) -> App {
        let config = ProvisioningConfig { scope: self.scope.clone(), ..app.config.clone() };
        let (profiles, permission_sets) = (self.profiles.clone(), self.permission_sets.clone());
        App { profiles, permission_sets, config, ..app.clone() }
    }
}

impl Source {
    /// Whether the user is one of those it stands for.
    pub fn covers(&self, user: &User) -> bool {
        match self {
            Self::Profile(name) => user.profile.as_ref() == Some(name),
            Self::PermissionSet(name) => user.permission_sets.contains(name),
        }
    }
}

/// The job that follows from a change of what gives access to an app; none if nothing was given or taken. Another scope
/// is looked at for everybody who has, or had, a grant.
pub fn access_job(before: &App, after: &App, origin: Origin) -> Option<Job> {
    let moved = before.config.scope != after.config.scope;
    let concerned = |before: &BTreeSet<String>, after: &BTreeSet<String>| -> Vec<String> {
        if moved { before | after } else { before ^ after }.into_iter().collect()
    };
    let profiles = concerned(&before.profiles, &after.profiles).into_iter().map(Source::Profile);
    let sets = concerned(&before.permission_sets, &after.permission_sets).into_iter().map(Source::PermissionSet);
    let sources: Vec<Source> = profiles.chain(sets).collect();
    let task = Task::Access { before: Access::of(before), sources: sources.clone() };
    (!sources.is_empty()).then(|| job(after.id, task, JobState::Counting, origin))
}

/// The app as it was before the oldest of its jobs about access that is not done. Whoever gets or loses a grant is no
/// longer gone through by a job about that grant: what they had is what was theirs before it.
pub fn before_open(jobs: &[Job], app: &App) -> App {
    let about_access = jobs.iter().filter(|job| job.app == app.id && job.is_unfinished());
    let oldest = about_access.filter_map(|job| Some((job.id, job.task.access()?))).min_by_key(|(id, _)| *id);
    oldest.map_or_else(|| app.clone(), |(_, before)| before.on(app))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{
        held_job,
        testing::{granted, origin},
    };
    use super::*;
    use crate::testing::{app, user};
    use crate::{AppId, JobId};

    #[test]
    fn a_job_goes_through_what_was_given_and_what_was_taken() {
        let profile = |name: &str| Source::Profile(name.to_owned());
        let sources = [profile("crew"), profile("staff"), Source::PermissionSet("vpn".to_owned())];
        assert_eq!(granted().sources(), sources);
        assert_eq!(access_job(&app(), &App { paused: true, ..app() }, origin()), None, "nothing was given or taken");
        let staff = User { permission_sets: ["vpn".to_owned()].into(), ..user(1, "ada") };
        assert!(granted().is_covered(2, &staff), "with their profile");
        assert!(!granted().is_covered(1, &staff));
    }

    #[test]
    fn another_scope_is_looked_at_for_everybody_with_a_grant_and_remembered() {
        let before = App { permission_sets: ["vpn".to_owned()].into(), ..app() };
        let mut after = App { profiles: ["staff".to_owned(), "crew".to_owned()].into(), ..before.clone() };
        after.config.scope = Some(Expression::new("user.username != 'ada'"));
        let job = access_job(&before, &after, origin()).unwrap();
        let profile = |name: &str| Source::Profile(name.to_owned());
        let sources = [profile("crew"), profile("staff"), Source::PermissionSet("vpn".to_owned())];
        assert_eq!(job.sources(), sources, "and not only of what was given");
        let seen = before_open(&[job], &after);
        assert_eq!((&seen.config.scope, &seen.profiles), (&None, &before.profiles));
    }

    #[test]
    fn what_somebody_had_is_what_was_theirs_before_the_oldest_job_that_is_not_done() {
        let of =
            |profiles: &[&str]| App { profiles: profiles.iter().map(|name| (*name).to_owned()).collect(), ..app() };
        let job = |no: u64, before: &App, state| {
            let given = access_job(before, &of(&["x"]), Origin { id: JobId(no), ..origin() }).unwrap();
            Job { state, ..given }
        };
        let now = of(&["staff", "crew", "temps"]);
        let (oldest, middle, newest) = (of(&[]), of(&["staff"]), of(&["staff", "crew"]));
        let before = |jobs: &[Job]| before_open(jobs, &now).profiles;
        let states = |first, second, third| [job(3, &newest, third), job(1, &oldest, first), job(2, &middle, second)];
        use JobState::{Cancelled, Completed, Counting, Held, Running};
        assert_eq!(before(&states(Held, Running, Counting)), oldest.profiles);
        assert_eq!(before(&states(Completed, Running, Counting)), middle.profiles, "done: what it gave is theirs");
        assert_eq!(before(&states(Completed, Cancelled, Counting)), newest.profiles);
        assert_eq!(before(&states(Completed, Cancelled, Completed)), now.profiles);
        let elsewhere = Job { app: AppId(9), ..job(1, &oldest, Held) };
        let release = held_job(AppId(1), Task::Release, "", origin());
        assert_eq!(before(&[elsewhere, release]), now.profiles);
    }
}

//! Finds out what came of a write whose answer never came, by reading the target. What the reading proves is for
//! `lifecycle::resolve` to say; nothing is written here.

use crate::account::insist;
use crate::job::{Job, Worked};
use crate::loading::Surroundings;
use gatehouse_core::lifecycle::{Event, Evidence, OutcomeReport, Resolution, resolve};
use gatehouse_core::schema::Account as RemoteAccount;
use gatehouse_core::{CallFailure, Capability, Change, CommitStep, Desired, FailureKind, USERNAME, mapping};

/// Reads the target, and applies what that shows.
pub(crate) async fn settle(job: &mut Job, around: &Surroundings) -> Worked {
    let Some(step) = job.request.change.content.step(job.request.steps_done).cloned() else {
        return job.commit(&around.app, Event::Fail { why: "no step is left whose outcome to read".to_owned() }).await;
    };
    let resolution = match evidence(job, around, &step).await {
        Ok(Found::Evidence(evidence)) => resolve(&step, &around.schema, evidence),
        Ok(Found::NoWay(why)) => Resolution::Unprovable(why),
        Err(failure) => return job.commit(&around.app, Event::ReadFailed(failure)).await,
    };
    let resolution = match resolution {
        Resolution::Done(Some(account)) => Resolution::Done(Some(around.narrowed(account))),
        other => other,
    };
    let shown = match &resolution {
        Resolution::Done(account) => account.clone(),
        _ => None,
    };
    insist(job, around, shown.as_ref(), |known, new_account| {
        let resolution = resolution.clone();
        Event::OutcomeRead(Box::new(OutcomeReport { resolution, known, new_account, names: around.names() }))
    })
    .await
}

enum Found {
    Evidence(Evidence),
    /// There is nothing to read by, for this reason.
    NoWay(String),
}

async fn evidence(job: &mut Job, around: &Surroundings, step: &CommitStep) -> Result<Found, CallFailure> {
    if let CommitStep::Create(desired) = step {
        return search(job, around, desired).await;
    }
    let Some(external_id) = external_id(job).await else {
        return Ok(Found::NoWay("the account's id is not known".to_owned()));
    };
    if !around.can(Capability::Read) {
        return Ok(Found::NoWay("the connector cannot read single accounts".to_owned()));
    }
    let report = job.shell.connectors.read(&around.context, &external_id).await;
    job.note(around, "read", &report);
    match report.result {
        Ok(account) => Ok(Found::Evidence(Evidence::ById(Some(account)))),
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(Found::Evidence(Evidence::ById(None))),
        Err(failure) => Err(failure),
    }
}

async fn external_id(job: &Job) -> Option<String> {
    match &job.request.change.content {
        Change::Account { external_id: Some(external_id), .. } => Some(external_id.clone()),
        _ => job.shell.store.account(job.request.account?).await.ok().flatten()?.external_id,
    }
}

/// Looks for an account that may be the one that was to be made: by our marker, and by its username.
async fn search(job: &mut Job, around: &Surroundings, desired: &Desired) -> Result<Found, CallFailure> {
    let marker = mapping::marker(&around.app.config.mapping, &around.connector.description);
    let mark = marker.and_then(|attribute| Some((attribute, desired.attributes.get(attribute)?.first()?.text.clone())));
    let by_name = around.connector.description.searchable.iter().any(|attribute| attribute == USERNAME);
    if mark.is_none() && !by_name {
        return Ok(Found::NoWay("the connector can search neither for a marker nor for usernames".to_owned()));
    }
    let marked = match mark {
        Some((attribute, value)) => {
            let mut found = find(job, around, attribute, &value).await?;
            // A target that searches loosely proves nothing by what it finds.
            found.retain(|account| account.first(attribute) == Some(value.as_str()));
            Some(found)
        }
        None => None,
    };
    let named = if by_name { find(job, around, USERNAME, &desired.username).await? } else { Vec::new() };
    Ok(Found::Evidence(Evidence::Search { marked, named }))
}

async fn find(
    job: &mut Job,
    around: &Surroundings,
    attribute: &str,
    value: &str,
) -> Result<Vec<RemoteAccount>, CallFailure> {
    let report = job.shell.connectors.find(&around.context, attribute, value).await;
    job.note(around, "find", &report);
    report.result
}

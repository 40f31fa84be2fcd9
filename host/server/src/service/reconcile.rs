//! Reconciliations begin here, collected by the host or supplied by a custom process. An app has one active run at
//! a time; a plan nobody committed gives way to a new run.

use super::{Answer, Caller, ServiceError, Services};
use crate::wire::{ReconcileBody, StagedAccount};
use gatehouse_core::lifecycle::{Event, Moment, NewRequest, Raised, Transition, open, open_supplied, step};
use gatehouse_core::ports::{RequestQuery, Sequence};
use gatehouse_core::schema::{Account as RemoteAccount, Schema, Value, canonical_text};
use gatehouse_core::{
    App, Change, Description, Operation, Problem, Request, RequestId, RequestObject, StagingRow, StagingSource, State,
    Subject, nearest,
};
use gatehouse_engine::approvals::chain_for;
use std::collections::BTreeSet;

/// Runs looked at for one that is still active. An app has one at most, and it is among the newest.
const NEWEST: usize = 20;

impl Services {
    /// Starts a reconciliation.
    ///
    /// # Errors
    /// One is active already, the connector cannot do it, or a supplied account is malformed.
    pub async fn reconcile(&self, caller: &Caller, name: &str, body: ReconcileBody) -> Result<Answer, ServiceError> {
        let _turn = self.turn.lock().await;
        let app = self.find_app(name).await?;
        let connector = self.connector_of(&app).await?;
        if !app.config.operations.contains(&Operation::Reconcile) {
            let text = format!("Reconcile is off for app `{name}`; add it to the operations of its configuration");
            return Err(ServiceError::Conflict(text));
        }
        if body.staged.is_none() && !connector.operations().contains(&Operation::Reconcile) {
            let text = format!(
                "connector {} cannot collect accounts; supply them yourself (`staged`, --staged FILE)",
                app.connector.name
            );
            return Err(ServiceError::Conflict(text));
        }
        let stale = self.no_active_run(&app).await?;
        let rows = body.staged.map(|staged| rows(staged, &connector.description)).transpose()?;
        let store = self.store.as_ref();
        let approvals = chain_for(store, &app, Operation::Reconcile, Subject::App, caller.user).await?;
        let new = NewRequest {
            id: RequestId(self.store.allocate(Sequence::Request, 1)),
            app: app.id,
            operation: Operation::Reconcile,
            object: RequestObject::ConnectedApp,
            subject: Subject::App,
            account: None,
            change: Change::Reconcile,
            approvals,
            by: caller.actor.clone(),
            reason: body.reason,
            raised: Raised {
                requested_by: caller.user,
                supersedes: stale.as_ref().map(|stale| stale.id),
                ..Raised::default()
            },
        };
        let id = new.id;
        let transition = match &rows {
            Some(rows) => open_supplied(new, rows.len() as u64, body.complete, self.now()),
            None => open(new, self.now()),
        };
        let superseded = stale.map(|stale| self.supersede(&app, &stale, id, caller)).transpose()?;
        self.commit_opening(caller, transition, |changes| {
            changes.staging.extend(rows.into_iter().flatten().map(|row| (id, row)));
            if let Some(superseded) = superseded {
                let ended = superseded.into_changes(None);
                changes.requests.extend(ended.requests);
                changes.log.extend(ended.log);
                changes.audit.extend(ended.audit);
            }
        })
        .await
    }

    /// The plan that gives way to a new run, if there is one.
    ///
    /// # Errors
    /// A run is active.
    pub(super) async fn no_active_run(&self, app: &App) -> Result<Option<Request>, ServiceError> {
        let query = RequestQuery {
            app: Some(app.id),
            operation: Some(Operation::Reconcile),
            limit: NEWEST,
            ..RequestQuery::default()
        };
        let newest = self.store.requests(&query).await?.items;
        let active = newest.into_iter().find(|run| !run.state.is_settled());
        match active {
            Some(run) if run.state != State::Analyzed => Err(ServiceError::Conflict(format!(
                "{} of app `{}` is {:?} already; wait for it with `gatehouse request show {}`, or cancel it",
                run.id, app.name, run.state, run.id
            ))),
            other => Ok(other),
        }
    }

    fn supersede(
        &self,
        app: &App,
        stale: &Request,
        by: RequestId,
        caller: &Caller,
    ) -> Result<Transition, ServiceError> {
        let moment = Moment { now: self.now(), jitter: 0, retry: app.config.retry.clone() };
        let event = Event::Supersede { by: caller.actor.clone(), with: by, why: None };
        Ok(step(stale, event, &moment)?)
    }
}

/// Supplied accounts as staging rows, in canonical form.
fn rows(staged: Vec<StagedAccount>, description: &Description) -> Result<Vec<StagingRow>, ServiceError> {
    let schema = Schema::new(description.attributes.iter().cloned())
        .map_err(|error| ServiceError::Internal(error.to_string()))?;
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let mut rows = Vec::with_capacity(staged.len());
    for (no, account) in (0_u64..).zip(staged) {
        let at = |what: &str| format!("staged[{no}].{what}");
        if account.external_id.is_empty() {
            problems.push(Problem::new(at("external_id"), "it is empty"));
        } else if !seen.insert(account.external_id.clone()) {
            let why = format!("`{}` stands twice", account.external_id);
            problems.push(Problem::new(at("external_id"), why));
        }
        let (remote, bad) = canonical(account, &schema);
        problems
            .extend(bad.into_iter().map(|(attribute, why)| Problem::new(at(&format!("attributes.{attribute}")), why)));
        rows.push(StagingRow { no, source: StagingSource::Account(remote), changed: true, verdict: None });
    }
    ServiceError::unless_empty(problems)?;
    Ok(rows)
}

fn canonical(staged: StagedAccount, schema: &Schema) -> (RemoteAccount, Vec<(String, String)>) {
    let mut problems = Vec::new();
    let mut remote = RemoteAccount {
        external_id: staged.external_id,
        username: staged.username,
        status: staged.status,
        attributes: Default::default(),
        revision: staged.revision,
    };
    for (name, values) in staged.attributes {
        let Some(definition) = schema.get(&name) else {
            let near = nearest(&name, schema.names());
            let hint = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            problems.push((name, format!("the connector has no such attribute{hint}")));
            continue;
        };
        if values.len() > 1 && !definition.multi_valued {
            problems.push((name.clone(), "it takes one value".to_owned()));
        }
        let mut canonical = Vec::with_capacity(values.len());
        for value in values {
            match canonical_text(definition.kind, &value.text) {
                Ok(text) => canonical.push(Value { text, kind: value.kind, primary: value.primary }),
                Err(error) => problems.push((name.clone(), error.to_string())),
            }
        }
        remote.attributes.insert(name, canonical);
    }
    (remote, problems)
}

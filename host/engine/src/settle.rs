//! Finds out what came of a write whose answer never came, by reading the target. What the reading proves is for
//! `lifecycle::resolve` to say; nothing is written here.

use crate::account::insist;
use crate::hold::Hold;
use crate::job::{Job, Worked};
use crate::known::{accounts_of, known};
use crate::loading::{NotReady, Surroundings};
use crate::noted::Notes;
use crate::shell::Shell;
use crate::told::Told;
use gatehouse_core::lifecycle::{Event, Evidence, Looked, Marker, NameAttributes, OutcomeReport, Resolution, resolve};
use gatehouse_core::ports::{Call, CallReport, StoreError};
use gatehouse_core::schema::Account as RemoteAccount;
use gatehouse_core::{
    Account, AccountId, App, CallFailure, Capability, Change, CommitStep, Desired, FailureKind, Request, Subject,
    USERNAME, mapping,
};
use gatehouse_failpoints::fail_point;

/// Reads the target, and applies what that shows.
pub(crate) async fn settle(job: &mut Job, around: &Surroundings) -> Worked {
    let Some(step) = job.request.change.content.step(job.request.steps_done).cloned() else {
        return job.commit(&around.app, Event::Fail { why: "no step is left whose outcome to read".to_owned() }).await;
    };
    let shell = job.shell.clone();
    let hold = Some(&mut job.hold);
    let mut look = Look { shell: &shell, around, request: &job.request, hold, notes: Notes::default() };
    fail_point!("settle.before_read");
    let evidence = look.evidence(&step).await;
    let notes = look.notes;
    job.notes().append(notes);
    let looked = match evidence {
        Ok(evidence) => narrowed(around, resolve(&step, &around.schema, evidence, shell.now())),
        Err(failure) => return job.commit(&around.app, Event::ReadFailed(failure)).await,
    };
    let shown = match &looked.resolution {
        Resolution::Done(account) => account.clone(),
        _ => None,
    };
    fail_point!("settle.before_commit");
    insist(job, around, shown.as_ref(), |known, new_account| {
        let looked = looked.clone();
        Event::OutcomeRead(Box::new(OutcomeReport { looked, known, new_account, names: around.names() }))
    })
    .await?;
    fail_point!("settle.after_commit");
    Ok(())
}

fn narrowed(around: &Surroundings, looked: Looked) -> Looked {
    let resolution = match looked.resolution {
        Resolution::Done(account) => Resolution::Done(account.map(|account| around.narrowed(account))),
        Resolution::NotDone(account) => Resolution::NotDone(account.map(|account| around.narrowed(account))),
        other => other,
    };
    Looked { resolution, ..looked }
}

/// What the target and the records say to a request in review, for a person who settles it.
#[derive(Debug)]
pub struct Review {
    /// What reading shows, of the named account if one was named; or why it cannot be read.
    pub looked: Result<Resolution, CallFailure>,
    /// The marker that the account would carry.
    pub marker: Option<Marker>,
    /// The record of the account, or of its place.
    pub known: Option<Account>,
    /// Places that the account makes superfluous.
    pub superfluous: Vec<AccountId>,
    /// All records of the request's user in the app.
    pub of_user: Vec<Account>,
    /// Attributes plainly mapped from email, first and last name.
    pub names: NameAttributes,
}

/// Looks at the target for a person. What the calls told goes into the request's log; that they were made, and what
/// they were denied, into the audit trail.
pub(crate) async fn review(
    shell: &Shell,
    app: &App,
    request: &Request,
    external_id: Option<&str>,
) -> Result<Review, StoreError> {
    let of_user = match request.subject {
        Subject::User(user) => accounts_of(shell, app.id, user).await?,
        _ => Vec::new(),
    };
    let names = mapping::name_attributes(&app.config.mapping);
    let (looked, marker) = match Surroundings::of(shell, app.clone(), Some(request.id)).await {
        Err(NotReady::Store(error)) => return Err(error),
        Err(NotReady::Missing(failure)) => (Err(failure), None),
        Ok(around) => {
            let mut look = Look { shell, around: &around, request, hold: None, notes: Notes::default() };
            let looked = look.review(external_id).await;
            shell.store.commit(look.notes.into_changes(Some(request.id))).await?;
            (looked, marker_of(&around, request))
        }
    };
    let shown = match &looked {
        Ok(Resolution::Done(account)) => account.as_ref(),
        _ => None,
    };
    let found = known(shell, request, shown).await?;
    let superfluous = if shown.is_some() { found.superfluous } else { Vec::new() };
    Ok(Review { looked, marker, known: found.account, superfluous, of_user, names })
}

fn marker_of(around: &Surroundings, request: &Request) -> Option<Marker> {
    match request.change.content.step(request.steps_done) {
        Some(CommitStep::Create(desired)) => marker(around, desired),
        _ => None,
    }
}

fn marker(around: &Surroundings, desired: &Desired) -> Option<Marker> {
    let attribute = mapping::marker(&around.app.config.mapping, &around.connector.description)?;
    let value = desired.attributes.get(attribute)?.first()?.text.clone();
    Some(Marker { attribute: attribute.to_owned(), value })
}

/// Calls that only read, and what they leave to be written down.
struct Look<'a> {
    shell: &'a Shell,
    around: &'a Surroundings,
    request: &'a Request,
    /// The claim under which the engine looks; none if it looks for a person.
    hold: Option<&'a mut Hold>,
    notes: Notes,
}

impl Look<'_> {
    /// What there is to be read about a step.
    async fn evidence(&mut self, step: &CommitStep) -> Result<Evidence, CallFailure> {
        let request = self.request;
        if let CommitStep::Create(desired) = step {
            return self.search(desired).await;
        }
        let record = known(self.shell, request, None).await.ok().and_then(|found| found.account);
        let sealed = match &request.change.content {
            Change::Account { external_id, .. } => external_id.clone(),
            _ => None,
        };
        let Some(external_id) = sealed.or_else(|| record.as_ref()?.external_id.clone()) else {
            return Ok(Evidence::NoWay("the account's id is not known".to_owned()));
        };
        if !self.around.can(Capability::Read) {
            return Ok(Evidence::NoWay("the connector cannot read single accounts".to_owned()));
        }
        // A record that was written since tells the version after the change as likely as the one before.
        let started_at = request.attempts.last().map(|attempt| attempt.started_at);
        let before = record.filter(|record| started_at.is_some_and(|at| record.updated_at <= at));
        let before = before.and_then(|record| record.revision);
        match self.read(&external_id).await {
            Ok(account) => Ok(Evidence::ById { external_id, account: Some(account), before }),
            Err(failure) if failure.kind == FailureKind::NotFound => {
                Ok(Evidence::ById { external_id, account: None, before })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Looks for an account that may be the one that was to be made: by our marker, and by its username.
    async fn search(&mut self, desired: &Desired) -> Result<Evidence, CallFailure> {
        let marker = marker(self.around, desired);
        let by_name = self.around.connector.description.searchable.iter().any(|attribute| attribute == USERNAME);
        if marker.is_none() && !by_name {
            let why = "the connector can search neither for a marker nor for usernames";
            return Ok(Evidence::NoWay(why.to_owned()));
        }
        let marked = match &marker {
            Some(marker) => self.find(&marker.attribute, &marker.value).await?,
            None => Vec::new(),
        };
        let named = if by_name { Some(self.find(USERNAME, &desired.username).await?) } else { None };
        Ok(Evidence::Search { marker, marked, named })
    }

    /// The account that somebody named for a create; else what the engine itself would look at.
    async fn review(&mut self, external_id: Option<&str>) -> Result<Resolution, CallFailure> {
        let Some(step) = self.request.change.content.step(self.request.steps_done) else {
            return Ok(Resolution::Unprovable("no step is left".to_owned()));
        };
        let looked = match (step, external_id) {
            (CommitStep::Create(_), Some(external_id)) => {
                if !self.around.can(Capability::Read) {
                    let why = "the connector cannot read single accounts; complete the request, reconcile, and link \
                               the account then";
                    return Err(CallFailure::new(FailureKind::Unsupported, why));
                }
                return match self.read(external_id).await {
                    Ok(account) if account.external_id == external_id => {
                        Ok(Resolution::Done(Some(self.around.narrowed(account))))
                    }
                    Ok(_) => Ok(Resolution::Gone),
                    Err(failure) if failure.kind == FailureKind::NotFound => Ok(Resolution::Gone),
                    Err(failure) => Err(failure),
                };
            }
            _ => resolve(step, &self.around.schema, self.evidence(step).await?, self.shell.now()),
        };
        Ok(narrowed(self.around, looked).resolution)
    }

    async fn read(&mut self, external_id: &str) -> Result<RemoteAccount, CallFailure> {
        let call = self.shell.connectors.read(&self.around.context, external_id);
        self.call("read", call).await.result
    }

    async fn find(&mut self, attribute: &str, value: &str) -> Result<Vec<RemoteAccount>, CallFailure> {
        let call = self.shell.connectors.find(&self.around.context, attribute, value);
        self.call("find", call).await.result
    }

    async fn call<T: Told>(
        &mut self,
        function: &'static str,
        call: impl Future<Output = CallReport<T>>,
    ) -> CallReport<T> {
        if let Some(hold) = &mut self.hold
            && let Err(failure) = hold.for_a_call(self.shell).await
        {
            return CallReport { result: Err(failure), call: Call::default() };
        }
        let report = self.around.call(function, self.request.attempts.len(), &[], call).await;
        fail_point!("settle.after_read");
        self.notes.append(Notes::of(&self.around.caller(Some(self.request)), function, &report, self.shell.now()));
        report
    }
}

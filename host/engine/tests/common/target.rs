//! An in-memory target behind the connectors' trait, with faults on demand: what the engine must live with.

use async_trait::async_trait;
use gatehouse_core::ports::{
    AccountPage, Admission, AdmissionError, AnalysisItem, Call, CallContext, CallReport, CommitCommand, Connectors,
    Denial, Finding, JournalLine, Judgement, Receipt, RowVerdict,
};
use gatehouse_core::schema::{Account, Status};
use gatehouse_core::{AppId, CallFailure, CommitStep, Digest, FailureKind, Level, PageNext, SentWrite};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// What goes wrong with one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing is done, and the connector says so.
    Refused(CallFailure),
    /// A write leaves and is done, but its answer never comes.
    ReplyLost,
    /// A write leaves, is not done, and no answer comes.
    WriteLost,
    /// Two writes leave; the first is done, the second refused, and only that is reported.
    HalfDone,
    /// Nothing happens until somebody lets it go on; then all is well.
    Waits(Arc<tokio::sync::Notify>),
    /// The call never ends.
    Hangs,
    /// It is done, and then the call never ends.
    DoneThenHangs,
    /// The host's own code breaks.
    Panics,
    /// The gate refuses something on the way; otherwise all is well.
    Denied,
}

/// What a test wants to look at in the moment of a call.
pub enum Moment<'a> {
    /// A page is about to be fetched, at this cursor.
    Page(Option<&'a str>),
    /// A write is about to be made.
    Write(&'a CommitCommand),
}

pub type Witness = Box<dyn Fn(&CallContext, Moment<'_>) + Send + Sync>;

/// One call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub function: &'static str,
    /// The cursor, the external id, the value searched for, or the idempotency key.
    pub about: String,
}

/// One app's target.
#[derive(Default)]
pub struct Target {
    pub accounts: BTreeMap<String, Account>,
    pub made: Vec<Made>,
    /// How often each idempotency key changed something.
    pub applied: BTreeMap<String, u32>,
    pub faults: BTreeMap<&'static str, VecDeque<Fault>>,
    pub peak: usize,
    pub incomplete: bool,
    /// Whether it finds what merely begins with the value searched for.
    pub searches_loosely: bool,
    /// How many searches find nothing of what is there.
    pub blind: u32,
    /// What the analyzer says of accounts, by username.
    pub opinions: BTreeMap<String, Judgement>,
    /// Revisions moved on behind our back, for the next write.
    pub revision: u64,
    /// Accounts the next page lists besides, once more.
    pub repeated: Vec<Account>,
    under_way: usize,
    next_id: u64,
}

impl Target {
    pub fn seed(&mut self, username: &str, attributes: &[(&str, &str)]) -> String {
        self.next_id += 1;
        let external_id = format!("x{:03}", self.next_id);
        let attributes = attributes.iter().map(|(name, text)| ((*name).to_owned(), vec![(*text).into()])).collect();
        let account = Account {
            external_id: external_id.clone(),
            username: username.to_owned(),
            status: Status::Active,
            attributes,
            revision: Some("r0".to_owned()),
        };
        self.accounts.insert(external_id.clone(), account);
        external_id
    }

    pub fn fails(&mut self, function: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.faults.entry(function).or_default().extend(faults);
    }

    pub fn named(&self, username: &str) -> Vec<&Account> {
        self.accounts.values().filter(|account| account.username == username).collect()
    }

    pub fn calls(&self, function: &str) -> usize {
        self.made.iter().filter(|made| made.function == function).count()
    }

    fn apply(&mut self, command: &CommitCommand) -> Result<Receipt, CallFailure> {
        self.revision += 1;
        let revision = Some(format!("r{}", self.revision));
        let account = match (&command.step, &command.external_id) {
            (CommitStep::Create(desired), _) => {
                if let Some(there) = self.named(&desired.username).first() {
                    let mut failure = CallFailure::new(FailureKind::Conflict, "the username is taken");
                    failure.conflicting = Some(there.external_id.clone());
                    return Err(failure);
                }
                self.next_id += 1;
                let external_id = format!("x{:03}", self.next_id);
                let account = Account {
                    external_id: external_id.clone(),
                    username: desired.username.clone(),
                    status: desired.status,
                    attributes: desired.attributes.clone(),
                    revision,
                };
                self.accounts.insert(external_id, account.clone());
                Some(account)
            }
            (step, Some(external_id)) => {
                let Some(account) = self.accounts.get_mut(external_id) else {
                    return Err(CallFailure::new(FailureKind::NotFound, ""));
                };
                if command.expected_revision.is_some() && command.expected_revision != account.revision {
                    return Err(CallFailure::new(FailureKind::Stale, ""));
                }
                account.revision = revision;
                match step {
                    CommitStep::Update(attributes) => {
                        for (name, values) in attributes {
                            match values.is_empty() {
                                true => drop(account.attributes.remove(name)),
                                false => drop(account.attributes.insert(name.clone(), values.clone())),
                            }
                        }
                        Some(account.clone())
                    }
                    CommitStep::SetStatus(status) => {
                        account.status = *status;
                        Some(account.clone())
                    }
                    _ => self.accounts.remove(external_id).and(None),
                }
            }
            _ => return Err(CallFailure::new(FailureKind::Protocol, "no external id")),
        };
        *self.applied.entry(command.idempotency_key.clone()).or_default() += 1;
        Ok(Receipt { account, applied: true })
    }
}

fn sent(status: u16) -> SentWrite {
    let url = "https://hr.example.com/Users".to_owned();
    SentWrite { method: "POST".to_owned(), url, after_ms: 1, status: Some(status), lost: None }
}

/// The targets of all apps.
#[derive(Default)]
pub struct FakeConnectors {
    targets: Mutex<BTreeMap<AppId, Target>>,
    loaded: Mutex<BTreeSet<Digest>>,
    witness: Mutex<Option<Witness>>,
    /// What happens while a component is compiled.
    meanwhile: Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

/// Counts a call as under way for as long as it lives.
struct UnderWay<'a>(&'a FakeConnectors, AppId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.targets().entry(self.1).or_default().under_way -= 1;
    }
}

impl FakeConnectors {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Has every page and every write looked at.
    pub fn witnessed(&self, by: Witness) {
        *self.witness.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(by);
    }

    /// Has this happen while a component is compiled the next time.
    pub fn while_loading(&self, happens: impl Fn() + Send + Sync + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::new(happens));
    }

    fn shows(&self, context: &CallContext, moment: Moment<'_>) {
        if let Some(witness) = &*self.witness.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            witness(context, moment);
        }
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<AppId, Target>> {
        self.targets.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Looks at, or changes, an app's target behind Gatehouse's back.
    pub fn target<T>(&self, app: AppId, look: impl FnOnce(&mut Target) -> T) -> T {
        look(self.targets().entry(app).or_default())
    }

    async fn call<T>(
        &self,
        context: &CallContext,
        function: &'static str,
        about: &str,
        done: impl FnOnce(&mut Target) -> Result<T, CallFailure>,
    ) -> CallReport<T> {
        assert!(self.loaded.lock().unwrap().contains(&context.connector), "the component was not loaded");
        let app = context.app;
        let fault = self.target(app, |target| {
            target.made.push(Made { function, about: about.to_owned() });
            target.under_way += 1;
            target.peak = target.peak.max(target.under_way);
            target.faults.get_mut(function).and_then(VecDeque::pop_front)
        });
        let _under_way = UnderWay(self, app);
        // Others may run between the begin and the end of a call.
        tokio::task::yield_now().await;
        let writes = function == "commit";
        let mut call = Call { write_left: writes, requests: 1, ..Call::default() };
        let unanswered = || Err(CallFailure::new(FailureKind::Unavailable, "no answer came"));
        let result = match fault {
            None => self.target(app, done),
            Some(Fault::Denied) => {
                call.denials.push(Denial {
                    rule: "origin-not-granted".to_owned(),
                    method: "POST".to_owned(),
                    url: "https://elsewhere.example/steal".to_owned(),
                    detail: "not granted".to_owned(),
                });
                let message = "tried something".to_owned();
                call.journal.push(JournalLine { level: Level::Warn, message, fields: Vec::new() });
                self.target(app, done)
            }
            Some(Fault::Refused(failure)) => {
                call.write_left = false;
                Err(failure)
            }
            Some(Fault::ReplyLost) => self.target(app, done).and_then(|_| unanswered()),
            Some(Fault::WriteLost) => unanswered(),
            Some(Fault::HalfDone) => {
                call.writes = [201, 400].map(sent).into();
                self.target(app, done).and(Err(CallFailure::new(FailureKind::Invalid, "the second write is refused")))
            }
            Some(Fault::Waits(go_on)) => {
                go_on.notified().await;
                self.target(app, done)
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::DoneThenHangs) => {
                drop(self.target(app, done));
                std::future::pending().await
            }
            Some(Fault::Panics) => panic!("a fault in the host's own code"),
        };
        CallReport { result, call }
    }
}

#[async_trait]
impl Connectors for FakeConnectors {
    async fn admit(&self, _component: &[u8]) -> Result<Admission, AdmissionError> {
        Err(AdmissionError { case: "invalid".to_owned(), message: "nothing is admitted here".to_owned() })
    }

    async fn load(&self, digest: Digest, component: &[u8]) -> Result<(), AdmissionError> {
        assert_eq!(Digest::of(component), digest);
        if let Some(happens) = self.meanwhile.lock().unwrap().take() {
            happens();
        }
        self.loaded.lock().unwrap().insert(digest);
        Ok(())
    }

    fn is_loaded(&self, digest: Digest) -> bool {
        self.loaded.lock().unwrap().contains(&digest)
    }

    fn unload(&self, digest: Digest) {
        self.loaded.lock().unwrap().remove(&digest);
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    async fn check(&self, context: &CallContext) -> CallReport<Vec<Finding>> {
        let finding = Finding { name: "sign-in".to_owned(), detail: "works".to_owned() };
        self.call(context, "check", "", |_| Ok(vec![finding])).await
    }

    async fn collect(
        &self,
        context: &CallContext,
        _filter: Option<&str>,
        cursor: Option<&str>,
        attributes: &[String],
        limit: u32,
    ) -> CallReport<AccountPage> {
        self.shows(context, Moment::Page(cursor));
        let from: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
        self.call(context, "collect", cursor.unwrap_or("first"), |target| {
            let estimate = Some(target.accounts.len() as u64);
            let mut accounts: Vec<Account> =
                target.accounts.values().skip(from).take(limit as usize).cloned().collect();
            for account in &mut accounts {
                account.attributes.retain(|name, _| attributes.contains(name));
            }
            let through = from + accounts.len();
            accounts.append(&mut target.repeated);
            let next = match through < target.accounts.len() {
                true => PageNext::More(through.to_string()),
                false if target.incomplete => PageNext::Partial("the target shows no more".to_owned()),
                false => PageNext::Complete,
            };
            Ok(AccountPage { accounts, faults: Vec::new(), estimate, next })
        })
        .await
    }

    async fn read(&self, context: &CallContext, external_id: &str) -> CallReport<Account> {
        self.call(context, "read", external_id, |target| {
            target.accounts.get(external_id).cloned().ok_or_else(|| CallFailure::new(FailureKind::NotFound, ""))
        })
        .await
    }

    async fn find(&self, context: &CallContext, attribute: &str, value: &str) -> CallReport<Vec<Account>> {
        self.call(context, "find", &format!("{attribute}={value}"), |target| {
            let matches = |text: &str| text == value || (target.searches_loosely && text.starts_with(value));
            let has = |account: &&Account| match attribute {
                "username" => matches(&account.username),
                name => account.first(name).is_some_and(matches),
            };
            if target.blind > 0 {
                target.blind -= 1;
                return Ok(Vec::new());
            }
            Ok(target.accounts.values().filter(has).cloned().collect())
        })
        .await
    }

    async fn analyze(&self, context: &CallContext, batch: &[AnalysisItem]) -> CallReport<Vec<RowVerdict>> {
        self.call(context, "analyze", &batch.len().to_string(), |target| {
            let verdict = |item: &AnalysisItem| RowVerdict {
                judgement: target.opinions.get(&item.account.username).cloned().unwrap_or(Judgement::Same),
                drift: item
                    .desired
                    .iter()
                    .filter(|(name, values)| {
                        let texts = |values: Option<&Vec<gatehouse_core::schema::Value>>| -> Vec<String> {
                            values.into_iter().flatten().map(|value| value.text.to_lowercase()).collect()
                        };
                        texts(Some(values)) != texts(item.account.attributes.get(*name))
                    })
                    .map(|(name, _)| name.clone())
                    .collect(),
            };
            Ok(batch.iter().map(verdict).collect())
        })
        .await
    }

    async fn commit(&self, context: &CallContext, command: &CommitCommand) -> CallReport<Receipt> {
        self.shows(context, Moment::Write(command));
        self.call(context, "commit", &command.idempotency_key, |target| target.apply(command)).await
    }
}

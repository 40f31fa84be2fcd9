//! A host in this process: the real routes on a real listener, over the in-memory store, with connectors and an
//! engine that only pretend. And the real `gatehouse` binary to call it with.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

pub mod agreement;
pub mod calls;
pub mod engine;
pub mod shapes;
pub mod story;

use async_trait::async_trait;
use gatehouse_core::lifecycle::{NameAttributes, Resolution};
use gatehouse_core::ports::{
    AccountPage, Admission, AdmissionError, AnalysisItem, Call, CallContext, CallReport, ChangeSet, Clock,
    CommitCommand, Connectors, Finding, Receipt, RowVerdict, Store, StoreError, Versioned,
};
use gatehouse_core::provision::{Matched, Sighting};
use gatehouse_core::schema::{Account as RemoteAccount, AttributeDefinition};
use gatehouse_core::{
    Actor, App, AuthScheme, CallFailure, Capability, CommitStep, Connector, CredentialSlot, Description, Digest,
    FailureKind, Interface, SettingDefinition, SettingType, User,
};
use gatehouse_engine::{Review, SystemClock};
use gatehouse_server::api::{Api, router};
use gatehouse_server::service::{Background, Caller, FIRST_TOKEN, Services};
use gatehouse_server::wire::NewToken;
use gatehouse_store::MemoryStore;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use ureq::http::{Method, Request};

/// How a component begins. What follows is the JSON of the description that the pretended `describe` gives.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// How long a command may take at most; none of these takes more than a second.
pub const GENEROUS: Duration = Duration::from_secs(60);

pub struct Host {
    pub address: SocketAddr,
    pub token: String,
    pub store: Arc<MemoryStore>,
    pub background: Arc<Pretended>,
    pub services: Services,
    runtime: tokio::runtime::Runtime,
    pub close: watch::Sender<bool>,
}

/// An engine that does nothing but count.
#[derive(Default)]
pub struct Pretended {
    pub woken: AtomicUsize,
    pub probe: Mutex<Option<CallFailure>>,
    /// What looking at the target shows; if nothing is said, the account that is asked for.
    pub looked: Mutex<Option<Result<Resolution, CallFailure>>>,
    pub ill: Mutex<Option<String>>,
    /// What searching the target finds.
    pub found: Mutex<Vec<Sighting>>,
}

#[async_trait]
impl Background for Pretended {
    fn wake(&self) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }

    fn health(&self) -> Result<(), String> {
        self.ill.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn raising(&self) -> Arc<tokio::sync::Mutex<()>> {
        Arc::default()
    }

    async fn probe(&self, _: &App) -> CallReport<Vec<Finding>> {
        let result = match self.probe.lock().unwrap().clone() {
            Some(failure) => Err(failure),
            None => Ok(vec![Finding { name: "sign-in".to_owned(), detail: "accepted".to_owned() }]),
        };
        CallReport { result, call: Call::default() }
    }

    async fn search(&self, _: &App, _: &User) -> Result<Matched, StoreError> {
        Ok(Matched::Found(self.found.lock().unwrap().clone()))
    }

    async fn review(&self, _: &App, of: &gatehouse_core::Request, id: Option<&str>) -> Result<Review, StoreError> {
        let username = match of.change.content.step(of.steps_done) {
            Some(CommitStep::Create(desired)) => desired.username.clone(),
            _ => String::new(),
        };
        let account = |id: &str| RemoteAccount {
            external_id: id.to_owned(),
            username: username.clone(),
            ..RemoteAccount::default()
        };
        let looked = self.looked.lock().unwrap().clone();
        Ok(Review {
            looked: looked.unwrap_or_else(|| Ok(Resolution::Done(id.map(account)))),
            marker: None,
            known: None,
            superfluous: Vec::new(),
            of_user: Vec::new(),
            names: NameAttributes::default(),
        })
    }
}

/// Connectors that admit everything of the pretended kind, and call nothing.
pub struct Admitting;

fn unsupported<T>() -> CallReport<T> {
    CallReport { result: Err(CallFailure::new(FailureKind::Host, "only pretended")), call: Call::default() }
}

#[async_trait]
impl Connectors for Admitting {
    async fn admit(&self, component: &[u8]) -> Result<Admission, AdmissionError> {
        let refused = |message: &str| AdmissionError { case: "not-wasm".to_owned(), message: message.to_owned() };
        let rest = component.strip_prefix(COMPONENT).ok_or_else(|| refused("this is not WebAssembly"))?;
        let description: Description = serde_json::from_slice(rest).map_err(|error| refused(&error.to_string()))?;
        let connector = Connector {
            description,
            digest: Digest::of(component),
            size: component.len() as u64,
            interfaces: BTreeSet::from([Interface::Descriptor, Interface::Collector, Interface::Committer]),
            imports: Vec::new(),
            installed_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            installed_by: String::new(),
        };
        Ok(Admission { connector, warnings: Vec::new() })
    }

    async fn load(&self, _: Digest, _: &[u8]) -> Result<(), AdmissionError> {
        Ok(())
    }

    fn is_loaded(&self, _: Digest) -> bool {
        false
    }

    fn unload(&self, _: Digest) {}

    fn health(&self) -> Result<(), String> {
        Ok(())
    }

    async fn check(&self, _: &CallContext) -> CallReport<Vec<Finding>> {
        unsupported()
    }

    async fn collect(
        &self,
        _: &CallContext,
        _: Option<&str>,
        _: Option<&str>,
        _: &[String],
        _: u32,
    ) -> CallReport<AccountPage> {
        unsupported()
    }

    async fn read(&self, _: &CallContext, _: &str) -> CallReport<RemoteAccount> {
        unsupported()
    }

    async fn find(&self, _: &CallContext, _: &str, _: &str) -> CallReport<Vec<RemoteAccount>> {
        unsupported()
    }

    async fn analyze(&self, _: &CallContext, _: &[AnalysisItem]) -> CallReport<Vec<RowVerdict>> {
        unsupported()
    }

    async fn commit(&self, _: &CallContext, _: &CommitCommand) -> CallReport<Receipt> {
        unsupported()
    }
}

/// A component of the pretended kind.
pub fn component(version: &str) -> Vec<u8> {
    let setting = |name: &str, kind, required, choices: &[&str]| SettingDefinition {
        name: name.to_owned(),
        description: String::new(),
        kind,
        required,
        default: None,
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
    };
    let description = Description {
        name: "sample".to_owned(),
        version: version.to_owned(),
        summary: "A sample".to_owned(),
        capabilities: BTreeSet::from([
            Capability::Create,
            Capability::Read,
            Capability::Update,
            Capability::Deactivate,
            Capability::Activate,
            Capability::Reconcile,
        ]),
        attributes: vec![
            AttributeDefinition::text("displayName", "").suggested("{first_name} {last_name}"),
            AttributeDefinition::text("emails", "").multi_valued().suggested("{email}"),
            AttributeDefinition::text("ssn", "").sensitive(),
        ],
        settings: vec![
            setting("base_url", SettingType::Url, true, &[]),
            setting("page_size", SettingType::Integer, false, &[]),
            setting("patch", SettingType::Choice, false, &["auto", "never"]),
        ],
        credentials: vec![CredentialSlot {
            name: "token".to_owned(),
            description: String::new(),
            schemes: vec![AuthScheme::Bearer],
            header: None,
            setting: "base_url".to_owned(),
            required: false,
        }],
        searchable: vec!["username".to_owned()],
        search_paths: Vec::new(),
    };
    [COMPONENT, &serde_json::to_vec(&description).unwrap()].concat()
}

/// An answer, read.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Json,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The case of the problem, after the namespace.
    pub fn case(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default().trim_start_matches("urn:gatehouse:problem:")
    }
}

/// A clock that only moves when told to.
pub struct ManualClock(Mutex<jiff::Timestamp>);

impl ManualClock {
    pub fn starting() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-06-01T08:00:00Z".parse().unwrap())))
    }

    pub fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    }

    /// So many seconds from now, as it is written.
    pub fn in_seconds(&self, seconds: i64) -> String {
        self.now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap().to_string()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> jiff::Timestamp {
        *self.0.lock().unwrap()
    }

    fn jitter(&self) -> u32 {
        0
    }
}

impl Host {
    pub fn start() -> Self {
        Self::start_by(Arc::new(SystemClock))
    }

    /// With so many calls a minute for each token, and a clock that stands still.
    pub fn limited(calls: u32) -> Self {
        struct Still;
        impl Clock for Still {
            fn now(&self) -> jiff::Timestamp {
                "2026-01-01T00:00:00Z".parse().unwrap()
            }
            fn jitter(&self) -> u32 {
                0
            }
        }
        Self::start_with(Arc::new(Still), |api| api.with_calls_per_minute(calls))
    }

    /// With this clock.
    pub fn start_by(clock: Arc<dyn Clock>) -> Self {
        Self::start_with(clock, |api| api)
    }

    fn start_with(clock: Arc<dyn Clock>, configured: impl FnOnce(Api) -> Api) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Arc::new(MemoryStore::new());
        let background = Arc::new(Pretended::default());
        let services = Services::new(store.clone(), Arc::new(Admitting), clock, background.clone());
        let first = NewToken { name: FIRST_TOKEN.to_owned(), ..NewToken::default() };
        let token = runtime.block_on(services.create_token(&Caller::new(Actor::host()), first)).unwrap().token;
        let (close, closing) = watch::channel(false);
        let api = router(configured(Api::new(services.clone(), None, closing)));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            axum::serve(listener, api.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap()
        });
        Self { address, token, store, background, services, runtime, close }
    }

    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut request =
            Request::builder().method(method.parse::<Method>().unwrap()).uri(format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = agent.run(request.body(body.to_vec()).unwrap()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Json::Null);
        let answer = Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body, text };
        agreement::check(method, path, &answer);
        answer
    }

    /// Calls with the token, and JSON where there is some.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Json>) -> Answer {
        self.call_by(&self.token, method, path, headers, body)
    }

    /// As [`Self::call`], with another token.
    pub fn call_by(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Json>,
    ) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut all = vec![("authorization", bearer.as_str())];
        if body.is_some() {
            all.push(("content-type", "application/json"));
        }
        all.extend_from_slice(headers);
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.send(method, &format!("/api/v1{path}"), &all, &bytes)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Json) -> Answer {
        self.call("POST", path, &[], Some(body))
    }

    pub fn upload(&self, path: &str, kind: &str, bytes: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        self.send("POST", &format!("/api/v1{path}"), &headers, bytes)
    }

    /// The sample connector, and app `hr` on it.
    pub fn with_app(self) -> Self {
        let installed = self.upload("/connectors?allow_unsigned=true", "application/wasm", &component("1.0.0"));
        assert_eq!(installed.status, 201, "{installed:?}");
        let made = self.post("/profiles", &serde_json::json!({"name": "staff"}));
        assert_eq!(made.status, 201, "{made:?}");
        let app = serde_json::json!({
            "name": "hr", "connector": "sample", "settings": {"base_url": "https://hr.example.com/api"},
            "profiles": ["staff"],
        });
        let made = self.post("/apps", &app);
        assert_eq!(made.status, 201, "{made:?}");
        self
    }

    /// Marks the app `hr` as a reconciliation does that has come to its end: events make accounts from then on.
    pub fn looked_at(self) -> Self {
        self.wait(async {
            let app = self.store.app_by_name("hr").await.unwrap().unwrap();
            let looked_at = Versioned::replacing(app.version, App { surveyed: true, ..app });
            self.store.commit(ChangeSet { apps: vec![looked_at], ..ChangeSet::default() }).await.unwrap();
        });
        self
    }

    /// Runs the real binary against this host, in a directory: its exit code, stdout and stderr.
    pub fn cli(&self, directory: &Path, arguments: &[&str]) -> (i32, String, String) {
        let mut command = gatehouse(directory, arguments);
        command.env("GATEHOUSE_SERVER", self.url()).env("GATEHOUSE_TOKEN", &self.token);
        output(command)
    }
}

/// The real binary, with nothing of this process's environment that it reads.
pub fn gatehouse(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    for variable in ["SERVER", "TOKEN", "TOKEN_FILE", "DATA", "LISTEN", "MASTER_KEY", "MASTER_KEY_FILE", "LOG"] {
        command.env_remove(format!("GATEHOUSE_{variable}"));
    }
    command
}

/// Runs a command to its end: exit code, stdout and stderr. One that does not end (a host that starts where it should
/// have been refused) is ended, with a code of -1.
#[allow(clippy::disallowed_methods, reason = "it polls, with a deadline")]
pub fn output(mut command: Command) -> (i32, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let drain = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        })
    };
    let stdout = drain(Box::new(child.stdout.take().unwrap()));
    let stderr = drain(Box::new(child.stderr.take().unwrap()));
    let deadline = Instant::now() + GENEROUS;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let code = status.and_then(|status| status.code()).unwrap_or(-1);
    (code, stdout.join().unwrap(), stderr.join().unwrap())
}

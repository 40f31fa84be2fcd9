//! The counting target: a SCIM 2.0 server that accepts duplicates, keeps a log of every request it saw, and goes
//! wrong on demand: it drops replies after the write, delays, throttles, cuts connections, lies about totals. It is
//! for tests, the soak and the bench; it never decides what is right, it only says what happened.
//!
//! In a test, in the same process:
//!
//! ```
//! use gatehouse_tests::counting::{CountingTarget, Fault, Rule};
//!
//! let target = CountingTarget::start()?;
//! target.seed(1000); // the users `seeded(1)` to `seeded(1000)`, the same every time
//! target.fault(Rule::once(Fault::DropAfter).on("POST", "/Users")); // the next create is done, its reply lost
//! // … base_url=target.base_url(), bearer token target.token() …
//! assert!(target.log().creates_of("usr-1").len() < 2);
//! assert!(target.log().taken_twice().is_empty(), "{}", target.log().story());
//! assert_eq!(target.users().len(), 1000);
//! # anyhow::Ok(())
//! ```
//!
//! As a process of its own (which survives a host that is killed, and keeps its accounts in memory) it is the binary
//! `counting-target`; [`CountingProcess`] starts it and has the same methods, with errors. It is controlled by HTTP
//! under `/_control`, see `control.rs`.

mod accounts;
mod control;
mod faults;
mod log;
mod patch;
mod process;
mod scim;
mod serve;
mod wire;

#[cfg(test)]
mod tests;

pub use faults::{Fault, RetryAfter, Rule};
pub use log::{Done, Log, PageAsked, Reply, Seen};
pub use process::CountingProcess;

use crate::Target;
use accounts::Accounts;
use anyhow::{Context, Result};
use faults::Faults;
use log::Writer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serve::Connections;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The path of the base URL.
const BASE: &str = "/v2";

/// What a target is like, apart from its faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The bearer token it takes.
    pub token: String,
    /// Whether it keeps a log. Off, it only counts requests.
    pub log: bool,
    /// Whether a second user of the same userName or externalId is refused (409); off, it is taken.
    pub unique: bool,
    /// Whether it has ETags and respects If-Match.
    pub versions: bool,
    /// The most users of a page.
    pub max_results: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: "a-very-secret-token".to_owned(), log: true, unique: false, versions: true, max_results: 2000 }
    }
}

/// What a list or a write gets wrong on purpose.
#[derive(Clone, Debug, Default)]
struct Lie {
    total: i64,
    per_page: Option<u64>,
    empty: bool,
    forget_marker: bool,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    started: Instant,
    options: Mutex<Options>,
    accounts: Mutex<Accounts>,
    log: Mutex<Writer>,
    faults: Mutex<Faults>,
}

/// A target in this process. It ends when it is dropped.
#[derive(Debug)]
pub struct CountingTarget {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    base_url: String,
    token: String,
}

impl CountingTarget {
    /// Starts one on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// There is no port.
    pub fn start() -> Result<Self> {
        Self::start_with(Options::default())
    }

    /// Starts one that is like this.
    ///
    /// # Errors
    /// There is no port.
    pub fn start_with(options: Options) -> Result<Self> {
        Self::start_on(0, options)
    }

    /// Starts one on this port; 0 stands for a free one.
    ///
    /// # Errors
    /// The port is not to be had.
    pub fn start_on(port: u16, options: Options) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("the port of the counting target")?;
        let address = listener.local_addr().context("the port of the counting target")?;
        let base_url = format!("http://{address}{BASE}");
        let token = options.token.clone();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            log: Mutex::new(Writer::new(options.log)),
            options: Mutex::new(options),
            accounts: Mutex::new(Accounts::new(&base_url)),
            faults: Mutex::default(),
        });
        let connections = serve::listen(listener, Arc::clone(&shared));
        Ok(Self { shared, connections, base_url, token })
    }

    /// Makes users 1 to `count` as [`seeded`] describes them.
    pub fn seed(&self, count: usize) {
        self.shared.seed(count);
    }

    /// Makes an account, as an administrator of the target would: its id.
    pub fn add(&self, user: Value) -> String {
        locked(&self.shared.accounts).add(user).id()
    }

    /// Takes an account away, as an administrator of the target would; whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        locked(&self.shared.accounts).remove(id).is_some()
    }

    /// All accounts, as they are.
    pub fn users(&self) -> Vec<Value> {
        locked(&self.shared.accounts).all().iter().map(accounts::Account::json).collect()
    }

    /// The accounts with this userName, in whatever case.
    pub fn users_named(&self, user_name: &str) -> Vec<Value> {
        let accounts = locked(&self.shared.accounts);
        accounts.find("userName", user_name).into_iter().flatten().map(accounts::Account::json).collect()
    }

    /// What it saw so far.
    pub fn log(&self) -> Log {
        self.log_since(0)
    }

    /// What it saw after the request with this number.
    pub fn log_since(&self, number: u64) -> Log {
        locked(&self.shared.log).since(number)
    }

    /// How many requests it saw.
    pub fn requests(&self) -> u64 {
        locked(&self.shared.log).count()
    }

    /// Forgets the log; the numbers of requests go on.
    pub fn clear_log(&self) {
        locked(&self.shared.log).forget(u64::MAX);
    }

    /// Sets a rule, behind those that are set.
    pub fn fault(&self, rule: Rule) {
        locked(&self.shared.faults).add(rule);
    }

    /// Takes back all rules.
    pub fn clear_faults(&self) {
        locked(&self.shared.faults).clear();
    }

    /// How many requests have been befallen by the rules that are set.
    pub fn befell(&self) -> u64 {
        locked(&self.shared.faults).befell()
    }

    /// Changes what it is like; its token stays the one it was started with.
    pub fn set(&self, change: impl FnOnce(&mut Options)) {
        self.shared.set(change);
    }
}

impl Target for CountingTarget {
    fn base_url(&self) -> &str {
        &self.base_url
    }

    fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for CountingTarget {
    fn drop(&mut self) {
        self.connections.close();
    }
}

impl Shared {
    fn seed(&self, count: usize) {
        let mut accounts = locked(&self.accounts);
        for number in 1..=count {
            accounts.add(seeded(number));
        }
    }

    fn set(&self, change: impl FnOnce(&mut Options)) {
        let mut options = locked(&self.options);
        let token = options.token.clone();
        change(&mut options);
        options.token = token;
        locked(&self.log).keeps = options.log;
    }
}

/// The user of this number that [`CountingTarget::seed`] makes: `user000001`, Given1 Family1,
/// `user000001@example.com`, active, without an externalId.
pub fn seeded(number: usize) -> Value {
    let user_name = format!("user{number:06}");
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": user_name,
        "name": {"givenName": format!("Given{number}"), "familyName": format!("Family{number}")},
        "displayName": format!("Given{number} Family{number}"),
        "emails": [{"value": format!("{user_name}@example.com"), "type": "work", "primary": true}],
        "active": true,
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

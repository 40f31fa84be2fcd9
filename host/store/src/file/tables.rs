//! Every table of the file, with its key and value: the whole layout in one place. It never reads or writes one,
//! except to make them all and to copy them all.
//!
//! Keys are dense numbers where they can be: appending under a running number is many times cheaper than scattered
//! keys. Indexes over several small sets (situation; state and operation) are one table each: a filter that leaves
//! one of them open is answered by merging its few ranges, and each write pays for one entry instead of four.

use super::fault::Outcome;
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, TableHandle, WriteTransaction};
use std::collections::BTreeMap;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident: $key:ty => $value:ty;)*) => {
        $($(#[$doc])* pub(super) const $name: TableDefinition<'static, $key, $value> =
            TableDefinition::new(stringify!($name));)*

        /// Makes the tables that are not there yet.
        pub(super) fn create_all(txn: &WriteTransaction) -> Outcome<()> {
            $(txn.open_table($name)?;)*
            Ok(())
        }

        /// Copies every entry of every table: how many those were.
        pub(super) fn copy_all(from: &ReadTransaction, to: &WriteTransaction) -> Outcome<BTreeMap<String, u64>> {
            let mut counts = BTreeMap::new();
            $(
                let (mut target, mut count) = (to.open_table($name)?, 0_u64);
                for entry in from.open_table($name)?.iter()? {
                    let (key, value) = entry?;
                    target.insert(key.value(), value.value())?;
                    count += 1;
                }
                counts.insert($name.name().to_owned(), count);
            )*
            Ok(counts)
        }

        /// How many entries every table has.
        pub(super) fn count_all(txn: &ReadTransaction) -> Outcome<BTreeMap<String, u64>> {
            let mut counts = BTreeMap::new();
            $(counts.insert($name.name().to_owned(), txn.open_table($name)?.len()?);)*
            Ok(counts)
        }

        /// Whether a table of this name is one of ours.
        pub(super) fn is_ours(name: &str) -> bool {
            [$($name.name()),*].contains(&name)
        }
    };
}

/// App, kind of subject, number of subject (see [`super::codes::lane`]).
pub(super) type Lane = (u64, u8, u64);
/// A record's bytes (see [`super::record`]).
pub(super) type Record = &'static [u8];

tables! {
    /// What this file is, its keys and its counters.
    META: &'static str => Record;

    USERS: u64 => Record;
    /// By username in small letters.
    USERS_BY_NAME: &'static str => u64;
    USERS_BY_PROFILE: (&'static str, u64) => ();
    PROFILES: &'static str => Record;
    PERMISSION_SETS: &'static str => Record;
    USERS_BY_PERMISSION_SET: (&'static str, u64) => ();
    /// Manager, user.
    USERS_BY_MANAGER: (u64, u64) => ();
    /// Whether active and frozen (see [`super::codes::user_status`]), user.
    USERS_BY_STATUS: (u8, u64) => ();
    USER_ATTRIBUTES: &'static str => Record;
    GROUPS: &'static str => Record;
    /// User, group.
    GROUPS_BY_USER: (u64, &'static str) => ();
    SHARING_RULES: &'static str => Record;

    DELEGATIONS: u64 => Record;
    /// Delegate, delegation.
    DELEGATIONS_TO: (u64, u64) => ();

    CONNECTORS: &'static [u8; 32] => Record;
    COMPONENTS: &'static [u8; 32] => Record;
    APPS: u64 => Record;
    APPS_BY_NAME: &'static str => u64;
    CREDENTIALS: &'static str => Record;
    TOKENS: &'static [u8; 32] => Record;
    TOKENS_BY_NAME: &'static str => &'static [u8; 32];

    ACCOUNTS: u64 => Record;
    /// App, external id.
    ACCOUNTS_BY_EXTERNAL_ID: (u64, &'static str) => u64;
    /// App, situation, account.
    ACCOUNTS_BY_SITUATION: (u64, u8, u64) => ();
    /// User, account. A user has few accounts, so that further filters look at them one by one.
    ACCOUNTS_BY_USER: (u64, u64) => ();
    /// App, situation (or link state with status, see [`super::codes::standing`]): how many there are.
    ACCOUNT_COUNTS: (u64, u8) => u64;

    REQUESTS: u64 => Record;
    /// App, state, operation, request.
    REQUESTS_BY_STATE: (u64, u8, u8, u64) => ();
    /// The run that raised it, state, operation, request.
    REQUESTS_BY_RUN: (u64, u8, u8, u64) => ();
    /// Kind and number of the subject (the app's, for a whole app), request.
    REQUESTS_BY_SUBJECT: (u8, u64, u64) => ();
    /// App, request: those in review.
    REQUESTS_IN_REVIEW: (u64, u64) => ();
    /// Person, request: whose approval waits for them.
    REQUESTS_BY_APPROVER: (u64, u64) => ();
    /// When something happens to a request by the clock, in nanoseconds since 1970, and the request.
    ALARMS: (i128, u64) => ();
    NOTICES: &'static str => Record;
    /// When a notice is to be told next, in nanoseconds since 1970, and its id.
    NOTICES_DUE: (i128, &'static str) => ();
    /// App, since when in nanoseconds since 1970, request: those that wait for an approval.
    REQUESTS_AWAITING: (u64, i128, u64) => ();
    /// App, state (or that it is in review, or waits for an approval): how many there are.
    REQUEST_COUNTS: (u64, u8) => u64;
    /// Request, running number from 0.
    REQUEST_LOG: (u64, u64) => Record;
    /// Run, running number of the row.
    STAGING: (u64, u64) => Record;

    /// The unsettled requests of each lane, those whose date has not come aside (app, kind and number of subject, request) and when they fall due, in
    /// nanoseconds since 1970. The first of a lane heads it.
    LANES: (u64, u8, u64, u64) => Option<i128>;
    /// App, due date, request: the heads of lanes that have a due date and whose lane nobody has claimed; with kind
    /// and number of the subject.
    READY: (u64, i128, u64) => (u8, u64);
    /// The claim on each lane.
    CLAIMS: (u64, u8, u64) => Record;

    JOBS: u64 => Record;
    /// App, state, job.
    JOBS_BY_STATE: (u64, u8, u64) => ();

    /// By number: an entry's place in its chain, and what it says (see [`super::trail`]).
    AUDIT: u64 => Record;
    /// What an index is of (actor, action, app, request, person), the value, entry.
    AUDIT_INDEX: (u8, &'static str, u64) => ();
    /// App (0: none), key of equal denials: the window in which they are counted.
    DENIALS: (u64, &'static str) => Record;
    IDEMPOTENCY: &'static str => Record;
    /// When an answer was remembered, in nanoseconds since 1970, and its key.
    IDEMPOTENCY_BY_TIME: (i128, &'static str) => ();
}

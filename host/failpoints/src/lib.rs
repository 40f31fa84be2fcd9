//! Failpoints: every place between a request and its last commit at which tests kill the host, by name. Only a build
//! with the feature `armed` has them, which is never a release build; in any other, [`fail_point`] expands to nothing.
//! It never decides what is killed: that is for whoever arms.
//!
//! Ours, and not the `fail` crate: that one switches on features of `log` which rebuild the compiler of connectors,
//! and brings a generator of random numbers into release builds; what we need of it is the few lines here.

#[cfg(feature = "armed")]
mod armed;

#[cfg(feature = "armed")]
pub use armed::{arm, arm_from_environment, hits, is_armed, reached};

#[cfg(all(feature = "armed", not(debug_assertions)))]
compile_error!("failpoints are for tests: a release build must not have the feature `armed`");

/// A place to kill the host at, by its name in [`FAILPOINTS`].
#[cfg(feature = "armed")]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        $crate::reached($name)
    };
}

/// A place to kill the host at, by its name in [`FAILPOINTS`]: nothing at all in this build.
#[cfg(not(feature = "armed"))]
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {};
}

/// Whether anything is to happen at this failpoint: never, in this build.
#[cfg(not(feature = "armed"))]
pub const fn is_armed(_: &str) -> bool {
    false
}

/// A place to kill the host at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// Its name, as it stands in the sources.
    pub name: &'static str,
    /// What has happened when it is reached, and what has not.
    pub reached: &'static str,
}

const fn point(name: &'static str, reached: &'static str) -> Failpoint {
    Failpoint { name, reached }
}

/// All of them, in the order in which a request comes by.
pub const FAILPOINTS: &[Failpoint] = &[
    point("open.before_commit", "the store is open; the claims of the host before are not given back"),
    point("open.after_commit", "those claims are given back"),
    point("api.before_commit", "the API has taken a request; nothing of it is stored"),
    point("api.after_commit", "the request is stored; nobody has been told"),
    point("events.lane_read", "a user has changed; their open requests were read, and their account not yet"),
    point("person.before_commit", "somebody has decided about a request; nothing of it is stored"),
    point("person.after_commit", "the decision is stored; nobody has been told"),
    point("claim.before", "the engine looks for work that is due"),
    point("claim.after", "work is claimed, and not begun"),
    point("attempt.before_commit", "the call is prepared; the attempt is not durable"),
    point("attempt.after_commit", "the attempt is durable; nothing was called"),
    point("call.before", "the connector is to be called; its instance is not made"),
    point("gate.before_write", "the gate has noted that a write leaves; nothing has left"),
    point("gate.after_write", "the write has left; its answer has not been looked at"),
    point("gate.after_reply", "the answer to the write has come; the connector has not seen it"),
    point("call.after", "the connector has answered; nobody has been told"),
    point("outcome.before_commit", "the engine knows how the call ended; it is not durable"),
    point("outcome.looked_up", "the records that the outcome changes were looked up; it is not durable"),
    point("outcome.after_commit", "how the call ended is durable"),
    point("outcome.conflict", "others have changed the records meanwhile: what came of a call is not durable yet"),
    point("work.conflict", "others have changed the records meanwhile: the work is to be done again"),
    point("lost.before_commit", "an attempt without an end was found; that is not durable"),
    point("lost.after_commit", "the outcome of that attempt is durably unknown"),
    point("settle.before_read", "an unknown outcome is to be settled; the target was not read"),
    point("settle.after_read", "the target was read; nothing was concluded"),
    point("settle.before_commit", "what came of the write is concluded; it is not durable"),
    point("settle.after_commit", "the conclusion is durable"),
    point("conclude.before_commit", "nothing is left to call for; that is not durable"),
    point("conclude.after_commit", "the request without a call is durably done"),
    point("link.before_commit", "a link is to be changed; nothing of it is durable"),
    point("link.after_commit", "the link is durably changed"),
    point("collect.before_page", "a page is to be fetched"),
    point("collect.after_page", "the page was fetched; nothing of it is stored"),
    point("collect.before_commit", "the page's rows are made; they are not stored"),
    point("collect.after_commit", "rows and cursor are stored together"),
    point("compare.before_commit", "it is known whether the collection holds anything new; that is not durable"),
    point("compare.after_commit", "the run is durably done, or its analysis begun"),
    point("absent.before_commit", "absent accounts were read by their ids; their rows are not stored"),
    point("absent.after_commit", "their rows are stored"),
    point("analyze.before_commit", "a batch of rows has its verdicts; they are not stored"),
    point("analyze.after_commit", "the verdicts are stored"),
    point("seal.before_commit", "every row has its verdict; the plan is not sealed"),
    point("seal.after_commit", "the plan is durably sealed"),
    point("rows.before_commit", "a batch of rows is to be committed, child requests and all; nothing of it is durable"),
    point("rows.after_commit", "accounts, links and child requests of the batch are durable"),
    point("job.before_commit", "a piece of a job is to be committed, requests and all; nothing of it is durable"),
    point("job.after_commit", "the piece is durable, with the place where to go on"),
    point("store.before_commit", "the store's transaction is made; it is not committed"),
    point("store.after_commit", "the transaction is committed; nobody has been told"),
    point("compact.before_commit", "the compacted copy of the store is written; it is not durable"),
    point("compact.after_commit", "the copy is durable, beside the store"),
    point("compact.after_swap", "the copy has taken the place of the store"),
    point("shutdown.told", "the engine was told to stop; work is under way"),
    point("shutdown.done", "all work has ended or is broken off, and its claims are given back"),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// The names in all `fail_point!(…)` of a text.
    fn names(text: &str) -> Vec<String> {
        let uses = text.split(concat!("fail_", "point!(\"")).skip(1);
        uses.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    }

    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(names(&fs::read_to_string(path).unwrap()));
            }
        }
    }

    #[test]
    fn a_name_is_found_where_the_macro_stands() {
        let text = concat!("if x {\n    fail_", "point!(\"a.b\");\n}\nfail::fail_", "point!(\"c.d\");");
        assert_eq!(names(text), ["a.b", "c.d"]);
    }

    #[test]
    fn every_failpoint_of_the_sources_is_in_the_table_and_nothing_else() {
        let host = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut pure = BTreeSet::new();
        collect(&host.join("core/src"), &mut pure);
        assert_eq!(pure, BTreeSet::new(), "the domain has none");
        let mut used = BTreeSet::new();
        for member in ["engine", "sandbox", "server", "store"] {
            collect(&host.join(member).join("src"), &mut used);
        }
        let table: BTreeSet<String> = FAILPOINTS.iter().map(|point| point.name.to_owned()).collect();
        assert_eq!(used, table);
        assert_eq!(table.len(), FAILPOINTS.len(), "each name stands once in the table");
    }
}

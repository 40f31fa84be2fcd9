//! Every limit of the sandbox, in one table: its name, its default, and why it is there. It never enforces one; the
//! place that does makes a [`LimitHit`] of it, so that whoever meets a limit is told its name and its value.

use serde::{Deserialize, Serialize};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// So many of something.
    Count,
}

/// One row of the table of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// The name, as configured and as it stands in failures.
    pub name: &'static str,
    /// The value in force.
    pub value: u64,
    /// What it counts.
    pub unit: Unit,
    /// Why it is there.
    pub why: &'static str,
}

macro_rules! limits {
    ($($name:ident = $default:expr, $unit:ident, $why:literal;)*) => {
        /// The limits of the sandbox. All are finite; what is left out of a configuration has its default.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $(#[doc = $why] pub $name: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Limits {
            /// All limits with the values in force, for people and for the documentation.
            pub fn table(&self) -> Vec<LimitRow> {
                vec![$(LimitRow { name: stringify!($name), value: self.$name, unit: Unit::$unit, why: $why },)*]
            }
        }
    };
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

limits! {
    component_bytes = 32 * MIB, Bytes, "The size of a component. Larger ones are not even parsed.";
    component_items = 200_000, Count, "Types, imports, exports, functions, data and the like of a component, with all that is nested in it.";
    compile_cpu_ms = 120_000, Milliseconds, "Processor time of the compiling child, all its threads together (whole seconds).";
    compile_wall_ms = 180_000, Milliseconds, "How long the compiling child may take before it is killed.";
    compile_memory_bytes = 4096 * MIB, Bytes, "Address space of the compiling child.";
    compile_output_bytes = 512 * MIB, Bytes, "Machine code the compiling child may hand back.";
    concurrent_compilations = 1, Count, "Components compiled at the same time.";

    concurrent_calls = 64, Count, "Calls at the same time; more wait. The pool of instances is as large.";
    concurrent_calls_per_app = 8, Count, "Calls of one app at the same time; more wait, and hold up no other app's.";
    rest_ms = 200, Milliseconds, "How long an app pauses between calls from one that met a limit or trapped to one that ends well.";
    call_ms = 120_000, Milliseconds, "How long a call may take, waiting included.";
    describe_ms = 10_000, Milliseconds, "How long `describe` may take.";
    cpu_ms = 30_000, Milliseconds, "Processor time of a call; waiting, for the target or for a processor, is not included.";
    memory_bytes = 256 * MIB, Bytes, "Linear memory of a call, summed over all its memories.";
    memories = 8, Count, "Linear memories of a call.";
    tables = 32, Count, "Tables of a call.";
    table_elements = 100_000, Count, "Elements of a call's tables, summed over all of them.";
    core_instances = 64, Count, "Core instances a component may make.";
    stack_bytes = 512 * KIB, Bytes, "Stack of the guest's functions.";
    handles = 1_000, Count, "Resources (streams, requests, bodies) that a call may hold at once.";
    host_call_bytes = 32 * MIB, Bytes, "Data passed to the host at once, as argument of a host function or as result of a call.";
    random_bytes = 64 * KIB, Bytes, "Random bytes asked for at once.";
    returned_bytes = 16 * MIB, Bytes, "Texts in the result of a call, summed up.";

    external_id_bytes = KIB, Bytes, "External id of a returned account: it is a key in the store.";
    username_bytes = KIB, Bytes, "Username of a returned account.";
    revision_bytes = KIB, Bytes, "Revision of a returned account.";
    attribute_name_bytes = 256, Bytes, "Name of an attribute of a returned account.";
    account_bytes = 256 * KIB, Bytes, "Texts of a returned account, summed up: a batch of the largest fits into the memory of a call.";

    journal_lines = 500, Count, "Journal lines kept of a call; the rest is counted.";
    journal_bytes = 256 * KIB, Bytes, "Journal text kept of a call; the rest is counted.";
    journal_line_bytes = 4 * KIB, Bytes, "Length of a journal line; what is longer is cut.";

    requests = 256, Count, "HTTP requests of a call.";
    request_body_bytes = 4 * MIB, Bytes, "Body of a request.";
    request_total_bytes = 64 * MIB, Bytes, "Bodies of all requests of a call, summed up.";
    header_bytes = 64 * KIB, Bytes, "Header section of a request or a response.";
    response_body_bytes = 16 * MIB, Bytes, "Body of a response.";
    response_total_bytes = 64 * MIB, Bytes, "Bodies of all responses of a call, summed up.";
    resolve_ms = 5_000, Milliseconds, "How long the name of a target may take to resolve.";
    connect_ms = 10_000, Milliseconds, "How long a connection, its TLS handshake included, may take.";
    response_ms = 60_000, Milliseconds, "How long a target may take to begin its answer.";
    between_bytes_ms = 30_000, Milliseconds, "How long a target may pause within its answer.";
}

impl Limits {
    /// # Errors
    /// A limit of nothing, under which no connector could do anything.
    pub fn check(&self) -> Result<(), NoLimit> {
        self.table().into_iter().find(|row| row.value == 0).map_or(Ok(()), |row| Err(NoLimit(row.name)))
    }
}

/// A limit that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit `{0}` must be more than nothing")]
pub struct NoLimit(&'static str);

/// A call or a component went beyond a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitHit {
    name: &'static str,
    value: String,
    advice: &'static str,
}

impl LimitHit {
    /// Beyond a limit of the table.
    pub(crate) fn of(limits: &Limits, name: &'static str, advice: &'static str) -> Self {
        let row = limits.table().into_iter().find(|row| row.name == name);
        Self { name, value: row.map_or_else(String::new, |row| row.unit.show(row.value)), advice }
    }

    /// Beyond a limit that this one call was given.
    pub(crate) fn given(name: &'static str, value: u64, unit: Unit, advice: &'static str) -> Self {
        Self { name, value: unit.show(value), advice }
    }
}

impl std::fmt::Display for LimitHit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "limit `{}` of {} reached; {}", self.name, self.value, self.advice)
    }
}

impl std::error::Error for LimitHit {}

impl Unit {
    fn show(self, value: u64) -> String {
        match self {
            Self::Bytes if value >= MIB && value.is_multiple_of(MIB) => format!("{} MiB", value / MIB),
            Self::Bytes if value >= KIB && value.is_multiple_of(KIB) => format!("{} KiB", value / KIB),
            Self::Bytes => format!("{value} bytes"),
            Self::Milliseconds if value >= 1_000 && value.is_multiple_of(1_000) => format!("{} s", value / 1_000),
            Self::Milliseconds => format!("{value} ms"),
            Self::Count => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_finite_named_once_and_explained() {
        let table = Limits::default().table();
        let names: std::collections::BTreeSet<_> = table.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), table.len());
        for row in table {
            assert!(row.value > 0 && row.value < u64::from(u32::MAX) * 4, "{} is not bounded", row.name);
            assert!(row.why.ends_with('.'), "{} is not explained", row.name);
        }
    }

    #[test]
    fn the_documentation_lists_every_limit_as_it_is() {
        let listed = include_str!("../../../docs/limits.md");
        let row = |row: LimitRow| format!("| `{}` | {} | {} |", row.name, row.unit.show(row.value), row.why);
        let rows: Vec<_> = Limits::default().table().into_iter().map(row).collect();
        let found: Vec<_> = listed.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(found, rows);
    }

    #[test]
    fn a_limit_hit_names_the_limit_its_value_and_what_to_do() {
        let hit = LimitHit::of(&Limits::default(), "memory_bytes", "ask for smaller pages");
        assert_eq!(hit.to_string(), "limit `memory_bytes` of 256 MiB reached; ask for smaller pages");
    }
}

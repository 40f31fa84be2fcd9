//! What no connector may answer: more rows than asked for, an attribute twice, an account without an id, a cursor
//! without measure, texts without end. An answer that breaks a rule fails its call; nothing of it is used.

use crate::bindings::{guest, host};
use crate::limits::LimitHit;
use crate::{Limits, wire};
use gatehouse_core::ports::{AccountPage as Page, Finding, Receipt, RowVerdict};
use gatehouse_core::schema::{Account, Attributes};
use gatehouse_core::{CallFailure, FailureKind};
use host::types as wit;
use std::collections::btree_map::Entry;

/// The longest cursor, in bytes (`wit/connector.wit`, `collector.next`).
const LONGEST_CURSOR: usize = 64 << 10;
/// The most accounts that `find` may give (`wit/connector.wit`, `collector.find`).
pub(crate) const MOST_FOUND: usize = 100;
/// The most that `check` may have found (`wit/connector.wit`, `probe.check`).
const MOST_FINDINGS: usize = 100;

fn broken(what: String) -> CallFailure {
    CallFailure::new(FailureKind::Protocol, what)
}

/// Adds up the texts of an answer, up to the limit.
pub(crate) struct Budget<'a> {
    limits: &'a Limits,
    used: u64,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(limits: &'a Limits) -> Self {
        Self { limits, used: 0 }
    }

    pub(crate) fn take<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) -> Result<(), CallFailure> {
        self.used += texts.into_iter().map(|text| text.len() as u64).sum::<u64>();
        if self.used <= self.limits.returned_bytes {
            return Ok(());
        }
        Err(over(self.limits, "returned_bytes", "ask for fewer accounts or attributes at once"))
    }
}

/// Refuses a text that is longer than a limit of the table.
fn within(name: &'static str, most: u64, text: &str, limits: &Limits) -> Result<(), CallFailure> {
    let advice = "the connector gives an account with a longer one";
    if text.len() as u64 <= most { Ok(()) } else { Err(over(limits, name, advice)) }
}

fn over(limits: &Limits, name: &'static str, advice: &'static str) -> CallFailure {
    CallFailure::new(FailureKind::Limit, LimitHit::of(limits, name, advice).to_string())
}

pub(crate) fn account(account: wit::Account, budget: &mut Budget<'_>) -> Result<Account, CallFailure> {
    let limits = budget.limits;
    let id = account.external_id;
    let revision = account.revision.as_deref().unwrap_or_default();
    within("external_id_bytes", limits.external_id_bytes, &id, limits)?;
    within("username_bytes", limits.username_bytes, &account.username, limits)?;
    within("revision_bytes", limits.revision_bytes, revision, limits)?;
    if id.is_empty() {
        return Err(broken(format!("account `{}` has an empty external id", account.username)));
    }
    let before = budget.used;
    budget.take([id.as_str(), &account.username, revision])?;
    let mut attributes = Attributes::new();
    for attribute in account.attributes {
        within("attribute_name_bytes", limits.attribute_name_bytes, &attribute.name, limits)?;
        let kinds = attribute.values.iter().filter_map(|value| value.kind.as_deref());
        let texts = attribute.values.iter().map(|value| value.text.as_str());
        budget.take(texts.chain(kinds).chain([attribute.name.as_str()]))?;
        if budget.used - before > limits.account_bytes {
            return Err(over(limits, "account_bytes", "the connector has to map less of an account"));
        }
        if attribute.values.iter().filter(|value| value.primary).count() > 1 {
            return Err(broken(format!("account `{id}` has several primary values of `{}`", attribute.name)));
        }
        match attributes.entry(attribute.name) {
            Entry::Vacant(free) => drop(free.insert(wire::values_in(attribute.values))),
            Entry::Occupied(taken) => {
                return Err(broken(format!("account `{id}` lists attribute `{}` twice", taken.key())));
            }
        }
    }
    let status = wire::status_in(account.status);
    Ok(Account { external_id: id, username: account.username, status, attributes, revision: account.revision })
}

pub(crate) fn accounts(
    accounts: Vec<wit::Account>,
    most: usize,
    budget: &mut Budget<'_>,
) -> Result<Vec<Account>, CallFailure> {
    if accounts.len() > most {
        return Err(broken(format!("it gave {} accounts where at most {most} were asked for", accounts.len())));
    }
    let accounts: Vec<_> = accounts.into_iter().map(|one| account(one, budget)).collect::<Result<_, _>>()?;
    let mut ids = std::collections::BTreeSet::new();
    match accounts.iter().find(|one| !ids.insert(one.external_id.as_str())) {
        Some(twice) => Err(broken(format!("account `{}` is listed twice", twice.external_id))),
        None => Ok(accounts),
    }
}

pub(crate) fn findings(findings: Vec<guest::probe::Finding>, limits: &Limits) -> Result<Vec<Finding>, CallFailure> {
    if findings.len() > MOST_FINDINGS {
        return Err(broken(format!("it gave {} findings; {MOST_FINDINGS} are allowed", findings.len())));
    }
    let mut budget = Budget::new(limits);
    budget.take(findings.iter().flat_map(|one| [one.name.as_str(), &one.detail]))?;
    Ok(findings.into_iter().map(|one| wire::finding_in(one, longest(limits))).collect())
}

/// The longest text of a guest's that people get to see, in bytes: as long as a line of its journal.
fn longest(limits: &Limits) -> usize {
    limits.journal_line_bytes as usize
}

pub(crate) fn page(page: guest::collector::Page, limit: u32, limits: &Limits) -> Result<Page, CallFailure> {
    let mut budget = Budget::new(limits);
    for fault in &page.faults {
        within(
            "external_id_bytes",
            limits.external_id_bytes,
            fault.external_id.as_deref().unwrap_or_default(),
            limits,
        )?;
        budget.take([fault.why.as_str(), fault.external_id.as_deref().unwrap_or_default()])?;
    }
    match &page.next {
        guest::collector::Next::More(cursor) if cursor.len() > LONGEST_CURSOR => {
            return Err(broken(format!("its cursor has {} bytes; {LONGEST_CURSOR} are allowed", cursor.len())));
        }
        guest::collector::Next::Partial(why) => budget.take([why.as_str()])?,
        guest::collector::Next::More(_) | guest::collector::Next::Complete => {}
    }
    let accounts = accounts(page.accounts, limit as usize, &mut budget)?;
    let faults = page.faults.into_iter().map(|fault| wire::fault_in(fault, longest(limits))).collect();
    Ok(Page { accounts, faults, estimate: page.estimate, next: wire::next_in(page.next, longest(limits)) })
}

pub(crate) fn verdicts(
    verdicts: Vec<guest::analyzer::Verdict>,
    items: usize,
    limits: &Limits,
) -> Result<Vec<RowVerdict>, CallFailure> {
    if verdicts.len() != items {
        return Err(broken(format!("it gave {} verdicts on {items} items", verdicts.len())));
    }
    let mut budget = Budget::new(limits);
    for verdict in &verdicts {
        budget.take(verdict.drift.iter().map(String::as_str))?;
        if let guest::analyzer::Judgement::Doubt(why) | guest::analyzer::Judgement::Ignore(why) = &verdict.judgement {
            budget.take([why.as_str()])?;
        }
    }
    Ok(verdicts.into_iter().map(|verdict| wire::verdict_in(verdict, longest(limits))).collect())
}

pub(crate) fn receipt(
    receipt: guest::committer::Receipt,
    removes: bool,
    limits: &Limits,
) -> Result<Receipt, CallFailure> {
    let mut budget = Budget::new(limits);
    let after = receipt.account.map(|one| account(one, &mut budget)).transpose()?;
    if after.is_none() && !removes {
        return Err(broken("its receipt has no account, although nothing was removed".to_owned()));
    }
    let applied = matches!(receipt.effect, guest::committer::Effect::Applied);
    Ok(Receipt { account: after, applied })
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;

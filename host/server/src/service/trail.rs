//! The audit trail: listed, verified, exported. It never changes a record.

use super::{Caller, Paging, ServiceError, Services};
use crate::wire::{AuditView, BySequence, Page};
use gatehouse_core::audit::chain::Place;
use gatehouse_core::audit::export::{ExportEnd, ExportStart, line};
use gatehouse_core::audit::verify::Breach;
use gatehouse_core::audit::{AuditQuery, Checkpoint, Verdict, Verifier};
use gatehouse_core::ports::{ChangeSet, ListPage, StoreError};
use gatehouse_core::{AppId, AuditHead, RequestId};
use jiff::Timestamp;

/// Entries read at a time.
const PIECE: usize = 500;

/// How often a verification begins anew because old records were dropped meanwhile.
const TRIES: usize = 5;

/// Which records.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// By this actor.
    pub actor: Option<String>,
    /// Whose action begins like this.
    pub action: Option<String>,
    /// About this app, by name; by number also where it is no more.
    pub app: Option<String>,
    /// Of this request.
    pub request: Option<RequestId>,
    /// About this user, by name or number.
    pub user: Option<String>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// An export under way: which entries are still to come.
pub struct AuditExport {
    services: Services,
    start: Option<ExportStart>,
    next: u64,
    head: AuditHead,
    ended: bool,
}

impl Services {
    /// Records, the newest first if nothing else is asked for.
    ///
    /// # Errors
    /// An app or user is not there, or the cursor is none of this list.
    pub async fn list_audit(
        &self,
        filter: AuditFilter,
        paging: &Paging<BySequence>,
    ) -> Result<Page<AuditView>, ServiceError> {
        let app = match &filter.app {
            Some(name) if name.to_ascii_uppercase().starts_with("APP-") => name.parse::<AppId>().ok(),
            _ => None,
        };
        let app = match (&filter.app, app) {
            (Some(name), None) => Some(self.find_app(name).await?.id),
            (_, app) => app,
        };
        let person = match &filter.user {
            Some(named) => Some(self.find_user(named).await?.id),
            None => None,
        };
        let AuditFilter { actor, action, request, since, until, .. } = filter;
        let (direction, after, limit) = (paging.direction(), paging.after.clone(), paging.size()?);
        let query = AuditQuery { actor, action, app, request, person, since, until, direction, after, limit };
        let ListPage { items, next } = self.store.audit_entries(&query).await?;
        Ok(Page { items: items.iter().map(AuditView::from).collect(), next })
    }

    /// The end of the trail, signed.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn audit_head(&self) -> Result<AuditHead, ServiceError> {
        Ok(self.store.audit_head(None, self.now()).await?)
    }

    /// Verifies the trail, against heads that were taken of it. That it was, and what came of it, is recorded.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn verify_audit(&self, caller: &Caller, heads: Vec<AuditHead>) -> Result<Verdict, ServiceError> {
        let mut verdict = self.verify_once(&heads).await?;
        for _ in 1..TRIES {
            let dropped = self.store.audit_checkpoint().await?.map_or(0, |checkpoint| checkpoint.dropped);
            let gone = verdict.findings.iter().any(|finding| finding.breach == Breach::Removed);
            if !gone || dropped == verdict.dropped {
                break;
            }
            verdict = self.verify_once(&heads).await?;
        }
        let outcome = match verdict.findings.first() {
            None => "valid".to_owned(),
            Some(finding) => format!("record {}: {}", finding.sequence, finding.why),
        };
        let record = self.audit(caller, "audit.verify", "audit trail").with("records", verdict.records);
        let audit = vec![record.with("heads", heads.len()).ending(outcome)];
        self.store.commit(ChangeSet { audit, ..ChangeSet::default() }).await?;
        Ok(verdict)
    }

    async fn verify_once(&self, heads: &[AuditHead]) -> Result<Verdict, StoreError> {
        let trusted = self.store.audit_head(None, self.now()).await?.public_key;
        let checkpoint = self.store.audit_checkpoint().await?;
        let mut next = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.head.sequence + 1);
        let mut verifier = Verifier::new(checkpoint, heads.to_vec(), Some(trusted));
        loop {
            let entries = self.store.audit_from(next, PIECE).await?;
            let Some(last) = entries.last() else { return Ok(verifier.finish()) };
            next = last.sequence + 1;
            entries.into_iter().for_each(|entry| verifier.push(entry));
        }
    }

    /// Begins an export of the records of some time, which is recorded. What is recorded later is not part of it.
    ///
    /// # Errors
    /// There is no record of that time, or the store is unavailable.
    pub async fn export_audit(
        &self,
        caller: &Caller,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<AuditExport, ServiceError> {
        let mut record = self.audit(caller, "audit.export", "audit trail");
        for (name, bound) in [("since", since), ("until", until)] {
            record = bound.map_or(record.clone(), |bound| record.with(name, bound));
        }
        self.store.commit(ChangeSet { audit: vec![record], ..ChangeSet::default() }).await?;
        let none = || ServiceError::NotFound("there is no audit record of that time".to_owned());
        let checkpoint = self.store.audit_checkpoint().await?;
        let dropped = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.head.sequence);
        let before = async |moment| self.store.audit_before(moment, usize::MAX).await;
        let next = match since {
            Some(since) => before(since).await?.unwrap_or(dropped) + 1,
            None => dropped + 1,
        };
        let last = match until {
            Some(until) => Some(before(until).await?.filter(|last| *last >= next).ok_or_else(none)?),
            None => None,
        };
        let head = self.store.audit_head(last, self.now()).await?;
        if head.sequence < next {
            return Err(none());
        }
        let start = Some(ExportStart::new(self.place_before(next, checkpoint.as_ref()).await?, checkpoint));
        Ok(AuditExport { services: self.clone(), start, next, head, ended: false })
    }

    /// What an entry goes on from.
    async fn place_before(&self, next: u64, checkpoint: Option<&Checkpoint>) -> Result<Option<Place>, StoreError> {
        let of_checkpoint = checkpoint.map(|checkpoint| checkpoint.head.place());
        if next <= 1 || of_checkpoint.is_some_and(|place| place.sequence + 1 == next) {
            return Ok(of_checkpoint);
        }
        Ok(self.store.audit_from(next - 1, 1).await?.first().map(|entry| entry.place()))
    }
}

impl AuditExport {
    /// The next lines; none at the end.
    ///
    /// # Errors
    /// The store is unavailable: the file has no end then.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let mut lines = Vec::new();
        if let Some(start) = self.start.take() {
            lines.push(json(&start));
        }
        let entries = match self.next > self.head.sequence {
            true => Vec::new(),
            false => self.services.store.audit_from(self.next, PIECE).await?,
        };
        let mut entries = entries.into_iter().filter(|entry| entry.sequence <= self.head.sequence).peekable();
        if entries.peek().is_none() {
            if std::mem::replace(&mut self.ended, true) {
                return Ok(None);
            }
            lines.push(json(&ExportEnd { head: self.head.clone() }));
        }
        for entry in entries {
            self.next = entry.sequence + 1;
            lines.push(line(&entry));
        }
        Ok(Some(lines.into_iter().map(|line| line + "\n").collect()))
    }
}

fn json(line: &impl serde::Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

//! The audit trail of the model: a list, and windows of denials in a map.

use crate::change::invalid;
use crate::vault::{new_audit_key, random_name};
use gatehouse_core::audit::chain::Place;
use gatehouse_core::audit::denials::{DenialKey, Window, coalesce, counted_as};
use gatehouse_core::audit::{AuditEntry, AuditHead, AuditKey, ChainId, Checkpoint, Denials, Payload, Signed};
use gatehouse_core::ports::{StoreError, TrailChange};
use gatehouse_core::{AppId, AuditRecord, Digest, UserId};
use jiff::Timestamp;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct Trail {
    chain: ChainId,
    key: AuditKey,
    entries: Vec<AuditEntry>,
    checkpoint: Option<Checkpoint>,
    windows: BTreeMap<(Option<AppId>, DenialKey), Window>,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            chain: ChainId(random_name().unwrap_or_default()),
            // A model without chance is still one; nobody trusts it.
            key: new_audit_key().unwrap_or_else(|_| AuditKey::new([0; 32])),
            entries: Vec::new(),
            checkpoint: None,
            windows: BTreeMap::new(),
        }
    }
}

impl Trail {
    pub fn entries(&self) -> &[AuditEntry] {
        &self.entries
    }

    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint.clone()
    }

    pub fn windows(&self) -> Vec<Window> {
        self.windows.values().cloned().collect()
    }

    /// Does everything that a change set does to the trail.
    pub fn record(&mut self, change: TrailChange, mut audit: Vec<AuditRecord>) {
        let mut counted = change.close_denials.map(|now| self.close(now)).unwrap_or_default();
        for denials in change.denials {
            counted.append(&mut self.note(denials));
        }
        change.erase.into_iter().for_each(|person| self.erase(person));
        if let Some((upto, at)) = change.drop_through {
            self.drop_through(upto, at);
        }
        audit.splice(0..0, counted);
        for record in &audit {
            let last = self.last();
            let salt = random_name().unwrap_or_default();
            self.entries.push(AuditEntry::append(last, self.chain, salt, record));
        }
    }

    fn last(&self) -> Option<(Place, Timestamp)> {
        let last = self.entries.last().map(|last| (last.place(), last.at));
        last.or_else(|| self.checkpoint.as_ref().map(|checkpoint| (checkpoint.head.place(), Timestamp::MIN)))
    }

    fn note(&mut self, denials: Denials) -> Vec<AuditRecord> {
        let app = denials.app;
        let open = self.windows.keys().filter(|(of, _)| *of == app).count();
        let key = counted_as(&denials, open, |key| self.windows.contains_key(&(app, key.clone())));
        let window = self.windows.remove(&(app, key.clone()));
        let (records, window) = coalesce(window, denials, key.clone());
        self.windows.insert((app, key), window);
        records
    }

    fn close(&mut self, now: Timestamp) -> Vec<AuditRecord> {
        let (over, open) = std::mem::take(&mut self.windows).into_iter().partition(|(_, window)| window.is_over(now));
        self.windows = open;
        let over: BTreeMap<_, Window> = over;
        over.values().filter_map(Window::close).collect()
    }

    fn erase(&mut self, person: UserId) {
        for entry in self.entries.iter_mut().filter(|entry| entry.person() == Some(person)) {
            entry.payload = Payload::Erased { person };
        }
    }

    fn drop_through(&mut self, upto: u64, at: Timestamp) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.entries).into_iter().partition(|entry| entry.sequence <= upto);
        self.entries = kept;
        let Some(last) = gone.last() else { return };
        let dropped = self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.dropped) + gone.len() as u64;
        let head = self.key.sign(Signed::Checkpoint(dropped), last.place(), at);
        self.checkpoint = Some(Checkpoint { head, dropped });
    }

    pub fn head(&self, of: Option<u64>, at: Timestamp) -> Result<AuditHead, StoreError> {
        let place = match of {
            Some(no) => self.entries.iter().find(|entry| entry.sequence == no).map(AuditEntry::place),
            None => {
                let beginning = Place { chain: self.chain, sequence: 0, hash: Digest::default() };
                Some(self.last().map_or(beginning, |(place, _)| place))
            }
        };
        let missing = || invalid(format!("the audit trail has no record {}", of.unwrap_or_default()));
        Ok(self.key.sign(Signed::Head, place.ok_or_else(missing)?, at))
    }
}

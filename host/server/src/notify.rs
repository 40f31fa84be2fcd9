//! Tells people about approvals: takes what the store keeps to be told, sends it by webhook and mail, and notes how far
//! that got. What is sent names requests, apps and people; it never holds a value of an account's attribute.

mod mail;
mod settings;
mod text;
mod webhook;

pub use mail::{Encryption, Mail, MailConfig};
pub use settings::Notifications;
pub use webhook::{Webhook, signature};

use gatehouse_core::approval::{Delivery, Notice};
use gatehouse_core::ports::{ChangeSet, Clock, Store, StoreError};
use gatehouse_core::{Actor, AuditRecord, User, UserId};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use text::Facts;

/// Notices taken from the store at a time.
const AT_A_TIME: usize = 500;

/// Notices whose outcome is written down in one commit: what is sent again if the host is killed.
const IN_ONE_COMMIT: usize = 20;

/// The first wait after something could not be sent, and the longest.
const WAIT: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(10), SignedDuration::from_hours(6));

/// Attempts in all: with the waits between them, about three days.
const ATTEMPTS: u32 = 24;

/// How often it is looked for something to tell.
const LOOK: Duration = Duration::from_secs(1);

/// The ways by which people are told.
#[derive(Debug, Default)]
pub struct Channels {
    /// To a program of the organisation.
    pub webhook: Option<Webhook>,
    /// To the people themselves.
    pub mail: Option<Mail>,
    /// For how long what is to be told to one person is gathered into one mail.
    pub digest: SignedDuration,
}

/// Tells people what is to be told.
pub struct Courier {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    channels: Channels,
}

/// What a round has changed of notices, by their ids.
type Changed = BTreeMap<String, Notice>;

impl Courier {
    /// One that uses these channels. What none of them takes is not told, and not kept.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, channels: Channels) -> Self {
        Self { store, clock, channels }
    }

    /// Tells until `shutdown` is ready; what is on its way then arrives, or is sent again by the next run.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "what is to be told has to wait");
            }
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Tells everything that is to be told by now, once.
    ///
    /// # Errors
    /// The store is unavailable: what was sent since the last commit is sent again.
    pub async fn round(&self) -> Result<(), StoreError> {
        self.webhooks().await?;
        self.mails().await
    }

    async fn webhooks(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut changed = Changed::new();
        for mut notice in self.store.notices(now, AT_A_TIME).await? {
            let Delivery::Due { at, attempts } = notice.webhook else { continue };
            if at > now {
                continue;
            }
            notice.webhook = match &self.channels.webhook {
                None => Delivery::Done,
                Some(webhook) => {
                    let facts = Facts::of(self.store.as_ref(), &notice).await?;
                    let sent = webhook.send(&notice.id, now, facts.json(&notice)).await;
                    self.after(&notice, "webhook", attempts, sent).await?
                }
            };
            changed.insert(notice.id.clone(), notice);
            if changed.len() >= IN_ONE_COMMIT {
                self.keep(std::mem::take(&mut changed)).await?;
            }
        }
        self.keep(changed).await
    }

    /// One mail for all that is to be told to one person, once the first of it has waited for as long as is gathered.
    async fn mails(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let ahead = now.checked_add(self.channels.digest).unwrap_or(now);
        let pending = self.store.notices(ahead, AT_A_TIME).await?;
        let mut pending: Changed = pending.into_iter().map(|notice| (notice.id.clone(), notice)).collect();
        pending.retain(|_, notice| notice.mail != Delivery::Done);
        let Some(mail) = &self.channels.mail else {
            pending.values_mut().for_each(|notice| notice.mail = Delivery::Done);
            return self.keep(pending).await;
        };
        let mut changed = self.gathered(&mut pending);
        let due = |notice: &Notice| notice.mail.due().is_some_and(|at| at <= now);
        let people: BTreeSet<UserId> = pending.values().filter(|n| due(n)).flat_map(|n| n.mail_to.clone()).collect();
        let mut trouble: BTreeMap<String, String> = BTreeMap::new();
        for person in people {
            let theirs: Vec<Notice> = pending.values().filter(|n| n.mail_to.contains(&person)).cloned().collect();
            match self.mail_to(mail, person, &theirs).await? {
                Ok(()) => {
                    for notice in theirs {
                        if let Some(notice) = pending.get_mut(&notice.id) {
                            notice.mail_to.remove(&person);
                            changed.insert(notice.id.clone());
                        }
                    }
                }
                Err(why) => trouble.extend(theirs.into_iter().filter(due).map(|notice| (notice.id, why.clone()))),
            }
        }
        for (id, notice) in &mut pending {
            if notice.mail_to.is_empty() {
                notice.mail = Delivery::Done;
            } else if let (Some(why), Delivery::Due { attempts, .. }) = (trouble.remove(id), notice.mail) {
                notice.mail = self.after(notice, "mail", attempts, Err(why)).await?;
                changed.insert(id.clone());
            }
        }
        pending.retain(|id, _| changed.contains(id));
        self.keep(pending).await
    }

    /// Lets new notices wait for others to the same people: which ones that changes.
    fn gathered(&self, pending: &mut Changed) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        if self.channels.digest.is_zero() {
            return changed;
        }
        for notice in pending.values_mut() {
            let fresh = notice.mail == Delivery::Due { at: notice.at, attempts: 0 };
            if let Some(at) = notice.at.checked_add(self.channels.digest).ok().filter(|_| fresh) {
                notice.mail = Delivery::Due { at, attempts: 0 };
                changed.insert(notice.id.clone());
            }
        }
        changed
    }

    async fn mail_to(&self, mail: &Mail, person: UserId, notices: &[Notice]) -> Result<Result<(), String>, StoreError> {
        let user = self.store.user(person).await?.filter(|user| user.active);
        // Nobody can be told without an address; the webhook tells, and the list of what waits.
        let Some(User { email: Some(address), .. }) = user else { return Ok(Ok(())) };
        let mut facts = Vec::with_capacity(notices.len());
        for notice in notices {
            facts.push(Facts::of(self.store.as_ref(), notice).await?.line(notice));
        }
        let (subject, body) = text::mail(&facts);
        Ok(mail.send(&address, &subject, body).await)
    }

    /// What becomes of a notice on one way, after one more attempt.
    async fn after(
        &self,
        notice: &Notice,
        way: &str,
        attempts: u32,
        sent: Result<(), String>,
    ) -> Result<Delivery, StoreError> {
        let Err(why) = sent else { return Ok(Delivery::Done) };
        let (now, attempts) = (self.clock.now(), attempts + 1);
        if attempts < ATTEMPTS {
            tracing::warn!(notice = notice.id, way, attempts, why, "a notice was not taken; it is sent again");
            return Ok(Delivery::Due { at: next_try(now, attempts), attempts });
        }
        tracing::error!(notice = notice.id, way, attempts, why, "a notice is given up");
        let mut record = AuditRecord::new(now, &Actor::host(), "notice.given_up", notice.request.to_string())
            .with("notice", &notice.id)
            .with("way", way)
            .with("why", why);
        (record.app, record.request) = (Some(notice.app), Some(notice.request));
        self.store.commit(ChangeSet { audit: vec![record], ..ChangeSet::default() }).await?;
        Ok(Delivery::Done)
    }

    async fn keep(&self, changed: Changed) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        self.store.commit(ChangeSet { notices: changed.into_values().collect(), ..ChangeSet::default() }).await
    }
}

/// When to try again after so many attempts that failed: twice as late each time.
fn next_try(now: Timestamp, attempts: u32) -> Timestamp {
    let (first, longest) = WAIT;
    let wait = first.checked_mul(1_i32 << attempts.saturating_sub(1).min(16)).unwrap_or(longest).min(longest);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_double_and_come_to_days() {
        let start = Timestamp::UNIX_EPOCH;
        let wait = |attempts| next_try(start, attempts).duration_since(start).as_secs();
        assert_eq!([1, 2, 3].map(wait), [10, 20, 40]);
        assert_eq!([12, 40].map(wait), [20_480, 6 * 3600]);
        let whole: i64 = (1..ATTEMPTS).map(wait).sum();
        assert!((2 * 24 * 3600..4 * 24 * 3600).contains(&whole), "{whole}");
    }
}

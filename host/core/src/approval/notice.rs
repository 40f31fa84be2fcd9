//! What is told to people about approvals, by webhook and mail: kept in the commit that it tells of, and sent by the host
//! until it has arrived. It never holds a value of an attribute.

use super::{approvers, awaited, deadline};
use crate::{AppId, Operation, Request, RequestId, Subject, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Somebody is to decide.
    ApprovalAsked,
    /// Somebody is to decide, since others have not in time.
    ApprovalEscalated,
    /// Everybody agreed.
    Approved,
    /// Somebody refused, or nobody decided in time.
    Denied,
}

/// Something to be told, and how far that has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same for every attempt at telling it, so that whoever gets it twice knows.
    pub id: String,
    /// What it tells.
    pub kind: NoticeKind,
    /// The request.
    pub request: RequestId,
    /// The app.
    pub app: AppId,
    /// What the request does.
    pub operation: Operation,
    /// What it is about.
    pub subject: Subject,
    /// Whom it is for.
    pub to: BTreeSet<UserId>,
    /// Why, where a person said why.
    #[serde(default)]
    pub reason: Option<String>,
    /// Until when they are to decide.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// When it happened.
    pub at: Timestamp,
    /// How far the webhook has got.
    pub webhook: Delivery,
    /// How far mail has got.
    pub mail: Delivery,
    /// Who is to get mail yet.
    pub mail_to: BTreeSet<UserId>,
}

/// How far telling it has got on one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// To be tried from then on, after so many attempts.
    Due {
        /// From when.
        at: Timestamp,
        /// How often it has been tried.
        attempts: u32,
    },
    /// It has arrived, or there is nobody to tell, or it has been given up.
    Done,
}

impl Delivery {
    /// From when it is to be tried; none: never again.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Due { at, .. } => Some(*at),
            Self::Done => None,
        }
    }
}

impl Notice {
    /// When it is next to be tried on any way; none: it is done.
    pub fn due(&self) -> Option<Timestamp> {
        self.webhook.due().into_iter().chain(self.mail.due()).min()
    }

    /// That somebody is to decide; none if nobody is.
    pub(crate) fn asking(request: &Request, now: Timestamp) -> Option<Self> {
        let step = awaited(request)?;
        let no = request.approvals.as_ref().map_or(0, |chain| chain.done);
        let kind = if step.round == 0 { NoticeKind::ApprovalAsked } else { NoticeKind::ApprovalEscalated };
        let id = format!("{}.{}.{}", request.id, no + 1, step.round + 1);
        Some(Self { deadline: deadline(request), ..Self::new(request, id, kind, approvers(request), now) })
    }

    /// That it has been decided, for whoever asked.
    pub(crate) fn decided(request: &Request, approved: bool, reason: Option<String>, now: Timestamp) -> Self {
        let kind = if approved { NoticeKind::Approved } else { NoticeKind::Denied };
        let to = request.requested_by.into_iter().collect();
        Self { reason, ..Self::new(request, format!("{}.decided", request.id), kind, to, now) }
    }

    fn new(request: &Request, id: String, kind: NoticeKind, to: BTreeSet<UserId>, now: Timestamp) -> Self {
        let due = Delivery::Due { at: now, attempts: 0 };
        Self {
            id,
            kind,
            request: request.id,
            app: request.app,
            operation: request.operation,
            subject: request.subject,
            mail: if to.is_empty() { Delivery::Done } else { due },
            mail_to: to.clone(),
            to,
            reason: None,
            deadline: None,
            at: now,
            webhook: due,
        }
    }
}

//! What the writer is given to do, and the answers it owes.

use super::compact::Compacted;
use super::transaction::ClaimCall;
use crate::vault::MasterKey;
use gatehouse_core::ports::{ChangeSet, Claim, Fence, StoreError};
use std::path::PathBuf;
use tokio::sync::{OwnedMutexGuard, oneshot};

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Something to write.
pub(super) enum Task {
    Commit(Box<ChangeSet>, Reply<()>),
    Claim(ClaimCall, Reply<Vec<Claim>>),
    Release(Fence, Reply<()>),
    Rotate(MasterKey, Reply<()>),
    /// Puts a store that was staged in the place of this one.
    Adopt(PathBuf, Reply<()>),
    /// Gives back the space in the file that nothing uses.
    Compact(OwnedMutexGuard<()>, Reply<Compacted>),
    /// A reader has found the file not to work.
    Recover,
}

/// Something written, whose answer waits until the transaction is durable.
pub(super) enum Done {
    Nobody,
    Nothing(Reply<()>, Result<(), StoreError>),
    Claims(Reply<Vec<Claim>>, Result<Vec<Claim>, StoreError>),
}

// Whoever asked may have gone meanwhile (a client that hung up): the answer is then nobody's.
impl Done {
    pub fn claims(&self) -> Option<&[Claim]> {
        match self {
            Self::Claims(_, Ok(claims)) => Some(claims),
            _ => None,
        }
    }

    pub fn answer(self, broken: Option<&String>) {
        let unavailable = broken.map(|text| StoreError::Unavailable(text.clone()));
        match self {
            Self::Nobody => {}
            Self::Nothing(reply, result) => drop(reply.send(unavailable.map_or(result, Err))),
            Self::Claims(reply, result) => drop(reply.send(unavailable.map_or(result, Err))),
        }
    }
}

impl Task {
    pub fn fail(self, text: &str) {
        let unavailable = StoreError::Unavailable(text.to_owned());
        match self {
            Self::Commit(_, reply) | Self::Release(_, reply) | Self::Rotate(_, reply) | Self::Adopt(_, reply) => {
                drop(reply.send(Err(unavailable)));
            }
            Self::Claim(_, reply) => drop(reply.send(Err(unavailable))),
            Self::Compact(_, reply) => drop(reply.send(Err(unavailable))),
            Self::Recover => {}
        }
    }
}

//! What is to be told to people, in the file, by when it is to be told. It never tells anything.

use super::fault::{Outcome, damaged};
use super::record::{encode, fetch};
use super::tables::{NOTICES, NOTICES_DUE, Record};
use gatehouse_core::AppId;
use gatehouse_core::approval::Notice;
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};

pub(super) struct Notices<'t> {
    notices: Table<'t, &'static str, Record>,
    due: Table<'t, (i128, &'static str), ()>,
}

impl<'t> Notices<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Outcome<Self> {
        Ok(Self { notices: txn.open_table(NOTICES)?, due: txn.open_table(NOTICES_DUE)? })
    }

    pub fn apply(&mut self, kept: &[Notice], removed: &[String]) -> Outcome<()> {
        for id in removed {
            self.forget(id)?;
        }
        for notice in kept {
            self.forget(&notice.id)?;
            let Some(due) = notice.due() else { continue };
            self.notices.insert(notice.id.as_str(), encode(notice)?.as_slice())?;
            self.due.insert((due.as_nanosecond(), notice.id.as_str()), ())?;
        }
        Ok(())
    }

    fn forget(&mut self, id: &str) -> Outcome<()> {
        let before: Option<Notice> = fetch(&self.notices, id)?;
        if let Some(due) = before.and_then(|notice| notice.due()) {
            self.due.remove((due.as_nanosecond(), id))?;
        }
        self.notices.remove(id)?;
        Ok(())
    }

    /// Removes what is to be told of an app's requests.
    pub fn remove_app(&mut self, app: AppId) -> Outcome<()> {
        let mut gone = Vec::new();
        for entry in self.notices.iter()? {
            let notice: Notice = super::record::decode(entry?.1.value())?;
            gone.extend((notice.app == app).then_some(notice.id));
        }
        gone.iter().try_for_each(|id| self.forget(id))
    }
}

pub(super) fn notices(txn: &ReadTransaction, until: Timestamp, limit: usize) -> Outcome<Vec<Notice>> {
    let (index, table) = (txn.open_table(NOTICES_DUE)?, txn.open_table(NOTICES)?);
    let due = index.range(..(until.as_nanosecond().saturating_add(1), ""))?.take(limit).map(|entry| {
        let key = entry?.0;
        let id = key.value().1;
        fetch(&table, id)?.ok_or_else(|| damaged(&format!("an index names notice `{id}`, which is not there")))
    });
    due.collect()
}

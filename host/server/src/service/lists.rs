//! Pages of lists. Lists that the store keeps whole (apps, connectors, tokens: few) are cut here, by name.

use super::ServiceError;
use crate::wire::Page;
use gatehouse_core::ports::ListPage;

/// Items on a page, unless the caller says otherwise.
const USUAL: usize = 100;

/// The most items on a page.
const MOST: usize = 1000;

/// Which part of a list.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    /// The `next` of an earlier page.
    pub after: Option<String>,
    /// At most so many, 1 to 1000; 100 if none.
    pub limit: Option<usize>,
}

impl Paging {
    /// How many items.
    ///
    /// # Errors
    /// Too few or too many were asked for.
    pub fn size(&self) -> Result<usize, ServiceError> {
        match self.limit {
            None => Ok(USUAL),
            Some(limit @ 1..=MOST) => Ok(limit),
            Some(limit) => Err(ServiceError::invalid("limit", format!("{limit} is not from 1 to {MOST}"))),
        }
    }

    /// Cuts a list that is ordered by these names.
    pub(crate) fn cut<T>(&self, all: Vec<T>, name: impl Fn(&T) -> String) -> Result<Page<T>, ServiceError> {
        let size = self.size()?;
        let start = match &self.after {
            None => 0,
            Some(after) => all.iter().position(|item| name(item) > *after).unwrap_or(all.len()),
        };
        let more = all.len() > start + size;
        let items: Vec<T> = all.into_iter().skip(start).take(size).collect();
        let next = items.last().filter(|_| more).map(name);
        Ok(Page { items, next })
    }
}

impl<T> Page<T> {
    /// A store's page, item by item.
    pub(crate) fn of<S>(page: ListPage<S>, view: impl FnMut(S) -> T) -> Self {
        Self { items: page.items.into_iter().map(view).collect(), next: page.next }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_is_cut_without_loss_or_repetition() {
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        let mut seen = Vec::new();
        let mut paging = Paging { after: None, limit: Some(2) };
        loop {
            let page = paging.cut(all.clone(), Clone::clone).unwrap();
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            paging.after = Some(next);
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn a_page_of_nothing_or_of_too_much_is_refused() {
        for limit in [0, 1001] {
            assert!(Paging { after: None, limit: Some(limit) }.size().is_err(), "{limit}");
        }
        assert_eq!(Paging { after: None, limit: Some(1000) }.size().unwrap(), 1000);
    }
}

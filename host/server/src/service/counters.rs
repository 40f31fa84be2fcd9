//! How many of everything each app has. The store counts; nothing is looked at one by one.

use super::{Paging, ServiceError, Services, lists::Place};
use crate::wire::{ByApp, CountersView, Page};
use gatehouse_core::App;

impl Services {
    /// The counters of all apps, by name.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_counters(&self, paging: &Paging<ByApp>) -> Result<Page<CountersView>, ServiceError> {
        let page = paging.cut(self.store.apps().await?, |app: &App, _| Place::named(&app.name))?;
        Ok(Page { items: self.counters(page.items).await?, next: page.next })
    }

    /// The counters of an app.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn show_counters(&self, name: &str) -> Result<CountersView, ServiceError> {
        let app = self.find_app(name).await?;
        let mut counters = self.counters(vec![app]).await?;
        counters.pop().ok_or_else(|| ServiceError::NotFound(format!("there is no app `{name}`")))
    }

    async fn counters(&self, apps: Vec<App>) -> Result<Vec<CountersView>, ServiceError> {
        let (mut requests, mut accounts) = (self.store.request_figures().await?, self.store.account_figures().await?);
        let of = |app: App| {
            let requests = requests.remove(&app.id).unwrap_or_default();
            CountersView::new(app.name, &requests, &accounts.remove(&app.id).unwrap_or_default())
        };
        Ok(apps.into_iter().map(of).collect())
    }
}

//! The port: each call of a connector's interface, from domain types to `wit/` and back.

use crate::call::{Fresh, Ready, host_failure};
use crate::gate::Phase;
use crate::protocol::{self, Budget};
use crate::{Sandbox, admission, wire};
use async_trait::async_trait;
use gatehouse_core::ports::{
    AccountPage, Admission, AdmissionError, AnalysisItem, CallContext, CallReport, CommitCommand, Connectors, Finding,
    Receipt, RowVerdict,
};
use gatehouse_core::schema::Account;
use gatehouse_core::{CallFailure, CommitStep, Digest, FailureKind};
use std::sync::{Arc, PoisonError};

impl Sandbox {
    pub(crate) fn insert(&self, digest: Digest, ready: Arc<Ready>) {
        self.ready.write().unwrap_or_else(PoisonError::into_inner).insert(digest, ready);
    }

    fn find_ready(&self, digest: Digest) -> Option<Arc<Ready>> {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }

    /// Calls a component, if it is loaded and exports the interface.
    async fn call<T, I, F>(
        &self,
        phase: Phase,
        context: &CallContext,
        interface: fn(&Ready) -> Option<I>,
        work: impl FnOnce(I, Fresh) -> F,
    ) -> CallReport<T>
    where
        T: Send + 'static,
        F: Future<Output = wasmtime::Result<Result<T, CallFailure>>> + Send + 'static,
    {
        let Some(ready) = self.find_ready(context.connector) else {
            return host_failure(format!("connector {} is not loaded", context.connector.short()));
        };
        let Some(indices) = interface(&ready) else {
            let what = format!("the connector does not export what `{}` needs", phase.name());
            let failure = CallFailure::new(FailureKind::Unsupported, what);
            return CallReport { result: Err(failure), call: Default::default() };
        };
        let order = self.runner.order(phase, context);
        self.runner.run(ready, order, |fresh| work(indices, fresh)).await
    }
}

#[async_trait]
impl Connectors for Sandbox {
    async fn admit(&self, component: &[u8]) -> Result<Admission, AdmissionError> {
        admission::admit(self, component).await
    }

    async fn load(&self, digest: Digest, component: &[u8]) -> Result<(), AdmissionError> {
        admission::load(self, digest, component).await
    }

    fn is_loaded(&self, digest: Digest) -> bool {
        self.find_ready(digest).is_some()
    }

    fn unload(&self, digest: Digest) {
        self.ready.write().unwrap_or_else(PoisonError::into_inner).remove(&digest);
        self.compiler.forget(digest);
    }

    fn health(&self) -> Result<(), String> {
        let dead = || "the clock that interrupts connectors stands still: nothing could stop one that loops".to_owned();
        self.ticker.is_alive().then_some(()).ok_or_else(dead)
    }

    async fn check(&self, context: &CallContext) -> CallReport<Vec<Finding>> {
        let limits = self.runner.limits.clone();
        self.call(
            Phase::Check,
            context,
            |ready| ready.probe.clone(),
            |probe, fresh| async move {
                let (mut store, instance) = fresh.instantiate().await?;
                let answer = probe.load(&mut store, &instance)?.call_check(&mut store).await?;
                Ok(answer.map_err(wire::failure_in).and_then(|found| protocol::findings(found, &limits)))
            },
        )
        .await
    }

    async fn collect(
        &self,
        context: &CallContext,
        filter: Option<&str>,
        cursor: Option<&str>,
        attributes: &[String],
        limit: u32,
    ) -> CallReport<AccountPage> {
        let limits = self.runner.limits.clone();
        let (filter, cursor) = (filter.map(str::to_owned), cursor.map(str::to_owned));
        let attributes = attributes.to_vec();
        self.call(
            Phase::Collect,
            context,
            |ready| ready.collector.clone(),
            |collector, fresh| async move {
                let (mut store, instance) = fresh.instantiate().await?;
                let guest = collector.load(&mut store, &instance)?;
                let (filter, cursor) = (filter.as_deref(), cursor.as_deref());
                let answer = guest.call_collect(&mut store, filter, cursor, &attributes, limit).await?;
                Ok(answer.map_err(wire::failure_in).and_then(|page| protocol::page(page, limit, &limits)))
            },
        )
        .await
    }

    async fn read(&self, context: &CallContext, external_id: &str) -> CallReport<Account> {
        let (limits, external_id) = (self.runner.limits.clone(), external_id.to_owned());
        self.call(
            Phase::Read,
            context,
            |ready| ready.collector.clone(),
            |collector, fresh| async move {
                let (mut store, instance) = fresh.instantiate().await?;
                let answer = collector.load(&mut store, &instance)?.call_read(&mut store, &external_id).await?;
                let checked = |account| protocol::account(account, &mut Budget::new(&limits));
                Ok(answer.map_err(wire::failure_in).and_then(checked))
            },
        )
        .await
    }

    async fn find(&self, context: &CallContext, attribute: &str, value: &str) -> CallReport<Vec<Account>> {
        let limits = self.runner.limits.clone();
        let (attribute, value) = (attribute.to_owned(), value.to_owned());
        self.call(
            Phase::Find,
            context,
            |ready| ready.collector.clone(),
            |collector, fresh| async move {
                let (mut store, instance) = fresh.instantiate().await?;
                let answer = collector.load(&mut store, &instance)?.call_find(&mut store, &attribute, &value).await?;
                let most = protocol::MOST_FOUND;
                let checked = |accounts| protocol::accounts(accounts, most, &mut Budget::new(&limits));
                Ok(answer.map_err(wire::failure_in).and_then(checked))
            },
        )
        .await
    }

    async fn analyze(&self, context: &CallContext, batch: &[AnalysisItem]) -> CallReport<Vec<RowVerdict>> {
        let limits = self.runner.limits.clone();
        let items: Vec<_> = batch.iter().map(wire::item_out).collect();
        self.call(
            Phase::Analyze,
            context,
            |ready| ready.analyzer.clone(),
            |analyzer, fresh| async move {
                let (mut store, instance) = fresh.instantiate().await?;
                let verdicts = analyzer.load(&mut store, &instance)?.call_analyze(&mut store, &items).await?;
                Ok(protocol::verdicts(verdicts, items.len(), &limits))
            },
        )
        .await
    }

    async fn commit(&self, context: &CallContext, command: &CommitCommand) -> CallReport<Receipt> {
        let limits = self.runner.limits.clone();
        let (removes, command) = (command.step == CommitStep::Remove, wire::command_out(command));
        self.call(
            Phase::Commit,
            context,
            |ready| ready.committer.clone(),
            |committer, fresh| async move {
                let (mut store, instance) = fresh.instantiate().await?;
                let answer = committer.load(&mut store, &instance)?.call_commit(&mut store, &command).await?;
                let checked = |receipt| protocol::receipt(receipt, removes, &limits);
                Ok(answer.map_err(wire::failure_in).and_then(checked))
            },
        )
        .await
    }
}

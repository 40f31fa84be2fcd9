//! The same component under wasmtime as it comes: the same settings of the engine, a fresh store and instance a call,
//! inert WASI. No gate, no limits, no notes, no time limits, and no check of what comes back: the floor that the
//! sandbox is measured against.
#![allow(missing_docs)] // generated

use anyhow::{Result, anyhow};
use bench_work::{Item, Task, WorkUndone};
use gatehouse_sandbox::Limits;
use std::path::Path;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

wasmtime::component::bindgen!({ path: "../../wit", world: "connector", exports: { default: async } });

use exports::gatehouse::connector::analyzer;
use gatehouse::connector as import;
use import::types as wit;

/// A component, ready to be called.
pub struct Bare {
    engine: Engine,
    pre: ConnectorPre<State>,
}

struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    nowhere: Nowhere,
    table: ResourceTable,
}

impl State {
    fn new() -> Self {
        let (wasi, http) = (WasiCtx::builder().build(), WasiHttpCtx::new());
        Self { wasi, http, nowhere: Nowhere, table: ResourceTable::new() }
    }
}

type Worker = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Worker), Error>> + Send>;

/// Where requests would go: the work makes none.
struct Nowhere;

impl WasiHttpHooks for Nowhere {
    fn send_request(&mut self, _: http::Request<WasiBody>, _: Option<RequestOptions>, _: Worker) -> Sending {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.nowhere, table: &mut self.table, ctx: &mut self.http }
    }
}

impl import::types::Host for State {}

impl import::settings::Host for State {
    fn get(&mut self, _: String) -> Option<String> {
        None
    }
}

impl import::journal::Host for State {
    fn log(&mut self, _: import::journal::Level, _: String, _: Vec<(String, String)>) {}
    fn progress(&mut self, _: u64, _: Option<u64>) {}
}

/// The settings of `host/sandbox/src/engine.rs`, as far as they decide about generated code or about the pool.
fn config() -> Config {
    let limits = Limits::default();
    let count = |limit: u64| u32::try_from(limit).unwrap_or(u32::MAX);
    let calls = count(limits.concurrent_calls);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls);
    pool.total_stacks(calls);
    pool.max_memory_size(limits.memory_bytes as usize);
    pool.total_memories(calls * count(limits.memories));
    pool.total_tables(calls * count(limits.tables));
    pool.total_core_instances(calls * count(limits.core_instances));
    pool.max_core_instances_per_component(count(limits.core_instances));
    pool.max_memories_per_component(count(limits.memories));
    pool.max_tables_per_component(count(limits.tables));
    pool.table_elements(limits.table_elements as usize);
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(limits.stack_bytes as usize);
    config.async_stack_size(limits.stack_bytes as usize + (512 << 10));
    config.memory_reservation(4 << 30);
    config.memory_init_cow(true);
    config.concurrency_support(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

impl Bare {
    /// Compiles a component, in this process.
    pub fn new(component: &Path) -> Result<Self> {
        let engine = Engine::new(&config()).map_err(|error| anyhow!("{error:#}"))?;
        let pre = Self::link(&engine, component).map_err(|error| anyhow!("{error:#}"))?;
        Ok(Self { engine, pre })
    }

    fn link(engine: &Engine, component: &Path) -> wasmtime::Result<ConnectorPre<State>> {
        let component = Component::from_file(engine, component)?;
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        import::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        import::settings::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        import::journal::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        ConnectorPre::new(linker.instantiate_pre(&component)?)
    }

    /// Makes one call.
    pub async fn call(&self, task: Task, batch: &[analyzer::Item]) -> Result<()> {
        let checked = self.fresh_call(task, batch).await.map_err(|error| anyhow!("{error:#}"))?;
        Ok(checked?)
    }

    async fn fresh_call(&self, task: Task, batch: &[analyzer::Item]) -> wasmtime::Result<Result<(), WorkUndone>> {
        let mut store = Store::new(&self.engine, State::new());
        store.set_epoch_deadline(u64::MAX / 2);
        let connector = self.pre.instantiate_async(&mut store).await?;
        Ok(match task {
            Task::Trivial => {
                let found = connector.gatehouse_connector_probe().call_check(&mut store).await?;
                task.check(found.map_or(0, |found| found.len() + 1), None)
            }
            Task::Collect | Task::Parse => {
                let filter = (task == Task::Parse).then_some(bench_work::PARSE);
                let collector = connector.gatehouse_connector_collector();
                let page = collector.call_collect(&mut store, filter, None, &[], task.accounts()).await?;
                let accounts = page.map_or_else(|_| Vec::new(), |page| page.accounts);
                task.check(accounts.len(), accounts.last().map(|account| account.username.as_str()))
            }
            Task::AnalyzeFew | Task::Analyze => {
                let verdicts = connector.gatehouse_connector_analyzer().call_analyze(&mut store, batch).await?;
                task.check_drift(verdicts.iter().map(|verdict| verdict.drift.as_slice()))
            }
        })
    }
}

/// Items as they cross into the component: made beforehand, since there is no domain here to convert from.
pub fn lowered(items: &[Item]) -> Vec<analyzer::Item> {
    let attributes = |attributes: &gatehouse_connector::Attributes| {
        let value = |v: &gatehouse_connector::Value| wit::Value {
            text: v.text.clone(),
            kind: v.kind.clone(),
            primary: v.primary,
        };
        let one = |(name, values): (&String, &Vec<gatehouse_connector::Value>)| wit::Attribute {
            name: name.clone(),
            values: values.iter().map(value).collect(),
        };
        attributes.iter().map(one).collect::<Vec<_>>()
    };
    let item = |item: &Item| analyzer::Item {
        account: wit::Account {
            external_id: item.account.external_id.clone(),
            username: item.account.username.clone(),
            status: wit::Status::Active,
            attributes: attributes(&item.account.attributes),
            revision: item.account.revision.clone(),
        },
        user: item.user.clone(),
        desired: attributes(&item.desired),
    };
    items.iter().map(item).collect()
}

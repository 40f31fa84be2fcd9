//! The same component under wasmtime as it comes: the same settings of the engine, a fresh store and instance a call,
//! inert WASI. No gate, no limits, no notes, no time limits, and no check of what comes back: the floor that the
//! sandbox is measured against.
#![allow(missing_docs)] // generated

use anyhow::{Result, anyhow, bail};
use bench_work::Item;
use bench_work::host::Task;
use std::path::Path;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

wasmtime::component::bindgen!({ path: "../../wit", world: "connector", exports: { default: async } });

use exports::gatehouse::connector::{analyzer, collector};
use gatehouse::connector as import;
use import::types as wit;

/// A component, ready to be called.
pub struct Bare {
    engine: Engine,
    pre: ConnectorPre<State>,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
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

/// Those of `host/sandbox/src/engine.rs`.
fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(64);
    pool.total_stacks(64);
    pool.max_memory_size(256 << 20);
    pool.total_memories(512);
    pool.total_tables(2048);
    pool.total_core_instances(4096);
    pool.max_core_instances_per_component(64);
    pool.max_memories_per_component(8);
    pool.max_tables_per_component(32);
    pool.table_elements(100_000);
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(512 << 10);
    config.async_stack_size(1 << 20);
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
        import::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        import::settings::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        import::journal::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        linker.define_unknown_imports_as_traps(&component)?;
        ConnectorPre::new(linker.instantiate_pre(&component)?)
    }

    /// Makes one call.
    pub async fn call(&self, task: Task, batch: &[analyzer::Item]) -> Result<()> {
        let got = self.fresh_call(task, batch).await.map_err(|error| anyhow!("{error:#}"))?;
        if got != task.accounts() as usize {
            bail!("{got} results where {} were to come", task.accounts());
        }
        Ok(())
    }

    async fn fresh_call(&self, task: Task, batch: &[analyzer::Item]) -> wasmtime::Result<usize> {
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(u64::MAX / 2);
        let connector = self.pre.instantiate_async(&mut store).await?;
        match task {
            Task::Trivial => {
                let found = connector.gatehouse_connector_probe().call_check(&mut store).await?;
                Ok(found.map_or(0, |found| found.len() + 1))
            }
            Task::Collect | Task::Parse => {
                let filter = (task == Task::Parse).then_some(bench_work::PARSE);
                let collector = connector.gatehouse_connector_collector();
                let page = collector.call_collect(&mut store, filter, None, &[], task.accounts()).await?;
                Ok(page.map_or(0, |page: collector::Page| page.accounts.len()))
            }
            Task::AnalyzeFew | Task::Analyze => {
                Ok(connector.gatehouse_connector_analyzer().call_analyze(&mut store, batch).await?.len())
            }
        }
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

//! The engine: which parts of WebAssembly are there at all, how memory is had, and the clock that interrupts guests.
//! The settings that decide about generated code are the same here and in the compiling child; what is off here is
//! refused by admission as well. It never sees a component's bytes.

use crate::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often guests are interrupted, so that time limits are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Address space kept for each linear memory. Part of the generated code: memories within it need no bounds checks.
const MEMORY_RESERVATION: u64 = 4 << 30;

/// How long the clock may stand still before it counts as dead: machines are slow when they are busy.
const STANDSTILL: Duration = Duration::from_secs(10);

/// The clock that interrupts guests, as far as its health goes.
#[derive(Clone)]
pub(crate) struct Ticker {
    begun: Instant,
    /// When it last ticked, in milliseconds since it was started.
    ticked: Arc<AtomicU64>,
}

impl Ticker {
    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&self) {
        self.ticked.store(self.elapsed(), Ordering::Relaxed);
    }

    /// Whether it ticks. Without it no guest could be stopped.
    pub(crate) fn is_alive(&self) -> bool {
        self.elapsed().saturating_sub(self.ticked.load(Ordering::Relaxed)) <= STANDSTILL.as_millis() as u64
    }
}

/// The settings under which components are compiled.
pub(crate) fn compiling(limits: &Limits) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    config.max_wasm_stack(limits.stack_bytes as usize);
    config.async_stack_size(limits.stack_bytes as usize + (512 << 10));
    config.memory_reservation(MEMORY_RESERVATION);
    config.memory_init_cow(true);
    // What no connector needs, and every part left out is one less to trust.
    config.shared_memory(false);
    config.concurrency_support(false);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.wasm_tail_call(false);
    config.wasm_relaxed_simd(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    config
}

/// An engine that runs components, on a pool of instances where there is address space for one; and its clock.
pub(crate) fn running(limits: &Limits) -> wasmtime::Result<(Engine, Ticker)> {
    let mut config = compiling(limits);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    let engine = match Engine::new(&config) {
        Ok(engine) => engine,
        Err(error) => {
            tracing::warn!(%error, "no address space for a pool of instances; each call allocates its own");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config)?
        }
    };
    let ticker = start_ticking(&engine)?;
    Ok((engine, ticker))
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let count = |limit: u64| u32::try_from(limit).unwrap_or(u32::MAX);
    let calls = count(limits.concurrent_calls);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls);
    pool.total_stacks(calls);
    pool.max_core_instances_per_component(count(limits.core_instances));
    pool.max_memories_per_component(count(limits.memories));
    pool.max_tables_per_component(count(limits.tables));
    // As many as all calls together may have: one that takes all it may takes nothing from the others. It is address
    // space that is kept for them, not memory.
    pool.total_memories(calls.saturating_mul(count(limits.memories)));
    pool.total_tables(calls.saturating_mul(count(limits.tables)));
    pool.total_core_instances(calls.saturating_mul(count(limits.core_instances)));
    pool.max_memory_size(limits.memory_bytes as usize);
    pool.table_elements(limits.table_elements as usize);
    // Nothing is kept resident between calls: the kernel, not a copy loop, wipes what the last guest left.
    pool
}

/// A thread of its own, since a busy runtime must not stop the clock. It ends with the engine.
#[allow(clippy::disallowed_methods, reason = "a thread of its own may sleep: it is a clock")]
fn start_ticking(engine: &Engine) -> std::io::Result<Ticker> {
    let engine = engine.weak();
    let ticker = Ticker { begun: Instant::now(), ticked: Arc::default() };
    let clock = ticker.clone();
    std::thread::Builder::new().name("gatehouse-ticker".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            clock.tick();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(ticker)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use wasmtime::Store;
    use wasmtime::component::{Component, Linker};

    #[tokio::test]
    async fn a_call_that_has_all_the_memories_it_may_leaves_the_others_theirs() {
        let limits = Limits { concurrent_calls: 3, memories: 4, core_instances: 12, ..Limits::default() };
        let (engine, _) = running(&limits).unwrap();
        let greedy = "(core instance (instantiate $m))".repeat(4);
        let greedy = format!("(component (core module $m (memory 1) (table 1 funcref)) {greedy})");
        let greedy = Component::new(&engine, wat::parse_str(greedy).unwrap()).unwrap();
        let linker = Linker::new(&engine);
        let mut stores = Vec::new();
        for _ in 0..limits.concurrent_calls {
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(1_000);
            linker.instantiate_async(&mut store, &greedy).await.unwrap();
            stores.push(store);
        }
        let mut one_more = Store::new(&engine, ());
        assert!(linker.instantiate_async(&mut one_more, &greedy).await.is_err(), "the pool is as large as said");
    }
}

//! Running one call: a fresh store and instance, every limit set before the guest's first instruction, and the store
//! dropped whatever happens. It knows nothing of what is asked of the guest.

use crate::bindings::guest::{analyzer, collector, committer, descriptor, probe};
use crate::chores::{Chores, chores};
use crate::crew::{BrokenOff, Crew};
use crate::failure;
use crate::gate::{Gate, LONGEST_METHOD, Network, Phase, Policy};
use crate::limits::{LimitHit, Unit};
use crate::meter::{Metered, OutOfTime};
use crate::notes::Notes;
use crate::places::Places;
use crate::state::CallState;
use crate::{Limits, SandboxError};
use gatehouse_core::ports::{CallContext, CallReport};
use gatehouse_core::{AppId, CallFailure, FailureKind};
use gatehouse_failpoints::fail_point;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;
use wasmtime::component::{Component, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

/// A component that is linked and ready to be instantiated, and where its exports are.
pub(crate) struct Ready {
    pre: InstancePre<CallState>,
    pub(crate) descriptor: descriptor::GuestIndices,
    pub(crate) probe: Option<probe::GuestIndices>,
    pub(crate) collector: Option<collector::GuestIndices>,
    pub(crate) analyzer: Option<analyzer::GuestIndices>,
    pub(crate) committer: Option<committer::GuestIndices>,
}

/// What a call is made with.
pub(crate) struct Order {
    app: AppId,
    settings: BTreeMap<String, String>,
    gate: Gate,
    chores: Chores,
    notes: Arc<Notes>,
    within: Duration,
    /// What is to be said when that time is over; made only then.
    overtime: fn(&Limits, Duration) -> LimitHit,
}

/// A store with every limit in place, for one call of one component.
pub(crate) struct Fresh {
    store: Store<CallState>,
    ready: Arc<Ready>,
}

impl Fresh {
    /// Makes the instance. Already the guest's own code may run here, under the limits of the call.
    pub(crate) async fn instantiate(mut self) -> wasmtime::Result<(Store<CallState>, Instance)> {
        let instance = self.ready.pre.instantiate_async(&mut self.store).await?;
        Ok((self.store, instance))
    }
}

/// Runs calls, so many at a time.
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) limits: Arc<Limits>,
    linker: Linker<CallState>,
    network: Arc<Network>,
    places: Places,
    crew: Crew,
}

impl Runner {
    pub(crate) fn new(engine: Engine, limits: Arc<Limits>, network: Arc<Network>) -> Result<Self, SandboxError> {
        let linker = linker(&engine).map_err(|error| SandboxError::Engine(format!("{error:#}")))?;
        let places = Places::new(limits.clone());
        Ok(Self { engine, limits, linker, network, places, crew: Crew::default() })
    }

    /// Links a component. Fails if it imports what is not there, or does not export a descriptor.
    pub(crate) fn ready(&self, component: &Component) -> wasmtime::Result<Ready> {
        let pre = self.linker.instantiate_pre(component)?;
        Ok(Ready {
            descriptor: descriptor::GuestIndices::new(&pre)?,
            probe: probe::GuestIndices::new(&pre).ok(),
            collector: collector::GuestIndices::new(&pre).ok(),
            analyzer: analyzer::GuestIndices::new(&pre).ok(),
            committer: committer::GuestIndices::new(&pre).ok(),
            pre,
        })
    }

    /// A call of `describe`: for no app, without settings, and with nothing that could leave.
    pub(crate) fn describing(&self) -> Order {
        let notes = Arc::new(Notes::new(&self.limits));
        let policy = Policy::closed(Phase::Describe);
        let (errands, chores) = chores();
        let gate =
            Gate::new((AppId(0), String::new()), policy, Vec::new(), self.network.clone(), errands, notes.clone());
        let within = Duration::from_millis(self.limits.describe_ms);
        let overtime = |limits: &Limits, _| {
            LimitHit::of(limits, "describe_ms", "`describe` has to answer from what the connector holds")
        };
        Order { app: AppId(0), settings: BTreeMap::new(), gate, chores, notes, within, overtime }
    }

    /// A call for an app.
    pub(crate) fn order(&self, phase: Phase, context: &CallContext) -> Order {
        let notes = Arc::new(Notes::new(&self.limits));
        let policy = Policy::new(phase, context);
        let credentials = if phase == Phase::Analyze { Vec::new() } else { context.credentials.clone() };
        let (errands, chores) = chores();
        let gate = Gate::new(
            (context.app, context.app_name.clone()),
            policy,
            credentials,
            self.network.clone(),
            errands,
            notes.clone(),
        );
        let longest = Duration::from_millis(self.limits.call_ms);
        let within = context.timeout.min(longest);
        let overtime = if context.timeout < longest { asked_overtime } else { call_overtime };
        Order { app: context.app, settings: context.settings.clone(), gate, chores, notes, within, overtime }
    }

    /// Makes a call: `work` instantiates and asks. The store is its own, and is dropped with it.
    pub(crate) async fn run<T, F>(
        &self,
        ready: Arc<Ready>,
        order: Order,
        work: impl FnOnce(Fresh) -> F,
    ) -> CallReport<T>
    where
        T: Send + 'static,
        F: Future<Output = wasmtime::Result<Result<T, CallFailure>>> + Send + 'static,
    {
        let Order { app, settings, gate, chores, notes, within, overtime } = order;
        let _closing = Closing(notes.clone());
        // The time of the call includes the wait for a place: who asked holds the request no longer than that.
        let deadline = tokio::time::Instant::now() + within;
        let place = match self.places.take(app, deadline).await {
            Ok(place) => place,
            Err(hit) => {
                let failure = CallFailure::new(FailureKind::Unavailable, hit.to_string());
                return CallReport { result: Err(failure), call: Default::default() };
            }
        };
        fail_point!("call.before");
        let started = Instant::now();
        let state = CallState::new(&self.limits, settings, gate, notes.clone());
        let call = work(Fresh { store: self.store(state), ready });
        // The place goes with the call, after its store: it stands for what a call has.
        let share = place.share();
        let metered = Metered::new(call, chores, place, Duration::from_millis(self.limits.cpu_ms));
        let ended = self.crew.run(timeout_at(deadline, metered)).await;
        let by_itself = matches!(ended, Ok(Ok(Ok(Ok(_)))) | Err(BrokenOff));
        share.ended(by_itself && notes.limit().is_none());
        let result = match ended {
            Ok(Ok(Ok(Ok(Ok(value))))) => Ok(value),
            Ok(Ok(Ok(Ok(Err(failure))))) => Err(failure::of_guest(failure, &notes)),
            Ok(Ok(Ok(Err(error)))) => Err(failure::of_error(&error, &notes, &self.limits)),
            Ok(Ok(Err(OutOfTime))) => {
                let advice = "the connector computes for too long, or loops";
                Err(failure::limit(&LimitHit::of(&self.limits, "cpu_ms", advice)))
            }
            Ok(Err(_)) => Err(failure::limit(&overtime(&self.limits, within))),
            Err(BrokenOff) => {
                Err(CallFailure::new(FailureKind::Host, "the host failed in this call; its log says how"))
            }
        };
        let result = result.map_err(|failure| failure::bounded(failure, &self.limits));
        fail_point!("call.after");
        CallReport { result, call: notes.report(started.elapsed()) }
    }

    /// A store with every limit in place.
    fn store(&self, state: CallState) -> Store<CallState> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(self.limits.host_call_bytes as usize);
        store.set_max_component_handles(self.limits.handles as usize);
        // Every tick the guest gives way, so that the meter and the timeout round the call get to look.
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        store
    }
}

/// A call that is given up lets nothing leave either, though its thread may still be at work for a moment.
struct Closing(Arc<Notes>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

const TOO_SLOW: &str = "the connector or its target is too slow";

fn call_overtime(limits: &Limits, _: Duration) -> LimitHit {
    LimitHit::of(limits, "call_ms", TOO_SLOW)
}

/// The caller gave the call less time than the limit.
fn asked_overtime(_: &Limits, within: Duration) -> LimitHit {
    let ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    LimitHit::given("timeout", ms, Unit::Milliseconds, TOO_SLOW)
}

/// What guests may import: our own interfaces, inert WASI, and the gate behind `wasi:http`.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    use crate::bindings::host::{journal, settings, types};
    use wasmtime::component::HasSelf;
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    bound_methods(&mut linker)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    settings::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    journal::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// The method is the one text of a request that `wasmtime-wasi-http` keeps at any length: thousands of requests that
/// are never sent, each with a method of megabytes, would be more than the host has.
fn bound_methods(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    use wasmtime::component::Resource;
    use wasmtime_wasi_http::WasiHttpView;
    use wasmtime_wasi_http::p2::bindings::http::types::{HostOutgoingRequest, Method, OutgoingRequest};
    linker.allow_shadowing(true);
    linker.instance("wasi:http/types@0.2.12")?.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: wasmtime::StoreContextMut<'_, CallState>,
         (request, method): (Resource<OutgoingRequest>, Method)| {
            if matches!(&method, Method::Other(name) if name.len() > LONGEST_METHOD) {
                return Ok((Err(()),));
            }
            Ok((store.data_mut().http().set_method(request, method)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A call that could not be made.
pub(crate) fn host_failure<T>(message: impl Into<String>) -> CallReport<T> {
    CallReport { result: Err(CallFailure::new(FailureKind::Host, message)), call: Default::default() }
}

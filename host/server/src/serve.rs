//! `gatehouse serve`: wires store, sandbox, engine and API together, and takes them down in order. The only place
//! that names the implementations.

use crate::api::{Api, router};
use crate::config::{MASTER_KEY, ServeArgs, ServeConfig, write_private};
use crate::notify::{Courier, Notifications};
use crate::service::{Background, Safekeeping, ServiceError, Services, TRANSIT};
use crate::start_token;
use crate::telemetry::{self, Telemetry};
use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use gatehouse_core::ports::{CallReport, Finding, Store, StoreError};
use gatehouse_core::provision::Matched;
use gatehouse_core::{App, Request, User};
use gatehouse_engine::{Engine, EngineConfig, Review, SystemClock};
use gatehouse_sandbox::{CompileChild, Limits, Sandbox, SandboxConfig};
use gatehouse_store::{Compacted, Manifest, OpenOptions, RedbStore, Staged};
use secrecy::SecretBox;
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

/// The store, in the data directory.
pub const STORE: &str = "gatehouse.db";

/// How long calls of the API may take to end when the host is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// For how long refused calls are gathered before they are counted in the store: so many a kill may lose.
const REFUSALS: Duration = Duration::from_secs(1);

/// Runs a host until it is told to stop.
///
/// # Errors
/// Something it needs is not to be had: the text says what, and what to do.
pub fn run(args: ServeArgs) -> Result<()> {
    crate::allocator::one_arena_per_processor();
    let config = ServeConfig::read(args)?;
    let incarnation = incarnation()?;
    let telemetry = Telemetry::start(config.log_format, config.otlp_endpoint.as_deref(), &incarnation)?;
    #[cfg(feature = "failpoints")]
    gatehouse_failpoints::arm_from_environment().map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let served = runtime.block_on(serve(config, incarnation));
    // What the runtime still holds is let go first: it may have spans open.
    drop(runtime);
    telemetry.stop();
    served
}

async fn serve(config: ServeConfig, incarnation: String) -> Result<()> {
    // Several libraries bring a provider; the process has to choose one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let channels = config.notifications.as_ref().map(Notifications::channels).transpose().context("notifications")?;
    let channels = channels.unwrap_or_default();
    let metrics = telemetry::metrics::start()?;
    survive_file_limits();
    make_private_directory(&config.data)?;
    let file = Arc::new(open_store(&config)?);
    let store: Arc<dyn Store> = file.clone();
    let listener = listen(config.listen)?;
    let tls = tls(&config).await?;
    let sandbox = Arc::new(sandbox(&config)?);
    let clock = Arc::new(SystemClock);
    let mut working = EngineConfig::new(incarnation);
    if let Some(hours) = config.idempotency_hours {
        working.answers_kept = Duration::from_secs(hours.saturating_mul(3600));
    }
    working.audit_kept = config.audit_days.map(|days| Duration::from_secs(days.saturating_mul(24 * 3600)));
    #[cfg(feature = "failpoints")]
    let working = crate::failpoints::in_batches(working);
    let engine = Engine::new(store.clone(), sandbox.clone(), clock.clone(), working)?;
    engine.adopt_traces(telemetry::adopt);
    let services = Services::new(store, sandbox, clock, Arc::new(Behind(engine.clone())));
    let (pause, paused) = watch::channel(false);
    clear_transit(&config.data);
    let keeper = Keeper { store: file, folder: config.data.clone(), pause, at_work: Arc::default() };
    let at_work = keeper.at_work.clone();
    let services = services.kept_by(Arc::new(keeper));
    let courier = Courier::new(services.store.clone(), Arc::new(SystemClock), channels);
    start_token::hand_out(&services, &config).await?;

    let (close, closing) = watch::channel(false);
    let counting = tokio::spawn(count_refusals(services.clone(), closing.clone()));
    let services = match config.failed_sign_ins_per_minute {
        Some(each) => services.with_failed_sign_ins(each),
        None => services,
    };
    let refusing = services.clone();
    let api = Api::new(services, Some(metrics), closing.clone());
    let api = router(match config.calls_per_minute {
        Some(calls) => api.with_calls_per_minute(calls),
        None => api,
    });
    let address = listener.local_addr().context("no address")?;
    let handle = Handle::new();
    tokio::spawn(stop_on(signals()?, close, handle.clone()));
    let telling = closing.clone();
    let telling = tokio::spawn(async move { courier.run(until(telling)).await });
    let working = tokio::spawn(work(engine, closing, paused, at_work));
    tracing::info!(%address, tls = tls.is_some(), data = %config.data.display(), "serving");
    if tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!("tokens and personal data cross the network in the clear: give a certificate (--tls-cert)");
    }
    let service = api.into_make_service_with_connect_info::<SocketAddr>();
    let served = match tls {
        Some(tls) => axum_server::from_tcp_rustls(listener, tls)?.handle(handle).serve(service).await,
        None => axum_server::from_tcp(listener)?.handle(handle).serve(service).await,
    };
    served.context("the API stopped")?;
    working.await.context("the engine stopped")?;
    telling.await.context("notifications stopped")?;
    counting.await.context("the count of refusals stopped")?;
    // Those of the last calls.
    refusing.count_refusals().await;
    tracing::info!("stopped");
    Ok(())
}

/// A file that may not grow is a full disk, which the store gets over. The signal's own answer is to end the process.
#[cfg(unix)]
fn survive_file_limits() {
    use tokio::signal::unix::{SignalKind, signal};
    /// SIGXFSZ, on every platform that this is built for.
    const FILE_TOO_LARGE: i32 = 25;
    if let Err(error) = signal(SignalKind::from_raw(FILE_TOO_LARGE)) {
        tracing::warn!(%error, "a limit of file sizes would end this process");
    }
}

#[cfg(not(unix))]
fn survive_file_limits() {}

/// The engine, as the API sees it.
struct Behind(Engine);

#[async_trait]
impl Background for Behind {
    fn wake(&self) {
        self.0.wake();
    }

    fn health(&self) -> Result<(), String> {
        self.0.health()
    }

    fn raising(&self) -> Arc<tokio::sync::Mutex<()>> {
        self.0.raising()
    }

    async fn probe(&self, app: &App) -> CallReport<Vec<Finding>> {
        self.0.probe(app).await
    }

    async fn search(&self, app: &App, user: &User) -> Result<Matched, StoreError> {
        self.0.search(app, user).await
    }

    async fn review(&self, app: &App, request: &Request, external_id: Option<&str>) -> Result<Review, StoreError> {
        self.0.review(app, request, external_id).await
    }
}

/// Writes down again and again how often refusals came.
async fn count_refusals(services: Services, closing: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(REFUSALS);
    while !*closing.borrow() {
        tokio::select! {
            _ = ticks.tick() => services.count_refusals().await,
            () = until(closing.clone()) => {}
        }
    }
}

/// The engine, run again after each pause.
async fn work(
    engine: Engine,
    closing: watch::Receiver<bool>,
    mut paused: watch::Receiver<bool>,
    at_work: Arc<tokio::sync::Mutex<()>>,
) {
    while !*closing.borrow() {
        {
            let _at_work = at_work.lock().await;
            let (closing, paused) = (closing.clone(), paused.clone());
            let stop = async {
                tokio::select! {
                    () = until(closing) => {}
                    () = until(paused) => {}
                }
            };
            engine.run(stop).await;
        }
        let goes_on = async { paused.wait_for(|paused| !*paused).await.is_ok() };
        tokio::select! {
            () = until(closing.clone()) => {}
            goes_on = goes_on => if !goes_on { return },
        }
    }
}

/// The store's file, as backups and restores see it.
struct Keeper {
    store: Arc<RedbStore>,
    folder: PathBuf,
    pause: watch::Sender<bool>,
    /// Held while the engine works.
    at_work: Arc<tokio::sync::Mutex<()>>,
}

#[async_trait]
impl Safekeeping for Keeper {
    fn folder(&self) -> &Path {
        &self.folder
    }

    async fn backup(&self, to: PathBuf, now: jiff::Timestamp) -> Result<Manifest, ServiceError> {
        Ok(self.store.backup(to, now).await?)
    }

    async fn stage(&self, from: PathBuf, other_installation: bool) -> Result<Staged, ServiceError> {
        Ok(self.store.stage(from, other_installation).await?)
    }

    async fn compact(&self) -> Result<Compacted, ServiceError> {
        Ok(self.store.compact().await?)
    }

    async fn adopt(&self, staged: Staged) -> Result<(), ServiceError> {
        self.pause.send_replace(true);
        // Calls under way end, or are broken off: nobody is to write down what came of them in another store.
        let at_rest = self.at_work.lock().await;
        let adopted = self.store.adopt(staged).await;
        drop(at_rest);
        self.pause.send_replace(false);
        Ok(adopted?)
    }
}

/// Removes what a host that was killed had on its way: a backup as it was sent, or being received.
fn clear_transit(folder: &Path) {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in found.filter(|entry| entry.file_name().to_string_lossy().starts_with(TRANSIT)) {
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(path = %entry.path().display(), %error, "what an interrupted backup or restore left stays");
        }
    }
}

fn open_store(config: &ServeConfig) -> Result<RedbStore> {
    store_must_be_there(config)?;
    let mut options = OpenOptions::new(config.data.join(STORE), config.master_key()?);
    if let Some(mib) = config.store_cache_mib {
        options.cache_bytes = mib.saturating_mul(1 << 20);
    }
    RedbStore::open(&options).map_err(|error| anyhow!("{error}"))
}

/// A key that was made here was made for a store: without that, a new one would pass for it, empty and unnoticed.
fn store_must_be_there(config: &ServeConfig) -> Result<()> {
    let (store, key) = (config.data.join(STORE), config.data.join(MASTER_KEY));
    let there = fs::metadata(&store).is_ok_and(|found| found.len() > 0);
    if config.start_empty && there {
        bail!(
            "{} is there: --start-empty is for a host whose store is gone; move the file away first",
            store.display()
        );
    }
    if there || config.start_empty || !key.exists() {
        return Ok(());
    }
    bail!(
        "{} is missing or empty, and {} says that there was a store: put the store back; or start with --start-empty, \
         which makes a new one under this key, and restore a backup into it (or use it as a new installation)",
        store.display(),
        key.display(),
    )
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow!("{address} is in use by another program; stop that one, or choose another with --listen")
        }
        std::io::ErrorKind::PermissionDenied => {
            anyhow!("{address} may not be listened on (ports below 1024 take privileges); choose another with --listen")
        }
        std::io::ErrorKind::AddrNotAvailable => {
            anyhow!("{} is no address of this machine; choose another with --listen", address.ip())
        }
        _ => anyhow!("{address} cannot be listened on: {error}"),
    })?;
    listener.set_nonblocking(true).context("the listener")?;
    Ok(listener)
}

async fn tls(config: &ServeConfig) -> Result<Option<RustlsConfig>> {
    let Some((cert, key)) = &config.tls else { return Ok(None) };
    let loaded = RustlsConfig::from_pem_file(cert, key).await;
    let named = || format!("the certificate {} with the key {}", cert.display(), key.display());
    Ok(Some(loaded.with_context(named)?))
}

fn sandbox(config: &ServeConfig) -> Result<Sandbox> {
    let cache_dir = config.data.join("compiled");
    let mac_key = mac_key(&config.data.join("compiled.key"))?;
    let sandbox = SandboxConfig {
        cache_dir,
        mac_key,
        compile_child: compile_child()?,
        limits: config.limits.clone(),
        extra_ca_files: config.target_ca.clone(),
        hosts: BTreeMap::new(),
    };
    Sandbox::new(sandbox).context("the sandbox")
}

/// A sandbox for `connector check`: its cache goes when the returned directory is dropped.
///
/// # Errors
/// It cannot be set up.
pub fn sandbox_for_checks() -> Result<(Sandbox, TempDir)> {
    let cache = tempfile::tempdir().context("a temporary directory")?;
    let config = SandboxConfig {
        cache_dir: cache.path().to_owned(),
        mac_key: SecretBox::new(Box::new(random()?)),
        compile_child: compile_child()?,
        limits: Limits::default(),
        extra_ca_files: Vec::new(),
        hosts: BTreeMap::new(),
    };
    Ok((Sandbox::new(config).context("the sandbox")?, cache))
}

/// This very program, under its hidden verb.
fn compile_child() -> Result<CompileChild> {
    let program = std::env::current_exe().context("the path of this program")?;
    Ok(CompileChild { program, args: vec!["__compile".into()] })
}

/// What authenticates the cache of compiled components. Whoever can replace it can make the host run any machine
/// code, as whoever can write into the data directory can anyway.
fn mac_key(file: &Path) -> Result<SecretBox<[u8; 32]>> {
    let read = || -> Option<[u8; 32]> { hex::decode(fs::read_to_string(file).ok()?.trim()).ok()?.try_into().ok() };
    if let Some(key) = read() {
        return Ok(SecretBox::new(Box::new(key)));
    }
    let key: [u8; 32] = random()?;
    // One that cannot be read is as good as none: everything is compiled anew.
    let _ = fs::remove_file(file);
    write_private(file, &hex::encode(key))?;
    Ok(SecretBox::new(Box::new(key)))
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness to be had: {error}"))?;
    Ok(bytes)
}

fn incarnation() -> Result<String> {
    Ok(hex::encode(&random()?[..8]))
}

fn make_private_directory(path: &PathBuf) -> Result<()> {
    if path.is_file() {
        return Err(anyhow!(
            "the data directory {} is a file, not a directory: name another with --data",
            path.display()
        ));
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("the data directory {} cannot be made", path.display()))
}

async fn stop_on(signal: impl Future<Output = ()>, close: watch::Sender<bool>, handle: Handle<SocketAddr>) {
    signal.await;
    tracing::info!("stopping");
    // Streams end and the engine takes nothing new; then calls under way are waited for.
    let _ = close.send(true);
    handle.graceful_shutdown(Some(GRACE));
}

async fn until(mut closing: watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// What asks a process to end. Listened for from now on, not only from when it is waited for.
#[cfg(unix)]
fn signals() -> Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupted = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signals() -> Result<impl Future<Output = ()> + Send> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

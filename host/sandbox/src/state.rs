//! What one store holds: the inert WASI context, the gate, the meter and the settings. Nothing of the host's own
//! environment is in it, and no secret: those are in the gate alone, which the guest reaches only through requests.

use crate::Limits;
use crate::bindings::host;
use crate::gate::Gate;
use crate::journal::Stdio;
use crate::meter::Meter;
use crate::notes::Notes;
use bytes::Bytes;
use gatehouse_core::Level;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// The data of a store.
pub(crate) struct CallState {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    gate: Gate,
    pub(crate) meter: Meter,
    settings: BTreeMap<String, String>,
    notes: Arc<Notes>,
}

impl CallState {
    pub(crate) fn new(limits: &Arc<Limits>, settings: BTreeMap<String, String>, gate: Gate, notes: Arc<Notes>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.header_bytes as usize);
        let meter = Meter::new(limits.clone(), notes.clone());
        Self { wasi: inert_wasi(limits, &notes), http, table, gate, meter, settings, notes }
    }
}

/// WASI as guest toolchains link it without asking: there, and leading nowhere. Nothing is inherited, no directory is
/// opened, every socket and every name is refused; what is written goes to the journal.
fn inert_wasi(limits: &Limits, notes: &Arc<Notes>) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(JournalStream { notes: notes.clone(), stream: Stdio::Out });
    wasi.stderr(JournalStream { notes: notes.clone(), stream: Stdio::Err });
    wasi.max_random_size(limits.random_bytes);
    wasi.allow_tcp(false);
    wasi.allow_udp(false);
    wasi.allow_ip_name_lookup(false);
    wasi.socket_addr_check(|_, _| Box::pin(async { false }));
    wasi.build()
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for CallState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.gate, table: &mut self.table, ctx: &mut self.http }
    }
}

impl host::types::Host for CallState {}

impl host::settings::Host for CallState {
    fn get(&mut self, name: String) -> Option<String> {
        self.settings.get(&name).cloned()
    }
}

impl host::journal::Host for CallState {
    fn log(&mut self, level: host::journal::Level, message: String, fields: Vec<(String, String)>) {
        let level = match level {
            host::journal::Level::Debug => Level::Debug,
            host::journal::Level::Info => Level::Info,
            host::journal::Level::Warn => Level::Warn,
            host::journal::Level::Error => Level::Error,
        };
        self.notes.journal().log(level, &message, fields);
    }

    fn progress(&mut self, done: u64, total: Option<u64>) {
        self.notes.journal().progress(done, total);
    }
}

/// A standard stream that ends in the journal. It always takes what it is given: the journal bounds itself.
#[derive(Clone)]
struct JournalStream {
    notes: Arc<Notes>,
    stream: Stdio,
}

impl JournalStream {
    fn take(&self, bytes: &[u8]) {
        self.notes.journal().write(self.stream, bytes);
    }
}

impl IsTerminal for JournalStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for JournalStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for JournalStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait::async_trait]
impl Pollable for JournalStream {
    async fn ready(&mut self) {}
}

impl OutputStream for JournalStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

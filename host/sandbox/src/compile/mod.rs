//! From a component to machine code: from the cache if its MAC is right, from the compiling child otherwise. Guest
//! input never meets the compiler in this process.

mod cache;
mod child;
mod confine;

pub use child::{CompileChild, compile_child};

use crate::admission::outside::Outline;
use crate::failure;
use crate::limits::LimitHit;
use crate::{Limits, SandboxError};
use cache::Cache;
use gatehouse_core::Digest;
use gatehouse_core::ports::AdmissionError;
use secrecy::SecretBox;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    /// The child could not be started, or did not behave.
    #[error("the compiling process failed: {0}")]
    Child(String),
    /// It was refused, by the look at it from outside or by the compiler.
    #[error("{0}")]
    Refused(AdmissionError),
    /// It took more than it may.
    #[error("{0}")]
    Limit(LimitHit),
    /// What came out is not for this engine.
    #[error("the compiled component cannot be loaded: {0}")]
    Unloadable(String),
}

/// A compiled component, what is to be known of it, and what is to be kept of it if that is not in the cache yet.
pub(crate) struct Compiled {
    pub(crate) component: Component,
    pub(crate) outline: Outline,
    fresh: Option<Vec<u8>>,
}

/// Compiles components.
pub(crate) struct Compiler {
    engine: Engine,
    child: CompileChild,
    cache: Cache,
    limits: Arc<Limits>,
    permits: Semaphore,
}

impl Compiler {
    pub(crate) fn new(
        engine: &Engine,
        child: CompileChild,
        directory: PathBuf,
        key: SecretBox<[u8; 32]>,
        limits: Arc<Limits>,
    ) -> Result<Self, SandboxError> {
        let cache = Cache::open(directory.clone(), key, compatibility(engine));
        let cache = cache.map_err(|error| SandboxError::Cache(directory, error))?;
        let permits = Semaphore::new((limits.concurrent_compilations as usize).clamp(1, Semaphore::MAX_PERMITS));
        Ok(Self { engine: engine.clone(), child, cache, limits, permits })
    }

    /// A component's machine code, from the cache or newly made. Nothing is kept of it yet.
    pub(crate) async fn compile(&self, digest: Digest, component: &[u8]) -> Result<Compiled, CompileError> {
        if let Some(kept) = self.cache.get(digest) {
            match self.load(&kept) {
                Ok((outline, component)) => return Ok(Compiled { component, outline, fresh: None }),
                Err(limit @ CompileError::Limit(_)) => return Err(limit),
                Err(error) => tracing::warn!(%digest, %error, "cached code is of no use; compiling anew"),
            }
        }
        let permit = self.permits.acquire().await;
        let made = self.child.compile(component, &self.limits).await?;
        drop(permit);
        let (outline, component) = self.load(&made)?;
        Ok(Compiled { component, outline, fresh: Some(made) })
    }

    /// Removes what is kept of a component.
    pub(crate) fn forget(&self, digest: Digest) {
        if let Err(error) = self.cache.remove(digest) {
            tracing::warn!(%digest, %error, "compiled code stays in the cache");
        }
    }

    /// What the child made: a line of JSON, and machine code. It must fit the limits in force, which may not be those
    /// it was made under.
    fn load(&self, made: &[u8]) -> Result<(Outline, Component), CompileError> {
        let unreadable = || CompileError::Unloadable("it has no outline".to_owned());
        let end = made.iter().position(|byte| *byte == b'\n').ok_or_else(unreadable)?;
        let (outline, code) = made.split_at(end);
        let outline: Outline = serde_json::from_slice(outline).map_err(|_| unreadable())?;
        outline.needs.check(&self.limits).map_err(CompileError::Limit)?;
        Ok((outline, self.deserialize(&code[1..])?))
    }

    /// Keeps the machine code for the next start. A cache that cannot be written costs time, not function.
    pub(crate) fn keep(&self, digest: Digest, compiled: &Compiled) {
        if let Some(code) = &compiled.fresh
            && let Err(error) = self.cache.put(digest, code)
        {
            tracing::warn!(%digest, %error, "compiled code cannot be cached");
        }
    }

    /// The one place where bytes become code that runs.
    #[allow(unsafe_code)]
    fn deserialize(&self, code: &[u8]) -> Result<Component, CompileError> {
        // SAFETY: `deserialize` trusts its input to be what this version of wasmtime serialised. The bytes come either
        // from our own compiling child, over a pipe nobody else holds, or from the cache, whose MAC over digest,
        // compatibility and code has just been checked on this very copy in memory.
        unsafe { Component::deserialize(&self.engine, code) }.map_err(|error| {
            failure::pool_limit(&error, &self.limits)
                .map_or_else(|| CompileError::Unloadable(format!("{error:#}")), CompileError::Limit)
        })
    }
}

/// What machine code depends on besides the component: compiler, its settings, processor.
fn compatibility(engine: &Engine) -> u64 {
    // FNV-1a, which is the same in every build; the hasher of the standard library need not be.
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

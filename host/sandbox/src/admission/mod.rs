//! What a component must be before it may serve: looked at from outside and compiled, both in the child, described
//! without egress, its description checked. Each refusal says what is wrong, where, and what to do. Nothing is kept of a
//! component that is refused.

mod description;
pub(crate) mod outside;
mod signature;

use crate::Sandbox;
use crate::call::Ready;
use crate::compile::CompileError;
use gatehouse_core::ports::{Admission, AdmissionError};
use gatehouse_core::{Connector, Description, Digest};
use std::sync::Arc;

/// A refusal: a case of those listed at [`AdmissionError::case`], and a text for whoever brought the component.
fn refusal(case: &str, message: impl Into<String>) -> AdmissionError {
    AdmissionError { case: case.to_owned(), message: message.into() }
}

/// Admits a component and makes it ready for calls.
pub(crate) async fn admit(sandbox: &Sandbox, component: &[u8]) -> Result<Admission, AdmissionError> {
    outside::glance(component, &sandbox.runner.limits)?;
    let digest = Digest::of(component);
    let compiled = sandbox.compiler.compile(digest, component).await.map_err(not_compiled)?;
    let ready = Arc::new(sandbox.runner.ready(&compiled.component).map_err(|error| not_linked(&error))?);
    let description = describe(sandbox, &ready).await?;
    if describe(sandbox, &ready).await? != description {
        return Err(refusal("describe", "`describe` gave two different answers; it has to be the same each time"));
    }
    let outline = &compiled.outline;
    let warnings = description::check(&description, &outline.interfaces)?;
    sandbox.compiler.keep(digest, &compiled);
    sandbox.insert(digest, ready);
    let connector = Connector {
        description,
        digest,
        size: component.len() as u64,
        interfaces: outline.interfaces.clone(),
        imports: outline.imports.clone(),
        installed_at: Default::default(),
        installed_by: String::new(),
    };
    Ok(Admission { connector, warnings })
}

/// Makes a component that was admitted earlier ready for calls. What is kept of it must fit the limits as they now are.
pub(crate) async fn load(sandbox: &Sandbox, digest: Digest, component: &[u8]) -> Result<(), AdmissionError> {
    let found = Digest::of(component);
    if found != digest {
        let text = format!("the component was changed: its digest is {found}, the one admitted had {digest}");
        return Err(refusal("invalid", text));
    }
    let compiled = sandbox.compiler.compile(digest, component).await.map_err(not_compiled)?;
    let ready = sandbox.runner.ready(&compiled.component).map_err(|error| not_linked(&error))?;
    sandbox.compiler.keep(digest, &compiled);
    sandbox.insert(digest, Arc::new(ready));
    Ok(())
}

async fn describe(sandbox: &Sandbox, ready: &Arc<Ready>) -> Result<Description, AdmissionError> {
    let (limits, descriptor) = (sandbox.runner.limits.clone(), ready.descriptor.clone());
    let report = sandbox.runner.run(ready.clone(), sandbox.runner.describing(), |fresh| async move {
        let (mut store, instance) = fresh.instantiate().await?;
        let described = descriptor.load(&mut store, &instance)?.call_describe(&mut store).await?;
        Ok(Ok(description::convert(described, &limits)))
    });
    report.await.result.unwrap_or_else(|failure| Err(refusal("describe", format!("`describe` failed: {failure}"))))
}

fn not_compiled(error: CompileError) -> AdmissionError {
    match error {
        CompileError::Refused(refusal) => refusal,
        CompileError::Limit(_) => refusal("limits", format!("the component cannot be compiled: {error}")),
        _ => refusal("compile", format!("the component cannot be compiled: {error}")),
    }
}

fn not_linked(error: &wasmtime::Error) -> AdmissionError {
    refusal("unknown-import", format!("the component asks for what the host does not offer: {error:#}"))
}

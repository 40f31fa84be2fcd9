//! Gathers what a call needs: the app, its connector, its settings and credentials. Says what an administrator can do
//! about whatever is not there. Never changes anything.

use crate::noted::Caller;
use crate::shell::Shell;
use crate::told::Told;
use crate::{telemetry, told};
use gatehouse_core::lifecycle::NameAttributes;
use gatehouse_core::ports::{CallContext, CallReport, CredentialBinding, StoreError};
use gatehouse_core::schema::{Account as RemoteAccount, Attributes, Schema};
use gatehouse_core::{
    App, CallFailure, Capability, Connector, Description, Expression, FailureKind, Interface, Request, RequestId,
};
use gatehouse_core::{mapping, validation};
use std::collections::BTreeSet;
use tracing::Instrument as _;

/// Why nothing can be called.
#[derive(Debug)]
pub(crate) enum NotReady {
    /// The store did not answer.
    Store(StoreError),
    /// Something is missing; the text says what to do.
    Missing(CallFailure),
}

impl From<StoreError> for NotReady {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An app with everything that calls for it need.
pub(crate) struct Surroundings {
    pub app: App,
    pub connector: Connector,
    pub schema: Schema,
    pub context: CallContext,
    /// The attributes that are kept of every account: those mapped and those in linking rules and conditions, and so the ones that
    /// are collected, compared and fingerprinted.
    pub attributes: Vec<String>,
}

impl Surroundings {
    /// For calls made for this app, and this request if there is one.
    pub async fn of(shell: &Shell, app: App, request: Option<RequestId>) -> Result<Self, NotReady> {
        let reference = &app.connector;
        let connector = shell.store.connector(reference.digest).await?.ok_or_else(|| {
            missing(format!(
                "connector {} {} of app `{}` is not installed any more; install it again, or configure the app with \
                 another one",
                reference.name, reference.version, app.name
            ))
        })?;
        make_ready(shell, &connector).await?;
        let schema = connector.description.schema().map_err(|why| {
            missing(format!("the attribute schema of connector {} is no good: {why}", reference.name))
        })?;
        let context = CallContext {
            connector: connector.digest,
            app: app.id,
            app_name: app.name.clone(),
            request,
            settings: validation::effective_settings(&connector.description, &app.settings),
            grants: validation::effective_grants(&app, &connector.description),
            credentials: credentials(shell, &app, &connector.description).await?,
            search_paths: connector.description.search_paths.clone(),
            timeout: shell.config.call_timeout,
        };
        let attributes = attributes(&app, &schema);
        Ok(Self { app, connector, schema, context, attributes })
    }

    /// The attributes that a user's email and names are plainly mapped to.
    pub fn names(&self) -> NameAttributes {
        mapping::name_attributes(&self.app.config.mapping)
    }

    /// The account with no more than what is kept of it, so that its fingerprint is that of a collected one.
    pub fn narrowed(&self, mut account: RemoteAccount) -> RemoteAccount {
        account.attributes.retain(|name, _| self.attributes.contains(name));
        account
    }

    pub fn can(&self, capability: Capability) -> bool {
        self.connector.description.capabilities.contains(&capability)
    }

    pub fn has(&self, interface: Interface) -> bool {
        self.connector.interfaces.contains(&interface)
    }

    pub fn caller<'a>(&'a self, of: Option<&'a Request>) -> Caller<'a> {
        let correlation = of.and_then(|request| request.correlation.as_ref());
        let request_id = correlation.map(|correlation| correlation.request_id.as_str());
        let connector = &self.connector.description.name;
        let attempt = of.map_or(0, |request| request.attempts.len());
        Caller { app: self.app.id, request: self.context.request, request_id, connector, attempt }
    }

    /// Makes a call, in a span of its own. What comes back is fit to be read: of what the call was `given`, and of what
    /// it gave, sensitive values are hidden in the connector's words.
    pub async fn call<T: Told>(
        &self,
        function: &'static str,
        attempt: usize,
        given: &[&Attributes],
        call: impl Future<Output = CallReport<T>>,
    ) -> CallReport<T> {
        let span = telemetry::call_span(self, function, attempt);
        async {
            let mut report = call.await;
            told::hide(&mut report, &self.schema, given);
            telemetry::called(self, function, &report);
            report
        }
        .instrument(span)
        .await
    }
}

pub(crate) fn missing(text: impl Into<String>) -> NotReady {
    NotReady::Missing(CallFailure::new(FailureKind::Host, text))
}

/// Compiles the component again after a restart.
async fn make_ready(shell: &Shell, connector: &Connector) -> Result<(), NotReady> {
    if shell.connectors.is_loaded(connector.digest) {
        return Ok(());
    }
    let name = &connector.description.name;
    let component = shell
        .store
        .component(connector.digest)
        .await?
        .ok_or_else(|| missing(format!("the component of connector {name} is gone; install it again")))?;
    shell
        .connectors
        .load(connector.digest, &component)
        .await
        .map_err(|error| missing(format!("connector {name} cannot be loaded any more: {error}")))
}

/// The credentials of the connector's slots, each for the origin it is bound to.
async fn credentials(shell: &Shell, app: &App, description: &Description) -> Result<Vec<CredentialBinding>, NotReady> {
    let mut bindings = Vec::new();
    for slot in &description.credentials {
        let Some(name) = app.credentials.get(&slot.name) else {
            if slot.required {
                return Err(missing(format!(
                    "app `{}` has no credential for `{}`; give it one with `gatehouse app configure {} --credential \
                     {}=NAME`",
                    app.name, slot.name, app.name, slot.name
                )));
            }
            continue;
        };
        let credential = shell.store.credential(name).await?.ok_or_else(|| {
            missing(format!(
                "credential `{name}` of app `{}` is gone; set it again with `gatehouse credential set {name}`",
                app.name
            ))
        })?;
        bindings.push(CredentialBinding {
            name: name.clone(),
            origin: credential.record.origin,
            scheme: credential.record.scheme,
            header: credential.record.header.or_else(|| slot.header.clone()),
            secret: credential.secret,
        });
    }
    Ok(bindings)
}

fn attributes(app: &App, schema: &Schema) -> Vec<String> {
    let mapped = app.config.mapping.iter().map(|rule| &rule.attribute);
    let linking = app.config.linking.iter().map(|rule| &rule.account_attribute);
    let conditions = app.config.linking.iter().filter_map(|rule| rule.condition.as_ref());
    let asked: Vec<_> = conditions.map(Expression::account_attributes).collect();
    let names: BTreeSet<&str> = mapped.chain(linking).map(String::as_str).collect();
    let kept = |name: &&str| names.contains(name) || asked.iter().any(|asked| asked.uses(name));
    schema.names().filter(kept).map(str::to_owned).collect()
}

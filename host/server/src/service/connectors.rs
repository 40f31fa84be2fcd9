//! Installed connectors. Nothing unsigned runs before somebody has consented to that very digest.

use super::{Answer, Caller, Paging, ServiceError, Services, lists::Place};
use crate::wire::{ByNameOrInstallation, CheckReport, ConnectorView, Page};
use gatehouse_core::ports::ChangeSet;
use gatehouse_core::{Connector, Digest, nearest};

/// How a component begins: the magic of WebAssembly, and the layer of the component model.
const COMPONENT: ([u8; 4], [u8; 2]) = (*b"\0asm", [1, 0]);

impl Services {
    /// A connector by digest, name or name@version.
    ///
    /// # Errors
    /// There is none.
    pub async fn find_connector(&self, named: &str) -> Result<Connector, ServiceError> {
        if let Ok(digest) = named.parse::<Digest>() {
            let found = self.store.connector(digest).await?;
            return found.ok_or_else(|| {
                ServiceError::NotFound(format!("no connector with digest {} is installed", digest.short()))
            });
        }
        let all = self.store.connectors().await?;
        let (name, version) = match named.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (named, None),
        };
        let of_name = || all.iter().filter(|c| c.description.name == name);
        let found = match version {
            Some(version) => of_name().find(|c| c.description.version == version),
            None => of_name().max_by_key(|c| semver::Version::parse(&c.description.version).ok()),
        };
        if let Some(found) = found {
            return Ok(found.clone());
        }
        let versions: Vec<_> = of_name().map(|c| c.description.version.as_str()).collect();
        let near = nearest(name, all.iter().map(|c| c.description.name.as_str()));
        let hint = match (versions.as_slice(), near.first()) {
            ([], Some(near)) => format!("did you mean `{near}`?"),
            ([], None) => "`gatehouse connector list` shows what is installed".to_owned(),
            (versions, _) => format!("installed is {}", versions.join(", ")),
        };
        Err(ServiceError::NotFound(format!("connector `{named}` is not installed; {hint}")))
    }

    /// All connectors.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn list_connectors(
        &self,
        paging: &Paging<ByNameOrInstallation>,
    ) -> Result<Page<ConnectorView>, ServiceError> {
        let all = self.store.connectors().await?.iter().map(ConnectorView::from).collect();
        paging.cut(all, |connector: &ConnectorView, key| {
            let name = format!("{}@{}", connector.description.name, connector.description.version);
            match key {
                ByNameOrInstallation::Name => Place::named(&name),
                ByNameOrInstallation::InstalledAt => Place::dated(connector.installed_at, &name),
            }
        })
    }

    /// Checks a component as installing would, and keeps nothing of it.
    ///
    /// # Errors
    /// It is not fit to be a connector.
    pub async fn check_connector(&self, component: &[u8]) -> Result<CheckReport, ServiceError> {
        let _turn = self.turn.lock().await;
        let digest = Digest::of(component);
        let was_loaded = self.connectors.is_loaded(digest);
        let admission = self.connectors.admit(component).await?;
        if !was_loaded {
            self.connectors.unload(digest);
        }
        let connector = Connector { installed_at: self.now(), ..admission.connector };
        Ok(CheckReport { connector: ConnectorView::from(&connector), warnings: admission.warnings })
    }

    /// Installs a connector. Who consented to running it unsigned is recorded.
    ///
    /// # Errors
    /// Nobody consented, it is not fit to be a connector, or it is installed already.
    pub async fn install_connector(
        &self,
        caller: &Caller,
        component: Vec<u8>,
        allow_unsigned: bool,
    ) -> Result<Answer, ServiceError> {
        let _turn = self.turn.lock().await;
        let digest = Digest::of(&component);
        if let Some(there) = self.store.connector(digest).await? {
            let text = format!("{} {} is installed already, with this very digest", named(&there), digest.short());
            return Err(ServiceError::Conflict(text));
        }
        let is_component = component.starts_with(&COMPONENT.0) && component.get(6..8) == Some(&COMPONENT.1);
        // What is no component at all is refused before anything of it runs, and that is what its owner should hear.
        if !allow_unsigned && is_component {
            return Err(ServiceError::ConsentNeeded { digest });
        }
        let admission = self.connectors.admit(&component).await?;
        if !allow_unsigned {
            self.connectors.unload(digest);
            return Err(ServiceError::ConsentNeeded { digest });
        }
        let connector =
            Connector { installed_at: self.now(), installed_by: caller.actor.to_string(), ..admission.connector };
        if let Err(error) = self.no_namesake(&connector).await {
            self.connectors.unload(digest);
            return Err(error);
        }
        let view = ConnectorView::from(&connector);
        let mut answer = Answer::created(format!("/api/v1/connectors/{digest}"), 1, &view);
        answer.version = None;
        let audit = self
            .audit(caller, "connector.install", format!("connector {}", named(&connector)))
            .with("digest", digest)
            .with("signature", "none, running it unsigned was consented to")
            .changing(None, Some(&view));
        let mut changes = ChangeSet { audit: vec![audit], ..ChangeSet::default() };
        changes.connectors.push((connector, component));
        caller.remember(&mut changes, &answer);
        self.store.commit(changes).await?;
        Ok(answer)
    }

    /// `name@version` means one digest.
    async fn no_namesake(&self, new: &Connector) -> Result<(), ServiceError> {
        let all = self.store.connectors().await?;
        let same = |c: &&Connector| named(c) == named(new);
        match all.iter().find(same) {
            None => Ok(()),
            Some(there) => Err(ServiceError::Conflict(format!(
                "{} is installed with another digest ({}); give yours another version, or uninstall that one first",
                named(new),
                there.digest.short()
            ))),
        }
    }

    /// Uninstalls a connector.
    ///
    /// # Errors
    /// Apps run on it, or there is none.
    pub async fn uninstall_connector(&self, caller: &Caller, which: &str) -> Result<(), ServiceError> {
        let _turn = self.turn.lock().await;
        let all = self.store.connectors().await?;
        let versions: Vec<_> = all.iter().filter(|c| c.description.name == which).map(named).collect();
        if versions.len() > 1 {
            let text = format!("there are several: say which of {}", versions.join(", "));
            return Err(ServiceError::invalid("connector", text));
        }
        let connector = self.find_connector(which).await?;
        let apps = self.store.apps().await?;
        let users: Vec<_> =
            apps.iter().filter(|a| a.connector.digest == connector.digest).map(|a| format!("`{}`", a.name)).collect();
        if !users.is_empty() {
            return Err(ServiceError::Conflict(format!(
                "{} is in use by app {}; delete the app or move it to another connector first",
                named(&connector),
                users.join(", ")
            )));
        }
        let audit = self
            .audit(caller, "connector.uninstall", format!("connector {}", named(&connector)))
            .with("digest", connector.digest)
            .changing(Some(&ConnectorView::from(&connector)), None);
        let remove_connectors = vec![connector.digest];
        self.store.commit(ChangeSet { audit: vec![audit], remove_connectors, ..ChangeSet::default() }).await?;
        self.connectors.unload(connector.digest);
        Ok(())
    }
}

fn named(connector: &Connector) -> String {
    format!("{}@{}", connector.description.name, connector.description.version)
}

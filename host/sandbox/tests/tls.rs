//! TLS as the gate speaks it: the target proves its name to an authority that is trusted, or nothing is sent.
#![allow(clippy::unwrap_used)]

mod support;

use gatehouse_core::ports::{CallReport, CommitCommand, Connectors, Receipt};
use gatehouse_core::{CommitStep, FailureKind};
use gatehouse_sandbox::{Limits, Sandbox, SandboxConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::sync::Arc;
use support::target::Target;
use support::{SECRET, Setup, config, hostile};

/// A certificate authority, as PEM, and a target with a certificate of it for `tls.example`.
async fn target() -> (String, Target) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["tls.example".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (authority.pem(), Target::start_tls(server).await)
}

/// A write to the target under this name, by a host that trusts these authorities besides the system's.
async fn write(target: &Target, name: &str, trusted: Option<&str>) -> CallReport<Receipt> {
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("ca.pem");
    std::fs::write(&pem, trusted.unwrap_or_default()).unwrap();
    let extra_ca_files = trusted.map(|_| pem).into_iter().collect();
    let config = SandboxConfig { extra_ca_files, ..config(directory.path(), Limits::default()) };
    let sandbox = Sandbox::new(config).unwrap();
    let digest = sandbox.admit(&hostile()).await.unwrap().connector.digest;
    let origin = format!("https://{name}:{}", target.origin.rsplit(':').next().unwrap());
    let setup = Setup::new(digest, "fetch").setting("method", "PUT").setting("url", &format!("{origin}/Users/1"));
    let setup = setup.grant(&origin, true).credential(&origin);
    let step = CommitStep::SetStatus(Default::default());
    let command = CommitCommand { idempotency_key: "k".into(), external_id: None, expected_revision: None, step };
    sandbox.commit(&setup.0, &command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_proves_its_name_gets_the_request_and_the_credential() {
    let (authority, target) = target().await;
    let report = write(&target, "tls.example", Some(&authority)).await;
    assert!(report.result.is_ok() && report.call.write_left, "{report:?}");
    let asked = target.asked().remove(0);
    assert_eq!(asked.line, "PUT /Users/1");
    assert!(asked.header("host").unwrap().starts_with("tls.example:"));
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_of_an_unknown_authority_or_another_name_gets_nothing() {
    let (authority, target) = target().await;
    for (name, trusted) in [("tls.example", None), ("other.example", Some(authority.as_str()))] {
        let report = write(&target, name, trusted).await;
        assert_eq!(report.result.unwrap_err().kind, FailureKind::Unavailable, "{name}");
        assert!(!report.call.write_left && report.call.requests == 0, "{name}");
    }
    assert!(target.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_cannot_be_read_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.pem");
    let config = SandboxConfig { extra_ca_files: vec![missing], ..config(directory.path(), Limits::default()) };
    let error = Sandbox::new(config).err().unwrap();
    assert_eq!(error.to_string(), "a certificate authority cannot be read");
}

//! `gatehouse serve` as a process: what the first start leaves behind, TLS, and an orderly end.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{GENEROUS, gatehouse, output};
use gatehouse_server::serve::STORE;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    /// Starts a host on a free port, in a directory, and waits until it serves.
    fn start(at: &Path, more: &[&str]) -> Self {
        let mut command =
            gatehouse(at, &["serve", "--data", "data", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        let mut child = command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (told, tells) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
                if let Some(address) = entry["fields"]["address"].as_str() {
                    let _ = told.send(address.to_owned());
                }
            }
        });
        let address = tells.recv_timeout(GENEROUS).unwrap();
        Self { child, address }
    }

    /// Tells it to end, as a service manager does: its exit code, and what it wrote to stdout.
    fn stop(mut self) -> (Option<i32>, String) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (status.code(), text)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_shows_a_token_once_and_keeps_only_its_hash() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (code, first) = Serving::start(at, &[]).stop();
    let token = first.trim().strip_prefix("first token (shown once): ").unwrap().to_owned();
    assert_eq!((code, token.len()), (Some(0), 47), "{first}");
    let stored = fs::read(at.join("data").join(STORE)).unwrap();
    assert!(!stored.windows(token.len()).any(|window| window == token.as_bytes()), "the token is in the store");
    assert_eq!(mode(&at.join("data")), 0o700);
    assert_eq!(mode(&at.join("data/master.key")), 0o600);

    let again = Serving::start(at, &[]);
    let mut command = gatehouse(at, &["token", "list"]);
    command.env("GATEHOUSE_SERVER", format!("http://{}", again.address)).env("GATEHOUSE_TOKEN", &token);
    let (code, table, _) = output(command);
    assert!(code == 0 && table.contains("first"), "{table}");
    let (code, second) = again.stop();
    assert_eq!((code, second.as_str()), (Some(0), ""), "it is shown once");
}

#[test]
fn the_first_token_can_go_to_a_file_that_its_owner_alone_reads() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (_, shown) = Serving::start(at, &["--print-token-to", "token"]).stop();
    assert_eq!((shown.as_str(), mode(&at.join("token"))), ("", 0o600));
    assert!(fs::read_to_string(at.join("token")).unwrap().starts_with("ghs_"));
}

/// An authority, and a certificate of it for 127.0.0.1, as PEM files.
fn certificates(at: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(at.join("ca.pem"), authority.pem()).unwrap();
    fs::write(at.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(at.join("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn with_a_certificate_it_speaks_tls_to_who_trusts_it_and_to_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    certificates(at);
    let more = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--print-token-to", "token"];
    let host = Serving::start(at, &more);
    let list = |scheme: &str, more: &[&str]| {
        let mut command = gatehouse(at, &["app", "list", "--token-file", "token"]);
        command.args(more).env("GATEHOUSE_SERVER", format!("{scheme}://{}", host.address));
        output(command)
    };
    let (code, _, stderr) = list("https", &["--ca", "ca.pem"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = list("https", &[]);
    assert!(code == 1 && stderr.contains("--ca"), "{stderr}");
    let (code, ..) = list("http", &[]);
    assert_eq!(code, 1, "there is no plain HTTP beside it");
}

#[test]
fn a_file_configures_what_no_flag_does() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("gatehouse.toml"), "print_token_to = \"from-file\"\n").unwrap();
    Serving::start(at, &[]).stop();
    assert!(at.join("from-file").exists());
    fs::remove_dir_all(at.join("data")).unwrap();
    Serving::start(at, &["--print-token-to", "from-flag"]).stop();
    assert!(at.join("from-flag").exists(), "a flag comes before the file");
}

#[test]
fn a_log_that_is_no_terminal_has_no_colours() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let mut command = gatehouse(at, &["serve", "--data", "data", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let serving = lines.find(|line| line.contains("serving"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(serving.as_ref().is_some_and(|line| !line.contains('\u{1b}')), "{serving:?}");
}

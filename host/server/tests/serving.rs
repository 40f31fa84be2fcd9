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

#[test]
fn a_token_that_cannot_be_handed_out_is_not_made_and_the_next_start_tries_again() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::write(at.join("taken"), "mine").unwrap();
    let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
    for (place, why) in [("taken", "is there already"), ("nowhere/token", "cannot be made")] {
        let mut command = gatehouse(at, &serve);
        command.args(["--print-token-to", place]);
        let (code, _, stderr) = output(command);
        assert!(code == 1 && stderr.contains(why), "{stderr}");
    }
    let mut command = gatehouse(at, &serve);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let refused = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && stderr.contains("--print-token-to"), "{stderr}");
    assert_eq!(fs::read_to_string(at.join("taken")).unwrap(), "mine");

    let (code, shown) = Serving::start(at, &[]).stop();
    assert!(code == Some(0) && shown.starts_with("first token (shown once): ghs_"), "{shown}");
}

#[test]
fn who_has_lost_every_token_gets_another_where_the_store_is() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    Serving::start(at, &[]).stop();
    let host = Serving::start(at, &["--new-token", "found", "--print-token-to", "token"]);
    let ask = |args: &[&str]| asked(at, &host, args);
    assert_eq!(ask(&["token", "revoke", "first"]).0, 0);
    assert!(ask(&["audit", "list"]).1.contains("token found"));
    host.stop();
    let mut command = gatehouse(at, &["serve", "--data", "data", "--listen", "127.0.0.1:0", "--new-token", "found"]);
    command.args(["--print-token-to", "other"]);
    let (code, _, stderr) = output(command);
    assert!(code == 1 && stderr.contains("take another name") && !at.join("other").exists(), "{stderr}");
}

#[test]
fn a_store_that_is_gone_is_restored_into_a_new_one_under_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let host = Serving::start(at, &["--print-token-to", "token"]);
    let ask = |host: &Serving, args: &[&str]| asked(at, host, args);
    assert_eq!(ask(&host, &["profile", "create", "staff"]).0, 0);
    assert_eq!(ask(&host, &["backup", "monday"]).0, 0);
    host.stop();
    for left in [None, Some(&b""[..])] {
        fs::remove_file(at.join("data").join(STORE)).unwrap();
        left.into_iter().for_each(|left| fs::write(at.join("data").join(STORE), left).unwrap());
        let serve = ["serve", "--data", "data", "--listen", "127.0.0.1:0"];
        let (code, _, stderr) = output(gatehouse(at, &serve));
        assert!(code == 1 && stderr.contains("--start-empty"), "{stderr}");

        fs::remove_file(at.join("token")).unwrap();
        let host = Serving::start(at, &["--start-empty", "--print-token-to", "token"]);
        let before = fs::read_to_string(at.join("token")).unwrap();
        let (code, said, stderr) = ask(&host, &["restore", "monday", "--yes", "--from-another-installation"]);
        assert!(code == 0 && said.contains("its tokens with it"), "{said}{stderr}");
        assert_eq!(ask(&host, &["profile", "list"]).0, 1, "{before} was of the store that is gone");
        host.stop();
        let host = Serving::start(at, &["--new-token", left.map_or("one", |_| "two"), "--print-token-to", "new"]);
        fs::rename(at.join("new"), at.join("token")).unwrap();
        assert!(ask(&host, &["profile", "list"]).1.contains("staff"));
        host.stop();
    }
    let (code, _, stderr) = output(gatehouse(at, &["serve", "--data", "data", "--start-empty"]));
    assert!(code == 1 && stderr.contains("move the file away first"), "{stderr}");
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

/// The CLI, as a client of this host.
fn asked(at: &Path, host: &Serving, args: &[&str]) -> (i32, String, String) {
    let mut command = gatehouse(at, args);
    command.args(["--token-file", "token"]).env("GATEHOUSE_SERVER", format!("http://{}", host.address));
    output(command)
}

#[test]
fn the_store_is_compacted_while_serving_and_the_trail_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let host = Serving::start(at, &["--print-token-to", "token"]);
    assert_eq!(asked(at, &host, &["profile", "create", "staff"]).0, 0);
    let (code, said, stderr) = asked(at, &host, &["compact", "--output", "json"]);
    assert_eq!(code, 0, "{stderr}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let length = fs::metadata(at.join("data/gatehouse.db")).unwrap().len();
    assert!(said["stored"].as_u64() < said["after"].as_u64() && said["after"].as_u64() <= Some(length), "{said}");
    assert!(asked(at, &host, &["profile", "list"]).1.contains("staff"));
    assert!(asked(at, &host, &["audit", "list"]).1.contains("store.compact"));
    // No space for a copy where its file cannot be made.
    fs::create_dir(at.join("data/gatehouse.db.compacting")).unwrap();
    let (code, _, stderr) = asked(at, &host, &["compact"]);
    assert!(code == 1 && stderr.contains("as it was"), "{stderr}");
    assert_eq!(asked(at, &host, &["profile", "create", "later"]).0, 0, "it goes on");
    assert_eq!(host.stop().0, Some(0));
    let host = Serving::start(at, &[]);
    assert!(asked(at, &host, &["profile", "list"]).1.contains("later"));
}

#[test]
fn a_backup_is_made_and_restored_while_serving_and_what_does_not_belong_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let host = Serving::start(at, &["--print-token-to", "token"]);
    let ask = |args: &[&str]| asked(at, &host, args);
    assert_eq!(ask(&["profile", "create", "staff"]).0, 0);
    let (code, said, stderr) = ask(&["backup", "monday"]);
    assert!(code == 0 && said.contains("Keep the master key"), "{said}{stderr}");
    let (code, _, stderr) = ask(&["backup", "monday"]);
    assert!(code == 1 && stderr.contains("never overwrites"), "{stderr}");
    assert_eq!(ask(&["profile", "create", "later"]).0, 0);

    let (code, _, stderr) = ask(&["restore", "monday"]);
    assert!(code == 1 && stderr.contains("--yes"), "{stderr}");
    let whole = fs::read(at.join("monday")).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    fs::write(at.join("altered"), altered).unwrap();
    fs::write(at.join("cut off"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at.join("diary"), "Dear diary").unwrap();
    let cases = [("altered", "is damaged"), ("cut off", "not whole"), ("diary", "is not a backup made by")];
    for (file, expected) in cases {
        let (code, _, stderr) = ask(&["restore", file, "--yes"]);
        assert!(code == 1 && stderr.contains("nothing was changed"), "{file}: {stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("transit"), "{file}: {stderr}");
    }
    assert!(ask(&["profile", "list"]).1.contains("later"), "nothing was touched");

    let (code, said, stderr) = ask(&["restore", "monday", "--yes"]);
    assert!(code == 0 && said.contains("Reconcile every app"), "{said}{stderr}");
    let (_, profiles, _) = ask(&["profile", "list"]);
    assert!(profiles.contains("staff") && !profiles.contains("later"), "{profiles}");
    assert!(ask(&["audit", "list"]).1.contains("store.restore"));
    assert_eq!(ask(&["profile", "create", "again"]).0, 0, "it goes on from there");
    assert_eq!(host.stop().0, Some(0));
    let host = Serving::start(at, &[]);
    let (_, profiles, _) = asked(at, &host, &["profile", "list"]);
    assert!(profiles.contains("again") && !profiles.contains("later"), "{profiles}");
    assert!(!fs::read_dir(at.join("data")).unwrap().any(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with("transit") || name.contains(".restoring")
    }));
}

/// What `/readyz` says, and with which status.
fn ready(host: &Serving) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.get(format!("http://{}/readyz", host.address)).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// How large the files of a process may become; none: as large as they like.
fn limit_files(pid: u32, bytes: Option<u64>) {
    let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    let limit = format!("--fsize={limit}:unlimited");
    assert!(Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]).status().unwrap().success());
}

#[test]
fn a_host_whose_disk_is_full_says_so_and_goes_on_by_itself_once_there_is_space() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let host = Serving::start(at, &["--print-token-to", "token"]);
    assert_eq!(asked(at, &host, &["profile", "create", "before"]).0, 0);
    limit_files(host.child.id(), Some(fs::metadata(at.join("data").join(STORE)).unwrap().len()));
    let mut refused = None;
    for no in 0..2000 {
        let (name, long) = (format!("p{no}"), "x".repeat(20_000));
        let (code, _, stderr) = asked(at, &host, &["profile", "create", &name, "--description", &long]);
        if code != 0 {
            refused = Some(stderr);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(refused.contains("no space is left for the store: free some"), "{refused}");
    let (status, checks) = ready(&host);
    assert!(status == 503 && checks.contains("the store takes no changes: see the log"), "{status} {checks}");
    assert!(asked(at, &host, &["profile", "list"]).1.contains("before"), "reading goes on");
    limit_files(host.child.id(), None);
    let since = std::time::Instant::now();
    loop {
        let (code, _, stderr) = asked(at, &host, &["profile", "create", "after"]);
        if code == 0 {
            break;
        }
        assert!(since.elapsed() < GENEROUS, "it does not go on: {stderr}");
    }
    let (_, profiles, _) = asked(at, &host, &["profile", "list"]);
    assert!(profiles.contains("before") && profiles.contains("after"), "{profiles}");
    assert_eq!(ready(&host).0, 200);
    assert_eq!(host.stop().0, Some(0), "the same process, to its orderly end");
}

#[test]
fn a_restore_without_space_changes_nothing_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let host = Serving::start(at, &["--print-token-to", "token"]);
    for no in 0..30 {
        let (name, long) = (format!("p{no}"), "x".repeat(60_000));
        assert_eq!(asked(at, &host, &["profile", "create", &name, "--description", &long]).0, 0);
    }
    assert_eq!(asked(at, &host, &["backup", "monday"]).0, 0);
    assert_eq!(asked(at, &host, &["profile", "create", "later"]).0, 0);
    let length = fs::metadata(at.join("monday")).unwrap().len();
    limit_files(host.child.id(), Some(length / 2));
    let (code, _, stderr) = asked(at, &host, &["restore", "monday", "--yes"]);
    let why = "no space for the backup on its way; nothing was changed";
    assert!(code == 1 && stderr.contains(why), "{stderr}");
    assert!(asked(at, &host, &["profile", "list"]).1.contains("later"));
    let left = fs::read_dir(at.join("data")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = left.filter(|name| name.starts_with("transit") || name.contains(".restoring")).collect();
    assert!(left.is_empty(), "{left:?}");
    limit_files(host.child.id(), None);
    let (code, _, stderr) = asked(at, &host, &["restore", "monday", "--yes"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!asked(at, &host, &["profile", "list"]).1.contains("later"));
}

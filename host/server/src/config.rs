//! How a host is to run: flags before environment before `gatehouse.toml`. It never holds a secret longer than it
//! takes to hand it on, and never prints one.

use crate::notify::Notifications;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use gatehouse_sandbox::Limits;
use gatehouse_store::MasterKey;
use serde::Deserialize;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The file that is read if it is there and no other is named.
const FILE: &str = "gatehouse.toml";

/// The master key that a host makes for itself, in the data directory.
pub(crate) const MASTER_KEY: &str = "master.key";

/// How to run a host. Each of these but the last two is also a key of the configuration file, with `_` for `-`; its
/// table `limits` has the limits of the sandbox (docs/limits.md).
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// A file of TOML with the keys below [default: gatehouse.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory for the store and what belongs to it [default: gatehouse-data]
    #[arg(long, value_name = "DIR", env = "GATEHOUSE_DATA", hide_env_values = true)]
    data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS", env = "GATEHOUSE_LISTEN", hide_env_values = true)]
    listen: Option<String>,
    /// A PEM file with the certificate chain to show: TLS instead of plain HTTP
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// A PEM file with its key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve plain HTTP also where others can listen in: something else protects the way to it
    #[arg(long)]
    plain_http: bool,
    /// A file with the master key, 64 hexadecimal digits (GATEHOUSE_MASTER_KEY holds the key itself); one is made
    /// in the data directory if none is given
    #[arg(long, value_name = "FILE", env = "GATEHOUSE_MASTER_KEY_FILE", hide_env_values = true)]
    master_key_file: Option<PathBuf>,
    /// Whether that file was typed, and so goes before a key in the environment
    #[arg(skip)]
    pub(crate) key_file_first: bool,
    /// A PEM file with a certificate authority that targets may be signed by, besides the system's (repeat for more)
    #[arg(long, value_name = "FILE")]
    target_ca: Vec<PathBuf>,
    /// Write the token of the first start to this file (readable by its owner alone) instead of printing it
    #[arg(long, value_name = "FILE")]
    print_token_to: Option<PathBuf>,
    /// How to write the log: `text`, or `json` with one object a line (GATEHOUSE_LOG says how much: `info`)
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    log_format: Option<LogFormat>,
    /// Where to send traces: the base URL of an OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    otlp_endpoint: Option<String>,
    /// Make a token of this name and hand it out as the first one was: all others are lost
    #[arg(long, value_name = "NAME")]
    new_token: Option<String>,
    /// Start without a store where there was one, under the same master key: a backup is to be restored into it
    #[arg(long)]
    start_empty: bool,
}

/// How to write the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    #[allow(missing_docs)] // the compiler's word for clap's: a text here would unfold every `--help`
    Text,
    #[allow(missing_docs)]
    Json,
}

/// The keys of the configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileKeys {
    data: Option<PathBuf>,
    listen: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    #[serde(default)]
    plain_http: bool,
    master_key_file: Option<PathBuf>,
    #[serde(default)]
    target_ca: Vec<PathBuf>,
    print_token_to: Option<PathBuf>,
    log_format: Option<LogFormat>,
    /// Limits of the sandbox that are not to be the usual ones.
    #[serde(default)]
    limits: Limits,
    otlp_endpoint: Option<String>,
    idempotency_hours: Option<u64>,
    store_cache_mib: Option<usize>,
    audit_days: Option<u64>,
    calls_per_minute: Option<u32>,
    failed_sign_ins_per_minute: Option<u64>,
    /// How people are told of approvals.
    notifications: Option<Notifications>,
}

/// How a host runs.
#[derive(Debug)]
pub struct ServeConfig {
    /// The directory for the store and what belongs to it.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate chain and key, both PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where the master key is, if not in the data directory.
    pub master_key_file: Option<PathBuf>,
    /// Whether that file goes before a key in the environment.
    key_file_first: bool,
    /// Certificate authorities for targets, besides the system's.
    pub target_ca: Vec<PathBuf>,
    /// Where the first token goes, if not to stdout.
    pub print_token_to: Option<PathBuf>,
    /// How to write the log.
    pub log_format: LogFormat,
    /// The limits of the sandbox: those of the file's table `limits`, and the usual ones besides.
    pub limits: Limits,
    /// The collector that traces go to, if there is one.
    pub otlp_endpoint: Option<String>,
    /// For how many hours answers to calls with an Idempotency-Key are remembered, if not for the usual ones.
    pub idempotency_hours: Option<u64>,
    /// How many calls a token may make in a minute, if not as many as usual; 0: as many as it likes.
    pub calls_per_minute: Option<u32>,
    /// How many attempts to sign in may fail of one client in a minute, if not as many as usual; 0: as many as it likes.
    pub failed_sign_ins_per_minute: Option<u64>,
    /// How much of the store is kept in memory, in MiB, if not as much as usual.
    pub store_cache_mib: Option<usize>,
    /// For how many days records of the audit trail are kept, if not for good.
    pub audit_days: Option<u64>,
    /// How people are told of approvals, if they are.
    pub notifications: Option<Notifications>,
    /// What to call the token that is handed out at this start, if it is not the first one.
    pub new_token: Option<String>,
    /// Whether the store is known to be gone.
    pub start_empty: bool,
}

impl ServeConfig {
    /// What the flags, the environment and the file come to.
    ///
    /// # Errors
    /// The file cannot be read or has an unknown key, a value makes no sense, or tokens would cross a network in the
    /// clear without consent.
    pub fn read(args: ServeArgs) -> Result<Self> {
        let file = file_keys(args.config.as_deref())?;
        let listen = args.listen.or(file.listen).unwrap_or_else(|| "127.0.0.1:7070".to_owned());
        let listen: SocketAddr = listen.parse().map_err(|_| {
            anyhow!("`{listen}` is no address to listen on: it takes an IP address and a port, such as 127.0.0.1:7070")
        })?;
        let tls = match (args.tls_cert.or(file.tls_cert), args.tls_key.or(file.tls_key)) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => bail!("TLS takes both a certificate and its key: tls_cert and tls_key"),
        };
        if tls.is_none() && !listen.ip().is_loopback() && !args.plain_http && !file.plain_http {
            bail!(
                "{listen} is not loopback, and without TLS tokens and personal data would cross the network in the \
                 clear; give a certificate (--tls-cert and --tls-key), or say --plain-http if something else protects \
                 the way to it"
            );
        }
        let target_ca = if args.target_ca.is_empty() { file.target_ca } else { args.target_ca };
        Ok(Self {
            data: args.data.or(file.data).unwrap_or_else(|| PathBuf::from("gatehouse-data")),
            listen,
            tls,
            key_file_first: args.key_file_first,
            master_key_file: args.master_key_file.or(file.master_key_file),
            target_ca,
            print_token_to: args.print_token_to.or(file.print_token_to),
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
            limits: file.limits,
            otlp_endpoint: args.otlp_endpoint.or(file.otlp_endpoint).filter(|endpoint| !endpoint.is_empty()),
            idempotency_hours: file.idempotency_hours,
            calls_per_minute: file.calls_per_minute,
            failed_sign_ins_per_minute: file.failed_sign_ins_per_minute,
            store_cache_mib: file.store_cache_mib,
            audit_days: file.audit_days,
            notifications: file.notifications,
            new_token: args.new_token,
            start_empty: args.start_empty,
        })
    }

    /// The master key: from the file named on the command line, the environment, the file named elsewhere, or the data
    /// directory, where one is made if there is none.
    ///
    /// # Errors
    /// It cannot be read, made, or is malformed.
    pub fn master_key(&self) -> Result<MasterKey> {
        if !self.key_file_first
            && let Ok(text) = std::env::var("GATEHOUSE_MASTER_KEY")
        {
            return parse_key(&text).context("GATEHOUSE_MASTER_KEY");
        }
        if let Some(file) = &self.master_key_file {
            let text = fs::read_to_string(file).with_context(|| format!("the master key file {}", file.display()))?;
            return parse_key(&text).with_context(|| format!("the master key file {}", file.display()));
        }
        let file = self.data.join(MASTER_KEY);
        match fs::read_to_string(&file) {
            Ok(text) => parse_key(&text).with_context(|| format!("the master key file {}", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(&file, &self.data),
            Err(error) => Err(error).with_context(|| format!("the master key file {}", file.display())),
        }
    }
}

fn file_keys(named: Option<&Path>) -> Result<FileKeys> {
    let path = named.unwrap_or(Path::new(FILE));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(FileKeys::default()),
        Err(error) => return Err(error).with_context(|| format!("the configuration {}", path.display())),
    };
    let keys: FileKeys = toml::from_str(&text).with_context(|| format!("the configuration {}", path.display()))?;
    keys.limits.check().with_context(|| format!("the configuration {}", path.display()))?;
    if keys.store_cache_mib == Some(0) || keys.idempotency_hours == Some(0) || keys.audit_days == Some(0) {
        bail!("the configuration {}: store_cache_mib, idempotency_hours and audit_days are at least 1", path.display());
    }
    Ok(keys)
}

/// The master key in a file.
///
/// # Errors
/// It cannot be read, or is malformed.
pub(crate) fn key_file(file: &Path) -> Result<MasterKey> {
    let named = || format!("the master key file {}", file.display());
    parse_key(&fs::read_to_string(file).with_context(named)?).with_context(named)
}

fn parse_key(text: &str) -> Result<MasterKey> {
    let bytes = hex::decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(MasterKey::new).context("a master key is 64 hexadecimal digits")
}

/// A new key, unless a store is there that must have had another one.
fn make_key(file: &Path, data: &Path) -> Result<MasterKey> {
    if data.join(crate::serve::STORE).exists() {
        bail!(
            "{} is missing, and without the key the store beside it was made with its credentials cannot be read; put \
             it back, or name it with --master-key-file",
            file.display()
        );
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no randomness to be had: {error}"))?;
    write_private(file, &format!("{}\n", hex::encode(bytes)))?;
    Ok(MasterKey::new(bytes))
}

/// Writes a new file that its owner alone can read.
///
/// # Errors
/// It cannot be written, or is there already.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(|| format!("{}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(listen: &str) -> ServeArgs {
        ServeArgs { listen: Some(listen.to_owned()), ..ServeArgs::default() }
    }

    #[test]
    fn plain_http_beyond_loopback_is_refused() {
        for listen in ["0.0.0.0:7070", "[::]:7070", "192.0.2.1:7070", "[::ffff:192.0.2.1]:7070"] {
            let refused = ServeConfig::read(at(listen)).unwrap_err().to_string();
            assert!(refused.contains("--tls-cert") && refused.contains("--plain-http"), "{refused}");
        }
    }

    #[test]
    fn plain_http_beyond_loopback_takes_consent_and_tls_or_loopback_take_none() {
        assert!(ServeConfig::read(ServeArgs { plain_http: true, ..at("0.0.0.0:7070") }).is_ok());
        let (tls_cert, tls_key) = (Some("cert.pem".into()), Some("key.pem".into()));
        assert!(ServeConfig::read(ServeArgs { tls_cert, tls_key, ..at("0.0.0.0:7070") }).is_ok());
        for listen in ["127.0.0.1:7070", "127.1.2.3:7070", "[::1]:7070"] {
            assert!(ServeConfig::read(at(listen)).is_ok(), "{listen}");
        }
    }

    #[test]
    fn limits_of_the_file_hold_and_those_it_leaves_out_are_as_usual() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("own.toml");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            ServeConfig::read(ServeArgs { config: Some(file.clone()), ..at("127.0.0.1:0") }).map(|config| config.limits)
        };
        let usual = Limits::default();
        let limits = read("[limits]\nrequests = 7").unwrap();
        assert_eq!((limits.requests, limits.cpu_ms), (7, usual.cpu_ms));
        assert_eq!(read("").unwrap(), usual);
        for (text, says) in [
            ("[limits]\nrequests = 0", "`requests`"),
            ("[limits]\nfoo = 1", "foo"),
            ("[limits]\nrequests = -1", "requests"),
        ] {
            let refused = format!("{:#}", read(text).unwrap_err());
            assert!(refused.contains(says), "{refused}");
        }
    }

    #[test]
    fn the_file_says_how_long_answers_are_remembered_and_how_much_of_the_store_is_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("own.toml");
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            ServeConfig::read(ServeArgs { config: Some(file.clone()), ..at("127.0.0.1:0") })
        };
        let config = read("idempotency_hours = 1\nstore_cache_mib = 8\naudit_days = 400").unwrap();
        assert_eq!((config.idempotency_hours, config.store_cache_mib), (Some(1), Some(8)));
        assert_eq!((config.audit_days, read("").unwrap().audit_days), (Some(400), None));
        for text in ["idempotency_hours = 0", "store_cache_mib = 0", "audit_days = 0"] {
            assert!(read(text).unwrap_err().to_string().contains("at least 1"), "{text}");
        }
    }

    #[test]
    fn the_file_can_consent_to_plain_http() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("own.toml");
        for (text, taken) in [("plain_http = true", true), ("plain_http = false", false)] {
            fs::write(&file, text).unwrap();
            let args = ServeArgs { config: Some(file.clone()), ..at("0.0.0.0:7070") };
            assert_eq!(ServeConfig::read(args).is_ok(), taken, "{text}");
        }
    }
}

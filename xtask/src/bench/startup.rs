//! How long the real binary takes from its start until it is ready, and until every connector has been called once:
//! with one connector and with fifty, from an empty cache of machine code and from a full one.

use super::build::Built;
use super::report::{Row, Section, Table};
use super::stats::Series;
use super::target::Target;
use super::{Length, progress};
use anyhow::{Context as _, Result, bail};
use gatehouse_tests::{Http, Running, free_port};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a start may take at most.
const PATIENCE: Duration = Duration::from_secs(120);

/// A data directory with so many connectors, each with an app.
struct Installation<'a> {
    built: &'a Built,
    directory: PathBuf,
    token: String,
    connectors: usize,
}

/// A running host, and how long it took to be ready.
struct Started {
    process: Running,
    url: String,
    ready: f64,
}

/// Measures.
pub fn measure(built: &Built, length: Length, directory: &Path) -> Result<Section> {
    let target = Target::start(built, directory, 1)?;
    let place = tempfile::Builder::new().prefix("startup-").tempdir_in(directory).context("a directory")?;
    let installations = length.connectors.map(|connectors| Installation::new(built, place.path(), connectors, &target));
    let mut found: BTreeMap<(usize, &'static str, &'static str), Series> = BTreeMap::new();
    for installation in installations {
        let installation = installation?;
        for round in 1..=length.starts {
            for (cache, cold) in [("from cache", false), ("cold", true)] {
                progress(&format!(
                    "{} connectors, {cache}: start {round} of {}",
                    installation.connectors, length.starts
                ));
                let (ready, called) = installation.measured(cold)?;
                let mut add = |what, ms| found.entry((installation.connectors, cache, what)).or_default().push(ms);
                add("ready", ready);
                add("each called once", called);
            }
        }
    }
    let rows = found.into_iter().map(|((connectors, cache, what), values)| {
        let plural = if connectors == 1 { "" } else { "s" };
        Row::new(format!("{connectors} connector{plural}, {cache}: {what}"), values)
    });
    Ok(Section {
        name: "startup",
        title: "`gatehouse serve` from its start until /readyz says so, and until each connector has been called"
            .to_owned(),
        tables: vec![Table { title: "ms".to_owned(), rows: rows.collect(), compared: false }],
        notes: vec![
            "connectors are copies of scim.wasm, built for size, that differ in their version; a call is `app probe` against a local \
             target, one after the other"
                .to_owned(),
        ],
    })
}

impl<'a> Installation<'a> {
    fn new(built: &'a Built, place: &Path, connectors: usize, target: &Target) -> Result<Self> {
        let directory = place.join(format!("with-{connectors}"));
        fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        let mut made = Self { built, directory, token: String::new(), connectors };
        let host = made.start()?;
        made.token = fs::read_to_string(made.directory.join("token")).context("the first token")?.trim().to_owned();
        made.fill(&host, target)?;
        host.process.terminate()?;
        Ok(made)
    }

    fn fill(&self, host: &Started, target: &Target) -> Result<()> {
        let origin = target.base_url().split('/').take(3).collect::<Vec<_>>().join("/");
        let component = fs::read(self.built.scim_for_size()).context("scim.wasm")?;
        fs::write(self.directory.join("secret"), target.token()).context("the secret")?;
        self.cli(
            host,
            &["credential", "set", "token", "--origin", &origin, "--scheme", "bearer", "--secret-file", "secret"],
        )?;
        let http = Http::new(&host.url, Some(&self.token), "application/json");
        for number in 0..self.connectors {
            progress(&format!("installing connector {} of {}", number + 1, self.connectors));
            let file = format!("variant-{number}.wasm");
            fs::write(self.directory.join(&file), variant(&component, number)?).with_context(|| file.clone())?;
            let installed = self.cli(host, &["connector", "install", &file, "--allow-unsigned", "--output", "json"])?;
            let installed: serde_json::Value = serde_json::from_str(&installed).context("the installed connector")?;
            let digest = installed["digest"].as_str().context("the connector's digest")?;
            let app = json!({
                "name": format!("app-{number}"),
                "connector": digest,
                "settings": {"base_url": target.base_url()},
                "credentials": {"token": "token"},
                "private_origins": [origin],
            });
            http.post("/api/v1/apps", &app)?.expect_status(201)?;
        }
        Ok(())
    }

    fn cli(&self, host: &Started, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.built.binary("gatehouse"));
        command.args(arguments).current_dir(&self.directory);
        command.env("GATEHOUSE_SERVER", &host.url).env("GATEHOUSE_TOKEN", &self.token);
        crate::step::read(&mut command)
    }

    /// Milliseconds to ready, and from there until each connector has been called.
    fn measured(&self, cold: bool) -> Result<(f64, f64)> {
        if cold {
            fs::remove_dir_all(self.directory.join("data/compiled")).context("the cache")?;
        }
        let host = self.start()?;
        let http = Http::new(&host.url, Some(&self.token), "application/json");
        let start = Instant::now();
        for number in 0..self.connectors {
            let report = http.post(&format!("/api/v1/apps/app-{number}/probe"), &json!({}))?.expect_status(200)?;
            if report["ok"] == false {
                bail!("the probe of app-{number} failed: {report}");
            }
        }
        let called = milliseconds(start);
        host.process.terminate()?;
        Ok((host.ready, called))
    }

    fn start(&self) -> Result<Started> {
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(self.built.binary("gatehouse"));
        command.arg("serve").arg("--data").arg(self.directory.join("data"));
        command.args(["--listen", &format!("127.0.0.1:{port}")]).current_dir(&self.directory);
        if self.token.is_empty() {
            command.arg("--print-token-to").arg(self.directory.join("token"));
        }
        let http = Http::new(&url, None, "application/json");
        let start = Instant::now();
        let process = Running::start("gatehouse serve", command, &self.directory.join("log"))?;
        while !http.get("/readyz").is_ok_and(|answer| answer.status == 200) {
            if start.elapsed() > PATIENCE {
                bail!("gatehouse does not get ready:\n{}", process.log());
            }
            // `until` looks every 25 ms, which is longer than what is measured.
            #[allow(
                clippy::disallowed_methods,
                reason = "what is waited for takes some milliseconds, and is measured"
            )]
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(Started { process, url, ready: milliseconds(start) })
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// The same component under a version of its own, since a host installs each version once: the first and the last
/// digit of the version, which stands behind the name among the component's texts, are made of the number.
fn variant(component: &[u8], number: usize) -> Result<Vec<u8>> {
    let name = b"scim";
    let version = |at: &usize| {
        let rest = &component[at + name.len()..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let is_version = rest[..length].iter().filter(|byte| **byte == b'.').count() == 2;
        is_version.then_some((at + name.len(), at + name.len() + length - 1))
    };
    let named = component.windows(name.len()).enumerate().filter(|(_, bytes)| bytes == name).map(|(at, _)| at);
    let found: Vec<_> = named.filter_map(|at| version(&at)).collect();
    let [(first, last)] = found[..] else { bail!("the version of scim.wasm stands in it {} times", found.len()) };
    let digit = |digit: usize| u8::try_from(digit).ok().filter(|digit| *digit < 10).map(|digit| b'0' + digit);
    let mut bytes = component.to_vec();
    // The first digit is not nought: where there are several, a version does not begin with one.
    bytes[first] = digit(1 + number / 10).context("too many variants")?;
    bytes[last] = digit(number % 10).context("a digit")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn variants_differ_from_the_component_by_their_version() {
        let component = b"scim/types@0.1.0 scim0.1.0Users scim";
        assert_eq!(variant(component, 42).unwrap(), b"scim/types@0.1.0 scim5.1.2Users scim");
        variant(component, 90).unwrap_err();
        variant(b"scim0.1.0 and scim0.1.0", 1).unwrap_err();
        variant(b"scim", 1).unwrap_err();
    }
}

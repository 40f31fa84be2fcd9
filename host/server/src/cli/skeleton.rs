//! `gatehouse connector new`: writes what a connector's author starts from, with the SDK that belongs to this binary.

use super::render::{Output, line};
use anyhow::{Context, Result, bail};
use include_dir::{Dir, DirEntry, include_dir};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/template");
static RUST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/rust");
static SCHEMA: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/schema");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// Where the SDK's parts go, below the skeleton: laid out as they are to one another here.
const SDK: [(&str, &Dir<'_>); 3] =
    [("gatehouse-sdk/sdk/rust", &RUST), ("gatehouse-sdk/sdk/schema", &SCHEMA), ("gatehouse-sdk/wit", &WIT)];

/// What stands in the template for the name.
const NAME: &str = "{{name}}";

/// Ends the names of template files that would mean something to tools in this repository.
const SUFFIX: &str = ".in";

pub(super) fn write(name: &str, path: Option<PathBuf>, out: Output) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || name.len() > 64 {
        bail!("`{name}` is no name for a connector: a small letter, then small letters, digits and `-`, 64 at most");
    }
    let path = path.unwrap_or_else(|| PathBuf::from(name));
    let taken = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some());
    if taken || path.is_file() {
        bail!("{} is there already, and not empty; choose another place with --path", path.display());
    }
    put(&TEMPLATE, &path, Some(name))?;
    for (place, part) in SDK {
        put(part, &path.join(place), None)?;
    }
    out.show(&json!({"name": name, "path": path}), |_| {
        let shown = path.display();
        line(&format!("Wrote the connector {name} to {shown}. Next:\n"));
        line(&format!("  cd {shown}"));
        line("  cargo test");
        line("  cargo build --release --target wasm32-wasip2");
        line("  gatehouse connector check target/wasm32-wasip2/release/connector.wasm");
    });
    Ok(())
}

/// Writes a directory; with a name, as the template that it is.
fn put(directory: &Dir<'_>, to: &Path, name: Option<&str>) -> Result<()> {
    let failed = |path: &Path| format!("{} cannot be written", path.display());
    fs::create_dir_all(to).with_context(|| failed(to))?;
    for entry in directory.entries() {
        let last = entry.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        match entry {
            // The SDK's own tests check it against this repository, which the author does not have.
            DirEntry::Dir(_) if name.is_none() && last == "tests" => {}
            DirEntry::Dir(inner) => put(inner, &to.join(last), name)?,
            DirEntry::File(file) => {
                let target = to.join(name.and_then(|_| last.strip_suffix(SUFFIX)).unwrap_or(&last));
                let written = match (name, file.contents_utf8()) {
                    (Some(name), Some(text)) => fs::write(&target, text.replace(NAME, name)),
                    _ => fs::write(&target, file.contents()),
                };
                written.with_context(|| failed(&target))?;
            }
        }
    }
    Ok(())
}

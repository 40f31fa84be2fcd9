//! Rules about what the sources may say and where. Plain text is searched, comments included: what is not named
//! cannot be leant on. Words that this file itself must name are put together from pieces.

use super::Check;
use std::collections::BTreeSet;

/// Words that may not be in some folders' Rust sources and manifests.
struct Words {
    rule: &'static str,
    words: &'static [&'static str],
    /// Folders, each with a `/` at its end.
    inside: &'static [&'static str],
    /// Folders or files.
    except: &'static [&'static str],
}

const WORDS: &[Words] = &[
    Words {
        rule: "the domain names no runtime, no I/O and no clock",
        words: &[
            "wasmtime",
            "redb",
            "tokio",
            "std::fs",
            "std::net",
            "std::process",
            "SystemTime::now",
            "Instant::now",
            "Timestamp::now",
            "Zoned::now",
        ],
        inside: &["host/core/", "sdk/schema/"],
        except: &[],
    },
    Words {
        rule: "the engine reads the time from its Clock alone, and names no file and no socket",
        words: &["std::fs", "std::net", "SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"],
        inside: &["host/engine/src/"],
        except: &["host/engine/src/clock.rs"],
    },
    Words {
        rule: "only the sandbox names wasmtime",
        words: &["wasmtime"],
        inside: &["host/", "sdk/", "plugins/"],
        except: &["host/sandbox/"],
    },
    Words {
        rule: "only the store names redb",
        words: &["redb"],
        inside: &["host/", "sdk/", "plugins/"],
        except: &["host/store/"],
    },
    Words {
        rule: "nothing is unfinished, and no test is ignored",
        words: &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!("), concat!("#[", "ignore")],
        inside: &[""],
        except: &[],
    },
];

/// Hosts of package registries: packages are named, never where they come from.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io/"),
    concat!("pypi", ".org"),
    concat!("files.python", "hosted"),
    concat!("registry.npm", "js"),
    concat!("deb.deb", "ian.org"),
];

/// Ways to give up without a word, outside tests.
const PANICS: &[&str] = &[concat!(".unw", "rap()"), concat!(".exp", "ect(\"")];

/// Checks all of them on `files` (path and text). `foreign_paths` are paths of this machine.
pub fn check(files: &[(String, String)], foreign_paths: &[String]) -> Vec<Check> {
    let words = WORDS.iter().map(|rule| words(rule, files));
    let texts: Vec<&(String, String)> = files.iter().filter(|(path, _)| path != "Cargo.lock").collect();
    let tests: BTreeSet<String> = files.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let mut checks: Vec<Check> = words.collect();
    checks.push(Check {
        rule: "nothing outside tests unwraps".to_owned(),
        violations: files
            .iter()
            .filter(|(path, _)| !tests.contains(path))
            .flat_map(|(p, text)| panics(p, text))
            .collect(),
    });
    checks.push(Check {
        rule: "no file names a path of this machine".to_owned(),
        violations: found(&texts, |line| foreign_paths.iter().any(|path| line.contains(path.as_str()))),
    });
    checks.push(Check {
        rule: "no file names the host of a package registry".to_owned(),
        violations: found(&texts, |line| REGISTRIES.iter().any(|host| line.contains(host))),
    });
    checks
}

fn words(rule: &Words, files: &[(String, String)]) -> Check {
    let below = |path: &str, folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    let concerned = |path: &str| {
        let source = is_rust(path) || path.ends_with("Cargo.toml");
        source && below(path, rule.inside) && !below(path, rule.except)
    };
    let files: Vec<_> = files.iter().filter(|(path, _)| concerned(path)).collect();
    let violations = found(&files, |line| rule.words.iter().any(|word| has_word(line, word)));
    Check { rule: rule.rule.to_owned(), violations }
}

/// `path:line: text` of each line that is `bad`.
fn found(files: &[&(String, String)], bad: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = files.iter().flat_map(|(path, text)| text.lines().enumerate().map(move |(at, line)| (path, at, line)));
    lines.filter(|(_, _, line)| bad(line)).map(|(path, at, line)| place(path, at, line)).collect()
}

fn place(path: &str, at: usize, line: &str) -> String {
    format!("{path}:{}: {}", at + 1, line.trim())
}

/// Whether a word that begins with `word` is in the line: `wasmtime` is in `wasmtime_wasi`, `redb` not in `scaredb`.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(part_of_word) || !word.starts_with(part_of_word))
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

/// Unwraps in Rust sources that are no tests: neither files of tests nor modules inside a file that are.
fn panics(path: &str, text: &str) -> Vec<String> {
    let test_file = path.ends_with("tests.rs") || path.contains("/tests/") || is_scenario(path);
    if !is_rust(path) || test_file {
        return Vec::new();
    }
    let code = text.lines().enumerate().take_while(|(at, _)| !starts_test_module(text, *at));
    let bad = code.filter(|(_, line)| {
        let line = line.trim_start();
        !line.starts_with("//") && PANICS.iter().any(|panic| line.contains(panic))
    });
    bad.map(|(at, line)| place(path, at, line)).collect()
}

/// Where the modules lie that this file has for tests alone: `#[cfg(test)]`, then `mod name;`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = match file.strip_suffix(".rs") {
        None => return Vec::new(),
        Some("lib" | "main" | "mod") => folder.to_owned(),
        Some(stem) => format!("{folder}/{stem}"),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let names = lines.windows(2).filter(|pair| is_for_tests(pair[0])).filter_map(|pair| {
        let declared = pair[1].trim_start_matches("pub(crate) ");
        declared.strip_prefix("mod ")?.strip_suffix(';')
    });
    names.flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]).collect()
}

/// For tests alone, on every system or on some.
fn is_for_tests(attribute: &str) -> bool {
    attribute == "#[cfg(test)]" || attribute.starts_with("#[cfg(all(test, ")
}

/// The scenario tests are a package of their own, whose sources are the harness.
fn is_scenario(path: &str) -> bool {
    path.starts_with("tests/") && !path.starts_with("tests/src/")
}

/// Whether line `at` is the `#[cfg(test)]` of a module in place, which by custom ends the file.
fn starts_test_module(text: &str, at: usize) -> bool {
    let mut rest = text.lines().skip(at);
    rest.next().is_some_and(|line| is_for_tests(line.trim()))
        && rest.find(|line| !line.trim_start().starts_with("#[")).is_some_and(|line| line.trim_end().ends_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that this one file breaks.
    fn broken(path: &str, text: &str) -> Vec<String> {
        let files = [(path.to_owned(), text.to_owned())];
        let checks = check(&files, &["/somewhere/".to_owned()]);
        checks.into_iter().filter(|check| !check.violations.is_empty()).map(|check| check.rule).collect()
    }

    fn allowed(path: &str, text: &str) {
        let broken = broken(path, text);
        assert!(broken.is_empty(), "{path}: {text}: {broken:?}");
    }

    #[test]
    fn the_domain_may_not_read_the_clock_and_the_server_may() {
        let text = "let now = Timestamp::now();";
        assert_eq!(broken("host/core/src/a.rs", text), ["the domain names no runtime, no I/O and no clock"]);
        assert_eq!(broken("host/engine/src/a.rs", text).len(), 1);
        allowed("host/engine/src/clock.rs", text);
        allowed("host/server/src/clock.rs", text);
    }

    #[test]
    fn only_the_owner_names_the_engine_and_the_database() {
        assert_eq!(broken("host/server/src/a.rs", "use wasmtime_wasi::p2;"), ["only the sandbox names wasmtime"]);
        assert_eq!(broken("host/server/Cargo.toml", "redb.workspace = true"), ["only the store names redb"]);
        allowed("host/sandbox/src/a.rs", "use wasmtime_wasi::p2;");
        allowed("host/store/Cargo.toml", "redb.workspace = true");
        allowed("host/server/src/a.rs", "// scaredb");
        allowed("Cargo.toml", "redb = \"4\"");
    }

    #[test]
    fn what_is_unfinished_is_found_anywhere() {
        for text in [concat!("todo", "!()"), concat!("#[", "ignore]"), concat!("let a = dbg", "!(b);")] {
            assert_eq!(broken("xtask/src/a.rs", text), ["nothing is unfinished, and no test is ignored"], "{text}");
        }
    }

    #[test]
    fn unwrapping_is_for_tests() {
        let code = format!("fn a() {{\n    b(){};\n}}\n", PANICS[0]);
        assert_eq!(broken("host/store/src/a.rs", &code), ["nothing outside tests unwraps"]);
        assert_eq!(broken("host/store/src/a.rs", &format!("#[cfg(test)]\nmod tests;\n{code}")).len(), 1);
        allowed("host/store/src/a.rs", &format!("#[cfg(test)]\nmod tests {{\n{code}}}"));
        allowed("host/store/src/a.rs", &format!("#[cfg(all(test, unix))]\nmod tests {{\n{code}}}"));
        assert_eq!(broken("host/store/src/a.rs", &format!("#[cfg(any(test, unix))]\nmod a {{\n{code}}}")).len(), 1);
        allowed("host/store/src/a/tests.rs", &code);
        allowed("host/store/src/a_tests.rs", &code);
        allowed("host/store/tests/crash.rs", &code);
        allowed("tests/tests/scenario.rs", &code);
        assert_eq!(broken("tests/src/harness.rs", &code).len(), 1);
    }

    #[test]
    fn a_module_that_is_there_for_tests_alone_is_a_test_wherever_it_lies() {
        let of = |path| test_modules(path, "#[cfg(test)]\nmod properties;\nmod real;\n");
        assert_eq!(of("host/core/src/a.rs"), ["host/core/src/a/properties.rs", "host/core/src/a/properties/mod.rs"]);
        assert_eq!(of("host/core/src/lib.rs")[0], "host/core/src/properties.rs");
        assert!(test_modules("a.rs", "#[cfg(test)]\nmod tests {\n").is_empty());
        let unwraps = format!("b{}", PANICS[0]);
        let files = [("x/lib.rs", "#[cfg(test)]\nmod a;"), ("x/a.rs", &unwraps), ("x/b.rs", &unwraps)];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        let found: Vec<_> = check(&files, &[]).into_iter().flat_map(|check| check.violations).collect();
        assert_eq!(found, [format!("x/b.rs:1: {unwraps}")]);
    }

    #[test]
    fn paths_of_this_machine_and_registry_hosts_belong_in_no_file() {
        assert_eq!(broken("README.md", "see /somewhere/else"), ["no file names a path of this machine"]);
        assert_eq!(broken("a.toml", REGISTRIES[0]), ["no file names the host of a package registry"]);
        allowed("Cargo.lock", REGISTRIES[0]);
    }
}

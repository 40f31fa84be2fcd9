//! Skipping a test for want of something outside the repository, so that nobody overlooks it.

use crate::artifacts::SKIPS_VARIABLE;
use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Reports that the test `name` is skipped, and why; the test then returns. The report goes to the file that
/// `GATEHOUSE_SKIPS` names, one line a test.
///
/// # Panics
/// With `CI=true` nothing may be skipped; nor may a skip go unreported where a file is named for it.
pub fn skip(name: &str, why: &str) {
    report(name, why, env::var("CI").is_ok_and(|ci| ci == "true"), env::var_os(SKIPS_VARIABLE).as_deref());
}

fn report(name: &str, why: &str, ci: bool, file: Option<&std::ffi::OsStr>) {
    assert!(!ci, "{name} would be skipped, and nothing may be with CI=true: {why}");
    let Some(file) = file else { return };
    let line = format!("{name}: {}\n", why.replace('\n', " "));
    // One write, so that tests of one binary that skip at the same time do not mix their lines.
    let written =
        OpenOptions::new().create(true).append(true).open(file).and_then(|mut f| f.write_all(line.as_bytes()));
    assert!(written.is_ok(), "{name} is skipped ({why}), which cannot be reported: {written:?}");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_skip_is_a_line_with_its_reason() {
        let file = tempfile::NamedTempFile::new().unwrap();
        report("a", "no server\nhere", false, Some(file.path().as_os_str()));
        report("b", "none", false, Some(file.path().as_os_str()));
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "a: no server here\nb: none\n");
    }

    #[test]
    #[should_panic(expected = "nothing may be with CI=true")]
    fn nothing_is_skipped_in_ci() {
        report("a", "no server", true, None);
    }
}

//! Machine code on disk, one file for each component and kind of engine. Every file carries a MAC over what it is for
//! and what is in it: a file that was changed, swapped or renamed is as good as none. It never runs anything.

use gatehouse_core::Digest;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Length of the MAC (HMAC-SHA256, RFC 2104), which stands before the code.
const MAC_BYTES: usize = 32;
/// How the names of files begin that are not whole yet.
const HALF_WRITTEN: &str = ".tmp";

/// The directory of compiled components.
pub(super) struct Cache {
    directory: PathBuf,
    key: SecretBox<[u8; 32]>,
    compatibility: u64,
}

impl Cache {
    pub(super) fn open(directory: PathBuf, key: SecretBox<[u8; 32]>, compatibility: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        sweep(&directory)?;
        Ok(Self { directory, key, compatibility })
    }

    /// The code of a component, if it is there and untouched.
    pub(super) fn get(&self, digest: Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let mut file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cached code cannot be read; compiling anew");
                return None;
            }
        };
        let genuine = file.split_at_checked(MAC_BYTES).is_some_and(|(mac, code)| {
            self.mac(digest, code).is_some_and(|expected| expected.verify_slice(mac).is_ok())
        });
        if !genuine {
            tracing::error!(path = %path.display(), "cached code was tampered with, or its key was changed; compiling anew");
            return None;
        }
        file.drain(..MAC_BYTES);
        Some(file)
    }

    /// Keeps the code of a component: whole or not at all.
    pub(super) fn put(&self, digest: Digest, code: &[u8]) -> io::Result<()> {
        let mac = self.mac(digest, code).ok_or_else(|| io::Error::other("the key does not fit"))?;
        let mut file = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(&self.directory)?;
        file.write_all(&mac.finalize().into_bytes())?;
        file.write_all(code)?;
        file.persist(self.path(digest)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes the code of a component, for whatever engine.
    pub(super) fn remove(&self, digest: Digest) -> io::Result<()> {
        let prefix = format!("{digest}-");
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(format!("{digest}-{:016x}.cwasm", self.compatibility))
    }

    fn mac(&self, digest: Digest, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret()).ok()?;
        mac.update(b"gatehouse compiled component 2");
        mac.update(&digest.0);
        mac.update(&self.compatibility.to_be_bytes());
        mac.update(code);
        Some(mac)
    }
}

/// Removes files that a host which was killed has left half written. No two hosts share a directory.
fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(HALF_WRITTEN) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cache(directory: &tempfile::TempDir, key: u8, compatibility: u64) -> Cache {
        Cache::open(directory.path().join("code"), SecretBox::new(Box::new([key; 32])), compatibility).unwrap()
    }

    #[test]
    fn what_was_put_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        assert_eq!(cache(&directory, 1, 1).get(digest), None);
        cache(&directory, 1, 1).put(digest, b"code").unwrap();
        assert_eq!(cache(&directory, 1, 1).get(digest), Some(b"code".to_vec()));
    }

    #[test]
    fn what_was_removed_is_gone_for_every_engine_and_the_rest_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let (old, new) = (cache(&directory, 1, 1), cache(&directory, 1, 2));
        old.put(one, b"code").unwrap();
        new.put(one, b"code").unwrap();
        new.put(other, b"code").unwrap();
        new.remove(one).unwrap();
        assert_eq!((old.get(one), new.get(one), new.get(other)), (None, None, Some(b"code".to_vec())));
    }

    #[test]
    fn what_a_killed_host_left_half_written_is_swept_up_at_the_next_start() {
        let directory = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        cache(&directory, 1, 1).put(digest, b"code").unwrap();
        let left = directory.path().join("code/.tmpAbCdEf");
        fs::write(&left, b"half").unwrap();
        assert!(cache(&directory, 1, 1).get(digest).is_some() && !left.exists());
    }

    #[test]
    fn one_changed_bit_anywhere_makes_it_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"component");
        let cache = cache(&directory, 1, 1);
        cache.put(digest, b"code").unwrap();
        let genuine = fs::read(cache.path(digest)).unwrap();
        for at in 0..genuine.len() {
            let mut changed = genuine.clone();
            changed[at] ^= 1;
            fs::write(cache.path(digest), changed).unwrap();
            assert_eq!(cache.get(digest), None, "byte {at}");
        }
        fs::write(cache.path(digest), &genuine[..10]).unwrap();
        assert_eq!(cache.get(digest), None);
    }

    #[test]
    fn code_of_another_component_engine_or_key_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let first = cache(&directory, 1, 1);
        first.put(one, b"code").unwrap();
        fs::copy(first.path(one), first.path(other)).unwrap();
        assert_eq!(first.get(other), None);
        let newer = cache(&directory, 1, 2);
        fs::copy(first.path(one), newer.path(one)).unwrap();
        assert_eq!(newer.get(one), None);
        assert_eq!(cache(&directory, 2, 1).get(one), None);
        assert_eq!(first.get(one), Some(b"code".to_vec()));
    }
}

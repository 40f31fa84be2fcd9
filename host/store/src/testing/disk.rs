//! A disk in memory that stops, refuses or lies on demand: what a store must live with. It keeps apart what was synced
//! and what was only written, so that a power cut can lose, keep or tear every write since the last sync.

use redb::StorageBackend;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a power cut writes as a whole or not at all.
const SECTOR: usize = 512;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What a sync has made durable.
    durable: Vec<u8>,
    /// What whoever reads is shown.
    shown: Vec<u8>,
    /// Since the last sync.
    pending: Vec<Change>,
    points: Points,
    trouble: Option<Trouble>,
    stopped: bool,
    /// Where a copy of the file is written to.
    second: Option<Disk>,
}

// The bytes would fill a terminal.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, {:?}, {:?}", self.shown.len(), self.points, self.trouble)
    }
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

/// How often a disk was asked to change something. The places where it can fail, counted from 1 over all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    /// Bytes to write.
    pub writes: u64,
    /// What was written to be made durable.
    pub syncs: u64,
    /// The file to be made longer or shorter.
    pub lengths: u64,
}

impl Points {
    /// All of them.
    pub fn all(self) -> u64 {
        self.writes + self.syncs + self.lengths
    }
}

/// What goes wrong, and where.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The machine stops at this point: nothing is done any more.
    StopsAt(u64),
    /// The machine stops at this sync.
    StopsAtSync(u64),
    /// This one point fails, with this error.
    FailsAt(u64, ErrorKind),
    /// Everything but reading fails from this point on, until [`Disk::is_well_again`].
    FailsFrom(u64, ErrorKind),
    /// Nothing can be read either.
    FailsToRead,
}

/// What a crash leaves of the changes since the last sync.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// All of them: the process was killed, and the system wrote them out.
    Nothing,
    /// None of them: the power went, and nothing of them had been written.
    Everything,
    /// Each by chance: kept, lost, or torn at a sector.
    Some(u64),
}

impl Disk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with this on it.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { durable: bytes.clone(), shown: bytes, ..State::default() })))
    }

    /// A second file on it, for copies; it fails on its own.
    pub fn second(&self) -> Self {
        self.state().second.get_or_insert_default().clone()
    }

    /// With nothing on it any more. What goes wrong with it, still does.
    pub(crate) fn emptied(&self) -> &Self {
        let mut state = self.state();
        (state.durable, state.shown, state.pending) = (Vec::new(), Vec::new(), Vec::new());
        drop(state);
        self
    }

    /// Puts the second file in the place of the first, as a rename does: at once, and durably.
    pub(crate) fn take_second(&self) -> io::Result<()> {
        self.change(None)?;
        let second = self.second();
        let second = second.state();
        let mut state = self.state();
        (state.durable, state.shown) = (second.durable.clone(), second.shown.clone());
        state.pending.clone_from(&second.pending);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it fail. Points are counted from when the disk was made.
    pub fn fails(&self, trouble: Trouble) {
        self.state().trouble = Some(trouble);
    }

    /// Ends the trouble.
    pub fn is_well_again(&self) {
        self.state().trouble = None;
    }

    /// How much has been asked of it.
    pub fn points(&self) -> Points {
        self.state().points
    }

    /// Whether the machine has stopped.
    pub fn has_stopped(&self) -> bool {
        self.state().stopped
    }

    /// What whoever reads is shown.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().shown.clone()
    }

    /// The disk as the next start finds it.
    pub fn after(&self, loss: Loss) -> Self {
        let state = self.state();
        let mut bytes = state.durable.clone();
        match loss {
            Loss::Nothing => bytes.clone_from(&state.shown),
            Loss::Everything => {}
            Loss::Some(seed) => {
                let mut chance = Chance(seed | 1);
                for change in &state.pending {
                    match (change, chance.of(4)) {
                        (_, 0) => {}
                        (Change::Write(at, data), 1) => {
                            let sectors = data.len().div_ceil(SECTOR) as u64;
                            let kept = usize::try_from(chance.of(sectors + 1)).unwrap_or(0) * SECTOR;
                            apply(&mut bytes, &Change::Write(*at, data[..kept.min(data.len())].to_vec()));
                        }
                        (change, _) => apply(&mut bytes, change),
                    }
                }
            }
        }
        Self::of(bytes)
    }

    pub(crate) fn backend(&self) -> impl StorageBackend + use<> {
        Backend(self.clone())
    }

    /// See the store's own recovery: what a failed sync has lost becomes durable after all.
    pub(crate) fn write_anew(&self) -> io::Result<()> {
        self.change(None)?;
        let mut state = self.state();
        state.durable = state.shown.clone();
        Ok(())
    }

    /// One change, or (none) a sync.
    fn change(&self, change: Option<Change>) -> io::Result<()> {
        let mut state = self.state();
        let state = &mut *state;
        match &change {
            Some(Change::Write(..)) => state.points.writes += 1,
            Some(Change::Length(_)) => state.points.lengths += 1,
            None => state.points.syncs += 1,
        }
        let (point, sync) = (state.points.all(), change.is_none().then_some(state.points.syncs));
        let fails = match state.trouble {
            Some(Trouble::StopsAt(at)) if at == point => stop(state),
            Some(Trouble::StopsAtSync(at)) if Some(at) == sync => stop(state),
            Some(Trouble::FailsAt(at, kind)) if at == point => Err(kind.into()),
            Some(Trouble::FailsFrom(from, kind)) if point >= from => Err(kind.into()),
            _ if state.stopped => stop(state),
            _ => Ok(()),
        };
        match (change, fails) {
            (Some(change), Ok(())) => {
                apply(&mut state.shown, &change);
                state.pending.push(change);
            }
            (None, Ok(())) => state.pending.drain(..).for_each(|change| apply(&mut state.durable, &change)),
            // It was under way: a power cut may have written some of it.
            (Some(change), Err(error)) => {
                if state.stopped {
                    state.pending.push(change);
                }
                return Err(error);
            }
            (None, Err(error)) => {
                // The system forgets that it never wrote these, and goes on showing them.
                if !state.stopped {
                    state.pending.clear();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn reads(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match state.trouble {
            _ if state.stopped => stop(&mut state)?,
            Some(Trouble::FailsToRead) => return Err(io::Error::other("the disk does not answer")),
            _ => {}
        }
        Ok(state)
    }
}

fn stop(state: &mut State) -> io::Result<()> {
    state.stopped = true;
    Err(io::Error::other("the machine has stopped"))
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let as_usize = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    match change {
        Change::Length(len) => bytes.resize(as_usize(*len), 0),
        Change::Write(at, data) => {
            let at = as_usize(*at);
            if bytes.len() < at + data.len() {
                bytes.resize(at + data.len(), 0);
            }
            bytes[at..at + data.len()].copy_from_slice(data);
        }
    }
}

/// Chance that a seed repeats (xorshift64).
struct Chance(u64);

impl Chance {
    fn of(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

#[derive(Debug)]
struct Backend(Disk);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.reads()?.shown.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.reads()?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = from.checked_add(out.len()).and_then(|to| state.shown.get(from..to));
        out.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.change(Some(Change::Length(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.change(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.change(Some(Change::Write(offset, data.to_vec())))
    }
}

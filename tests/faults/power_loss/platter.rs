//! Contents that a disk may have after a power loss, computed from the trace of a program.
//!
//! ```text
//!   trace: W W S W O ... ▲ the power goes: what was synced is there; of the rest, some, torn,
//!                        │ zeros in its stead, or nothing, as luck will have it
//! ```
//!
//! A sync of a file makes its content durable, a sync of its directory makes its name durable.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use support::preload::shared::Operation;
use support::rng::Rng;

/// Bytes that a disk writes atomically.
const SECTOR_BYTES: usize = 512;

/// One thing that the program did.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) operation: Operation,
    pub(crate) file: u64,
    number: u64,
    pub(crate) data: Vec<u8>,
}

impl Step {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// Returns true if the step made a segment durable, or the name of a new segment that was
    /// durable already.
    pub(crate) fn is_sync(&self) -> bool {
        let is_either = |path: &str| path.ends_with(".journal") || path.ends_with("/data");
        self.operation == Operation::Sync && is_either(&self.text())
    }

    /// Returns true if the step may promise something to somebody.
    pub(crate) fn is_promise(&self) -> bool {
        let is_said = self.operation == Operation::Say && self.text().contains("* queued, ");
        self.operation == Operation::Send || is_said
    }

    /// Returns the number of steps of this life that it covers.
    pub(crate) fn covers(&self) -> usize {
        usize::try_from(self.number).unwrap()
    }
}

fn operation(letter: u8) -> Operation {
    let all = [
        Operation::Begin,
        Operation::Create,
        Operation::MakeDirectory,
        Operation::Write,
        Operation::Truncate,
        Operation::Rename,
        Operation::Remove,
        Operation::Sync,
        Operation::Send,
        Operation::Receive,
        Operation::Say,
    ];
    let found = all.into_iter().find(|operation| *operation as u8 == letter);
    found.unwrap_or_else(|| panic!("what is {letter}?"))
}

/// A trace, but for a record at its end that was cut off by a kill.
pub(crate) fn read(path: &Path) -> Vec<Step> {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut steps = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let Some(record) = behind.get(..u32::from_ne_bytes(*length) as usize) else { break };
        let word = |at: usize| u64::from_ne_bytes(record[at..at + 8].try_into().unwrap());
        let (operation, data) = (operation(record[0]), record[17..].to_vec());
        steps.push(Step { operation, file: word(1), number: word(9), data });
        rest = &behind[record.len()..];
    }
    steps
}

/// Fate of bytes that are not durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Luck {
    /// It is lost.
    Least,
    /// It is there.
    Most,
    /// Each for itself is there, torn, zero, or lost.
    Seed(u64),
}

#[derive(Clone, Debug)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Clone, Debug)]
enum Naming {
    Made(String, Node),
    Renamed(String, String, Node),
    Removed(String),
}

impl Naming {
    fn path(&self) -> &str {
        match self {
            Self::Made(path, _) | Self::Renamed(path, ..) | Self::Removed(path) => path,
        }
    }

    fn carry_out(self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Made(path, node) => {
                names.insert(path, node);
            }
            Self::Renamed(from, to, node) => {
                names.remove(&from);
                names.insert(to, node);
            }
            Self::Removed(path) => {
                names.remove(&path);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Written(usize, Vec<u8>),
    Cut(usize),
}

impl Change {
    fn carry_out(self, content: &mut Vec<u8>) {
        match self {
            Self::Written(at, bytes) => {
                content.resize(content.len().max(at + bytes.len()), 0);
                content[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            Self::Cut(length) => content.resize(length, 0),
        }
    }
}

#[derive(Debug, Default)]
struct Platter {
    /// As the program sees them.
    current: BTreeMap<String, Node>,
    numbers: BTreeMap<u64, usize>,
    names: BTreeMap<String, Node>,
    namings: Vec<(usize, Naming)>,
    contents: Vec<Vec<u8>>,
    changes: Vec<Vec<(usize, Change)>>,
}

impl Platter {
    fn name(&mut self, at: usize, naming: Naming) {
        naming.clone().carry_out(&mut self.current);
        self.namings.push((at, naming));
    }

    fn change(&mut self, at: usize, file: u64, change: Change) {
        let index = self.numbers[&file];
        self.changes[index].push((at, change));
    }

    fn take(&mut self, at: usize, life: usize, step: &Step) {
        let number = usize::try_from(step.number).unwrap();
        match step.operation {
            Operation::Create => {
                let index = self.contents.len();
                self.numbers.insert(step.file, index);
                self.contents.push(Vec::new());
                self.changes.push(Vec::new());
                self.name(at, Naming::Made(step.text(), Node::File(index)));
            }
            Operation::MakeDirectory => self.name(at, Naming::Made(step.text(), Node::Directory)),
            Operation::Write => {
                self.change(at, step.file, Change::Written(number, step.data.clone()));
            }
            Operation::Truncate => self.change(at, step.file, Change::Cut(number)),
            Operation::Rename => {
                let text = step.text();
                let (from, to) = text.split_once('\0').unwrap();
                let node = self.current[from].clone();
                self.name(at, Naming::Renamed(from.to_owned(), to.to_owned(), node));
            }
            Operation::Remove => self.name(at, Naming::Removed(step.text())),
            Operation::Sync => self.make_durable(life + number, step),
            Operation::Send | Operation::Receive | Operation::Say | Operation::Begin => (),
        }
    }

    /// Makes the changes before the step `before` durable.
    fn make_durable(&mut self, before: usize, step: &Step) {
        if let Some(index) = self.numbers.get(&step.file) {
            let changes = std::mem::take(&mut self.changes[*index]);
            for (at, change) in changes {
                match at < before {
                    true => change.carry_out(&mut self.contents[*index]),
                    false => self.changes[*index].push((at, change)),
                }
            }
            return;
        }
        let directory = step.text();
        for (at, naming) in std::mem::take(&mut self.namings) {
            let above = Path::new(naming.path()).parent().unwrap();
            match at < before && above == Path::new(&directory) {
                true => naming.carry_out(&mut self.names),
                false => self.namings.push((at, naming)),
            }
        }
    }

    fn try_luck(&mut self, luck: Luck) {
        let mut rng = match luck {
            Luck::Least => return,
            Luck::Most => None,
            Luck::Seed(seed) => Some(Rng::new(seed)),
        };
        for (_, naming) in std::mem::take(&mut self.namings) {
            if rng.as_mut().is_none_or(|it| it.below(2) == 0) {
                naming.carry_out(&mut self.names);
            }
        }
        for (content, changes) in self.contents.iter_mut().zip(&mut self.changes) {
            for (_, change) in std::mem::take(changes) {
                let change = match (rng.as_mut(), change) {
                    (Some(rng), Change::Written(at, mut bytes)) => {
                        let cut = rng.index(bytes.len());
                        match rng.below(5) {
                            0 => continue,
                            1 => bytes.truncate(cut),
                            2 => bytes[cut..].fill(0),
                            3 => lose_sectors(at, &mut bytes, rng),
                            _ => (),
                        }
                        Change::Written(at, bytes)
                    }
                    (_, change) => change,
                };
                change.carry_out(content);
            }
        }
    }
}

/// Some of the sectors that are written are not: their length is known, and they are zero.
fn lose_sectors(at: usize, bytes: &mut [u8], rng: &mut Rng) {
    let first = (SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len());
    let (first, others) = bytes.split_at_mut(first);
    for sector in std::iter::once(first).chain(others.chunks_mut(SECTOR_BYTES)) {
        if rng.below(2) == 0 {
            sector.fill(0);
        }
    }
}

/// Fills the directory `to` with what the disk holds of `root` if the power goes behind `steps`.
pub(crate) fn lay_out(steps: &[Step], luck: Luck, root: &Path, to: &Path) {
    let mut platter = Platter::default();
    let mut life = 0;
    for (at, step) in steps.iter().enumerate() {
        if step.operation == Operation::Begin {
            life = at + 1;
        }
        platter.take(at, life, step);
    }
    platter.try_luck(luck);
    for (name, node) in &platter.names {
        let path = to.join(Path::new(name).strip_prefix(root).unwrap());
        if !path.parent().is_some_and(Path::is_dir) {
            continue; // The directory is lost, and all that is in it.
        }
        match node {
            Node::Directory => fs::create_dir(&path).unwrap(),
            Node::File(index) => fs::write(&path, &platter.contents[*index]).unwrap(),
        }
    }
}

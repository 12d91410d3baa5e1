//! The library of `tests/preload` under a real program: which call fails, and how.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use shared::{ACTION, CALL, COUNTS, ERRNO, FIRED, KIND, PART, SLEPT_MS, WALL_SET_MS, WORDS};
pub use shared::{Action, Kind};

#[path = "../../preload/src/shared.rs"]
pub mod shared;

/// The library's name where cargo has put it: beside the test programs.
const LIBRARY: &str = "libgroupcast_preload.so";
const WORD: usize = size_of::<u64>();
/// A fault: the call, and the action at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub action: Action,
    pub kind: Kind,
    /// Number of the call among its kind, from 1.
    pub call: u64,
    pub errno: i32,
    /// Of 256: how much of the bytes.
    pub part: u64,
}

/// A directory for a program's files, and what it is run with.
pub struct Preload {
    directory: TempDir,
    page: File,
    is_traced: bool,
    /// FIFO through which the program learns that its clock was set.
    bell: Option<File>,
}

impl Preload {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("page");
        fs::write(&path, vec![0; WORDS * WORD]).unwrap();
        let page = File::options().read(true).write(true).open(&path).unwrap();
        fs::create_dir(directory.path().join("files")).unwrap();
        let preload = Self { directory, page, is_traced: false, bell: None };
        preload.boot(1);
        preload
    }

    /// One that writes down what a disk would hold.
    pub fn traced() -> Self {
        Self { is_traced: true, ..Self::new() }
    }

    /// One whose clocks the test sets.
    pub fn with_clocks() -> Self {
        let mut preload = Self::new();
        let path = preload.path("bell");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        preload.bell = Some(File::options().read(true).write(true).open(&path).unwrap());
        preload
    }

    /// Sets the wall clock by an offset. A running program is informed, as the system does it.
    pub fn set_wall_clock(&self, offset_ms: i64) {
        self.put(WALL_SET_MS, offset_ms.cast_unsigned());
        self.ring();
    }

    /// The machine has slept for so long: its wall clock went on.
    pub fn sleep(&self, ms: u64) {
        self.put(WALL_SET_MS, ms);
        self.put(SLEPT_MS, ms);
        self.ring();
    }

    fn ring(&self) {
        self.bell.as_ref().unwrap().write_all(&[0; WORD]).unwrap();
    }

    /// From the next start on the machine lives another life.
    pub fn boot(&self, life: u128) {
        fs::write(self.path("boot"), format!("{life:032x}\n")).unwrap();
    }

    /// From the next start on the machine does not say which life it lives.
    pub fn hide_boot(&self) {
        fs::remove_file(self.path("boot")).unwrap();
    }

    /// Returns the directory whose files are traced and hit.
    pub fn root(&self) -> PathBuf {
        self.path("files")
    }

    pub fn trace(&self) -> PathBuf {
        self.path("trace")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Has a command run with the library under it.
    pub fn put_under(&self, command: &mut Command) {
        for (name, path) in self.environment() {
            command.env(name, path);
        }
    }

    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let beside = env::current_exe().unwrap();
        let library = beside.parent().unwrap().join(LIBRARY);
        assert!(library.is_file(), "{} is not there", library.display());
        let mut all = vec![
            ("LD_PRELOAD", library),
            ("FAULTS_PAGE", self.path("page")),
            ("FAULTS_ROOT", self.root()),
            ("FAULTS_BOOT", self.path("boot")),
        ];
        if self.bell.is_some() {
            all.push(("FAULTS_BELL", self.path("bell")));
        }
        if self.is_traced {
            all.push(("FAULTS_TRACE", self.trace()));
        }
        all
    }

    fn put(&self, word: usize, value: u64) {
        self.page.write_all_at(&value.to_ne_bytes(), (word * WORD) as u64).unwrap();
    }

    fn word(&self, word: usize) -> u64 {
        let mut bytes = [0; WORD];
        self.page.read_exact_at(&mut bytes, (word * WORD) as u64).unwrap();
        u64::from_ne_bytes(bytes)
    }

    /// From here on, this is to happen; calls are counted anew.
    pub fn plan(&self, plan: Plan) {
        self.clear();
        let Plan { action, kind, call, errno, part } = plan;
        (COUNTS..WORDS).for_each(|word| self.put(word, 0));
        self.put(KIND, kind as u64);
        self.put(CALL, call);
        self.put(ERRNO, u64::try_from(errno).unwrap());
        self.put(PART, part);
        self.put(FIRED, 0);
        self.put(ACTION, action as u64); // Last: with it, all of it holds.
    }

    /// From here on, nothing is to happen.
    pub fn clear(&self) {
        self.put(ACTION, Action::None as u64);
    }

    /// Returns the number of times that the fault has happened.
    pub fn fired(&self) -> u64 {
        self.word(FIRED)
    }

    /// Returns the number of calls of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.word(COUNTS + kind as usize)
    }

    /// Copies files, not directories.
    pub fn copy_files(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

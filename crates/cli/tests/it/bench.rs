//! A data directory, a tree to protect, and a way to run commands on them and see everything they say.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cli::World;
use cli::signal::Stop;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use testkit::Handles;

/// What the temporary directory is called in what is compared; as long as its name, so that columns stay.
const PLACE: &str = "/tmp/dozo-place";

/// Something written to, that can be read.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) exit: u8,
    pub(crate) out: String,
    pub(crate) err: String,
    /// Its answer with ids as they are.
    pub(crate) raw: String,
}

impl Said {
    /// Returns all of it, to be compared.
    pub(crate) fn all(&self) -> String {
        let mut text = self.out.clone();
        if !self.err.is_empty() {
            text.push_str("--- talk\n");
            text.push_str(&self.err);
        }
        text.push_str(&format!("--- exit {}\n", self.exit));
        text
    }
}

/// A place for one test.
pub(crate) struct Bench {
    pub(crate) handles: Handles,
    env: base::Env,
    dir: TempDir,
    /// The beginnings of ids, in the order in which they were seen.
    ids: Mutex<Vec<String>>,
    /// Whether a pool gets parity.
    parity: &'static str,
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        let (env, handles) = testkit::env(seed);
        let dir = tempfile::Builder::new()
            .prefix("dozo-")
            .rand_bytes(5)
            .tempdir_in("/tmp")
            .unwrap();
        Self {
            handles,
            env,
            dir,
            ids: Mutex::default(),
            parity: "on",
        }
    }

    /// Returns the same, whose pool will not mend itself.
    pub(crate) fn without_parity(self) -> Self {
        Self {
            parity: "off",
            ..self
        }
    }

    /// Returns one with a small tree to protect: `docs` with three files and a link.
    pub(crate) fn with_docs(seed: u64) -> Self {
        let bench = Self::new(seed);
        bench.write("docs/letter.txt", "Dear reader,\n");
        bench.write("docs/plans/garden.txt", &"carrots and peas\n".repeat(1000));
        bench.write("docs/plans/empty", "");
        std::os::unix::fs::symlink("letter.txt", bench.path("docs/newest")).unwrap();
        bench
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file, as of the beginning of 2026.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let times = FileTimes::new().set_modified(time);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_times(times)
            .unwrap();
    }

    /// Lets time pass.
    pub(crate) fn hours(&self, hours: u64) {
        self.handles
            .clock
            .advance(Duration::from_secs(hours * 3600));
    }

    pub(crate) fn world(&self) -> (World, Paper, Paper) {
        let (out, err) = (Paper::default(), Paper::default());
        let world = World {
            env: self.env.clone(),
            variables: [
                ("DOZO_DATA_DIR", self.path("data").into_os_string()),
                ("DOZO_PARITY", OsString::from(self.parity)),
                // How full the disk is that the tests run on is not what they are about.
                ("DOZO_POOL_WARN", OsString::from("100")),
            ]
            .map(|(name, value)| (OsString::from(name), value))
            .into(),
            directory: self.dir.path().to_owned(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            machine: "web01".to_owned(),
            is_root: false,
            command_line: "dozo test".to_owned(),
            draws: false,
            shows: false,
            answers: None,
            out: Box::new(out.clone()),
            err: cli::Talk::new(err.clone()),
            stop: Arc::new(Stop::default()),
        };
        (world, out, err)
    }

    /// Runs a command as typed in the temporary directory; words are separated by blanks.
    pub(crate) fn run(&self, line: &str) -> Said {
        let words: Vec<&str> = line.split(' ').collect();
        self.run_words(&words)
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Said {
        self.run_answered(words, None)
    }

    /// Runs a command whose questions somebody answers so.
    pub(crate) fn run_answered(&self, words: &[&str], answers: Option<&'static str>) -> Said {
        let (mut world, out, err) = self.world();
        world.answers = answers.map(|text| Box::new(text.as_bytes()) as _);
        let args: Vec<OsString> = ["dozo"].iter().chain(words).map(OsString::from).collect();
        let exit = cli::run(&args, &mut world);
        Said {
            exit,
            out: self.calm(&out.text()),
            err: self.calm(&err.text()),
            raw: out.text(),
        }
    }

    /// Returns the first word of what a command that must succeed said: an id.
    pub(crate) fn id(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.exit, 0, "{}", said.all());
        said.raw.split_whitespace().next().unwrap().to_owned()
    }

    /// Returns text without what differs from run to run.
    fn calm(&self, text: &str) -> String {
        let place = self.dir.path().to_str().unwrap();
        assert_eq!(place.len(), PLACE.len());
        let text = text.replace(place, PLACE);
        let pid = std::process::id().to_string();
        let text = text.replace(&format!("process {pid}"), "process PID");
        let lines = text.lines().map(without_free).map(|l| without_small(&l));
        self.without_ids(&lines.collect::<String>())
    }

    /// Returns text with ids told apart but not told: chance is asked for more bytes when a tree node is larger, and
    /// how large it is depends on inode numbers and real times.
    fn without_ids(&self, text: &str) -> String {
        let mut ids = self.ids.lock().unwrap();
        let mut out = String::new();
        for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let id = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let begins = id.starts_with(|c: char| ('0'..='7').contains(&c));
            if !begins || ![10, 26].contains(&id.len()) {
                out.push_str(word);
                continue;
            }
            let begin = &id[..10];
            let seen = ids.iter().position(|known| known == begin);
            let number = seen.unwrap_or_else(|| {
                ids.push(begin.to_owned());
                ids.len() - 1
            });
            let label = format!("id{}", number + 1);
            out.push_str(&format!("{label:-<width$}", width = id.len()));
            out.push_str(&word[id.len()..]);
        }
        out
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }
}

/// Returns a line without the free space that it tells.
fn without_free(line: &str) -> String {
    let line = match (line.starts_with("Free "), line.rfind(", ")) {
        (true, _) => "Free             (some)",
        (_, Some(comma)) if line.ends_with(" free") => &line[..comma],
        _ => line,
    };
    format!("{line}\n")
}

/// Returns a line without the sizes of a few hundred bytes that it tells: what a tree node takes depends on inode
/// numbers and real times.
fn without_small(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    for i in 1..words.len() {
        let is_small = words[i - 1].len() == 3 && words[i - 1].bytes().all(|b| b.is_ascii_digit());
        if is_small && words[i].trim_end() == "B" {
            words[i - 1] = "NNN".to_owned();
        }
    }
    words.join(" ")
}

/// Returns everything below a directory as `path: content`, to compare two.
pub(crate) fn contents(root: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            out.push(format!("{name}/"));
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            out.push(format!("{name} -> {}", target.display()));
        } else {
            out.push(format!("{name}: {}", fs::read_to_string(&path).unwrap()));
        }
    }
    out.sort();
    out
}

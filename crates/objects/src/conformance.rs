//! What every place must do, as checks that run anywhere: in our tests and on a user's own bucket.
//!
//! The checks write beneath one directory with a random name and remove what they wrote. They cannot see
//! whether bytes survive a power cut; for [`crate::Local`] the simulated disk of `testkit` does that.

use std::fmt;

use base::Env;

use crate::{DeleteError, GetError, ObjectName, Objects, PutError, fan_out};

/// What the checks found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// Every check that ran, in order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What must hold, as a sentence.
    pub name: &'static str,
    /// What happened instead, if it does not.
    pub failure: Option<String>,
}

impl Report {
    /// Returns the checks that did not hold.
    pub fn failures(&self) -> Vec<&Check> {
        self.checks.iter().filter(|c| c.failure.is_some()).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            match &check.failure {
                None => writeln!(f, "ok      {}", check.name)?,
                Some(why) => writeln!(f, "FAILED  {}: {why}", check.name)?,
            }
        }
        Ok(())
    }
}

/// Opens one more handle on the same place.
pub type Open<'a> = &'a dyn Fn() -> Box<dyn Objects>;

/// A check that does not hold says why.
type Outcome = Result<(), String>;
type CheckFn = fn(&Bench<'_>) -> Outcome;

const CHECKS: [(&str, CheckFn); 12] = [
    ("an object reads back as it was put", reads_back),
    ("a taken name is refused and keeps its bytes", taken_name),
    ("of many writers of one name exactly one wins", one_winner),
    ("ranges are exact", ranges),
    ("a missing object is reported as missing", missing),
    ("a listing is sorted, complete and current", listing),
    ("a deleted object is gone", deletion),
    ("a second handle sees what the first one put", second_handle),
    ("prepared directories are no objects", preparation),
    ("a found object can be settled", settling),
    ("a damaged object is mended and kept", mending),
    ("the longest names work", long_names),
];

/// Runs every check. `open` is called several times and must give handles on one and the same place.
pub fn run(env: &Env, open: Open<'_>) -> Report {
    let checks = CHECKS.iter().map(|(name, check)| {
        let bench = Bench {
            open,
            objects: open(),
            dir: format!("check-{}", hex(&env.bytes::<16>())),
        };
        let outcome = check(&bench).and_then(|()| bench.clean());
        Check {
            name,
            failure: outcome.err(),
        }
    });
    Report {
        checks: checks.collect(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a check works on.
struct Bench<'a> {
    open: Open<'a>,
    objects: Box<dyn Objects>,
    dir: String,
}

impl Bench<'_> {
    fn name(&self, rest: &str) -> ObjectName {
        ObjectName::new(format!("{}/{rest}", self.dir)).expect("checks use valid names")
    }

    fn put(&self, rest: &str, bytes: &[u8]) -> Result<ObjectName, String> {
        let name = self.name(rest);
        self.objects.put_new(&name, bytes).map_err(text)?;
        Ok(name)
    }

    fn clean(&self) -> Outcome {
        for listed in self.objects.list(&format!("{}/", self.dir)).map_err(text)? {
            self.objects.delete(&listed.name).map_err(text)?;
        }
        Ok(())
    }
}

/// An error with all that caused it.
fn text(error: impl std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        out = format!("{out}: {cause}");
        source = cause.source();
    }
    out
}

fn expect(what: &str, held: bool) -> Outcome {
    if held { Ok(()) } else { Err(what.to_owned()) }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn reads_back(bench: &Bench<'_>) -> Outcome {
    for len in [0, 1, 4096, (1 << 20) + 1] {
        let bytes = pattern(len);
        let name = bench.put(&format!("of-{len}-bytes"), &bytes)?;
        let read = bench.objects.get(&name).map_err(text)?;
        expect(&format!("an object of {len} bytes differs"), read == bytes)?;
        let head = bench.objects.head(&name).map_err(text)?;
        expect("its length differs", head == Some(len as u64))?;
    }
    Ok(())
}

fn taken_name(bench: &Bench<'_>) -> Outcome {
    let name = bench.put("name", b"first")?;
    for bytes in [&b"second"[..], b"first"] {
        match bench.objects.put_new(&name, bytes) {
            Err(PutError::Exists { .. }) => {}
            Err(error) => return Err(text(error)),
            Ok(()) => return Err("the second put succeeded".into()),
        }
    }
    let read = bench.objects.get(&name).map_err(text)?;
    expect("the second put changed the bytes", read == b"first")
}

fn one_winner(bench: &Bench<'_>) -> Outcome {
    for round in 0..4 {
        let name = bench.name(&format!("round-{round}"));
        // Each thread has its own handle.
        let handles: Vec<_> = (0..4_u8).map(|i| ([i; 1000], (bench.open)())).collect();
        let results: Vec<_> = std::thread::scope(|scope| {
            let writers: Vec<_> = handles
                .iter()
                .map(|(bytes, objects)| scope.spawn(|| objects.put_new(&name, bytes)))
                .collect();
            writers.into_iter().map(|w| w.join()).collect()
        });
        let read = bench.objects.get(&name).map_err(text)?;
        let mut winners = 0;
        for ((bytes, _), result) in handles.iter().zip(results) {
            match result.map_err(|_| "a writer panicked")? {
                Ok(()) => {
                    winners += 1;
                    expect("the bytes are not the winner's", read == bytes)?;
                }
                Err(PutError::Exists { .. }) => {}
                Err(error) => return Err(text(error)),
            }
        }
        expect(&format!("{winners} of 4 writers won"), winners == 1)?;
    }
    Ok(())
}

fn ranges(bench: &Bench<'_>) -> Outcome {
    let bytes = pattern(100_000);
    let name = bench.put("object", &bytes)?;
    for (offset, len) in [
        (0, 100_000),
        (0, 1),
        (99_999, 1),
        (12_345, 54_321),
        (100_000, 0),
    ] {
        let read = bench.objects.get_range(&name, offset as u64, len);
        let same = read.map_err(text)? == bytes[offset..offset + len];
        expect(&format!("{len} bytes from {offset} differ"), same)?;
    }
    for (offset, len) in [(0, 100_001), (99_999, 2), (100_001, 1), (u64::MAX, 1)] {
        match bench.objects.get_range(&name, offset, len) {
            Err(GetError::TooShort { bytes: 100_000, .. }) => {}
            Err(error) => return Err(text(error)),
            Ok(_) => {
                return Err(format!(
                    "{len} bytes from {offset} were read beyond the end"
                ));
            }
        }
    }
    Ok(())
}

fn missing(bench: &Bench<'_>) -> Outcome {
    bench.put("dir/there", b"")?;
    for rest in ["not-there", "dir/not-there", "no-dir/not-there", "dir"] {
        let name = bench.name(rest);
        let get = bench.objects.get(&name);
        expect("get", matches!(get, Err(GetError::Missing { .. })))?;
        let range = bench.objects.get_range(&name, 0, 1);
        expect("get_range", matches!(range, Err(GetError::Missing { .. })))?;
        let head = bench.objects.head(&name).map_err(text)?;
        expect("head", head.is_none())?;
    }
    let deleted = bench.objects.delete(&bench.name("no-dir/not-there"));
    expect(
        "delete",
        matches!(deleted, Err(DeleteError::Missing { .. })),
    )?;
    let listed = bench.objects.list(&format!("{}/no-dir/", bench.dir));
    expect("list", listed.map_err(text)?.is_empty())
}

fn listing(bench: &Bench<'_>) -> Outcome {
    let all = ["a", "a-b/c", "a/b/c", "a/bc", "a0", "b/z/y/x"];
    for (i, rest) in all.iter().enumerate() {
        // On a file system `a` cannot be file and directory at once.
        let rest = if *rest == "a" { "a.file" } else { rest };
        bench.put(rest, &pattern(i))?;
    }
    let all = [
        ("a-b/c", 1),
        ("a.file", 0),
        ("a/b/c", 2),
        ("a/bc", 3),
        ("a0", 4),
        ("b/z/y/x", 5),
    ];
    for prefix in [
        "", "a", "a/", "a/b", "a/b/", "b/z/y/x", "b/z/y/x/", "c", "a/b/c/d", "A",
    ] {
        let listed = bench.objects.list(&format!("{}/{prefix}", bench.dir));
        let listed: Vec<_> = listed
            .map_err(text)?
            .into_iter()
            .map(|l| (l.name, l.bytes))
            .collect();
        let expected: Vec<_> = all
            .iter()
            .filter(|(rest, _)| rest.starts_with(prefix))
            .map(|(rest, bytes)| (bench.name(rest), *bytes))
            .collect();
        let why = format!("beneath {prefix:?} there is {listed:?} instead of {expected:?}");
        expect(&why, listed == expected)?;
    }
    bench.objects.delete(&bench.name("a0")).map_err(text)?;
    let listed = bench.objects.list(&format!("{}/a0", bench.dir));
    expect(
        "a deleted object is listed",
        listed.map_err(text)?.is_empty(),
    )
}

fn deletion(bench: &Bench<'_>) -> Outcome {
    let name = bench.put("dir/object", b"bytes")?;
    bench.objects.delete(&name).map_err(text)?;
    let get = bench.objects.get(&name);
    expect(
        "it can be read",
        matches!(get, Err(GetError::Missing { .. })),
    )?;
    let again = bench.objects.delete(&name);
    let missing = matches!(again, Err(DeleteError::Missing { .. }));
    expect("it can be deleted twice", missing)
}

fn second_handle(bench: &Bench<'_>) -> Outcome {
    let bytes = pattern(70_000);
    let name = bench.put("dir/object", &bytes)?;
    let other = (bench.open)();
    expect("other bytes", other.get(&name).map_err(text)? == bytes)?;
    let listed = other.list(&bench.dir).map_err(text)?;
    expect("not listed", listed.len() == 1 && listed[0].name == name)
}

fn preparation(bench: &Bench<'_>) -> Outcome {
    let dirs = fan_out(&bench.dir).map_err(text)?;
    bench.objects.prepare(&dirs).map_err(text)?;
    bench.objects.prepare(&dirs).map_err(text)?;
    bench.objects.prepare(&[]).map_err(text)?;
    let listed = bench.objects.list(&bench.dir).map_err(text)?;
    expect("a directory is listed", listed.is_empty())?;
    bench.put("ab/object", b"bytes").map(drop)
}

fn settling(bench: &Bench<'_>) -> Outcome {
    let name = bench.put("dir/object", b"bytes")?;
    let other = (bench.open)();
    other.settle(&name).map_err(text)?;
    expect("other bytes", other.get(&name).map_err(text)? == b"bytes")
}

fn mending(bench: &Bench<'_>) -> Outcome {
    let name = bench.put("dir/object", b"damaged")?;
    let (first, second) = (bench.name("kept/object.1"), bench.name("kept/object.2"));
    let bytes = pattern(70_000);
    bench.objects.mend(&name, &bytes, &first).map_err(text)?;
    let other = (bench.open)();
    expect("it is not mended", other.get(&name).map_err(text)? == bytes)?;
    expect(
        "it is not kept",
        other.get(&first).map_err(text)? == b"damaged",
    )?;
    let taken = other.mend(&name, b"again", &first);
    let is_taken = matches!(&taken, Err(PutError::Exists { name }) if *name == first);
    expect("a taken name is not refused", is_taken)?;
    expect("it has changed", other.get(&name).map_err(text)? == bytes)?;
    other.mend(&name, b"again", &second).map_err(text)?;
    expect(
        "it is not kept again",
        bench.objects.get(&second).map_err(text)? == bytes,
    )?;
    let none = other.mend(
        &bench.name("dir/none"),
        b"bytes",
        &bench.name("kept/none.1"),
    );
    expect(
        "what is missing is mended",
        matches!(none, Err(PutError::Failed { .. })),
    )?;
    let listed = bench.objects.list(&bench.dir).map_err(text)?;
    expect("something else is listed", listed.len() == 3)
}

fn long_names(bench: &Bench<'_>) -> Outcome {
    let part = "f".repeat(base::limits::OBJECT_NAME_PART_BYTES_MAX);
    // The check's own directory is one component.
    let parts = [part.as_str(); base::limits::OBJECT_NAME_PARTS_MAX - 1];
    let name = bench.put(&parts.join("/"), b"bytes")?;
    let listed = bench.objects.list(&bench.dir).map_err(text)?;
    expect("not listed", listed.len() == 1 && listed[0].name == name)
}

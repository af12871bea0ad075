//! A command beside a process that owns the data directory.

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::{Arc, mpsc};

use base::Lang;
use cli::backend::{self, Purpose};
use cli::session::Manner;
use cli::signal::Stop;

use crate::bench::{Bench, Paper};

const MANNER: Manner = Manner {
    json: false,
    language: Lang::En,
};

#[test]
fn answers_are_the_same_from_this_process_and_from_another() {
    let bench = Bench::with_docs(30);
    let point = bench.id("protect docs");
    let lines = [
        "source list".to_owned(),
        "source show docs".to_owned(),
        "group show default".to_owned(),
        "point list".to_owned(),
        "point list --json".to_owned(),
        format!("point browse {point}"),
        "pool status".to_owned(),
        "job list".to_owned(),
        "restore docs --to out --plan".to_owned(),
        "source show nothing".to_owned(),
        "source show nothing --lang ja".to_owned(),
    ];
    let alone: Vec<String> = lines.iter().map(|line| bench.run(line).all()).collect();
    let (mut world, _, _) = bench.world();
    let owner = backend::own(&mut world, &bench.data(), MANNER).unwrap();
    owner.serve(None).unwrap();
    for (line, alone) in lines.iter().zip(alone) {
        assert_eq!(bench.run(line).all(), alone, "{line}");
    }
    // And what changes something goes the same way.
    let made = bench.id("point create docs");
    assert!(bench.run("point list").raw.contains(&made[..10]));
    let deleted = bench.run(&format!("point delete {made}"));
    assert_eq!(deleted.exit, 0, "{}", deleted.all());
    bench.write("mail/inbox", "one\n");
    assert_eq!(bench.run("group add default mail").exit, 0);
    assert_eq!(bench.run("group remove default mail").exit, 0);
    owner.close(&mut world);
}

#[test]
fn a_second_server_is_told_who_owns_the_directory() {
    let bench = Bench::with_docs(31);
    bench.id("protect docs");
    let (mut world, _, _) = bench.world();
    let owner = backend::own(&mut world, &bench.data(), MANNER).unwrap();
    owner.serve(None).unwrap();
    let said = bench.run("up");
    assert_eq!(said.exit, 6, "{}", said.all());
    insta::assert_snapshot!("up_busy", said.all());
    owner.close(&mut world);
}

#[test]
fn an_owner_that_is_gone_is_not_in_the_way() {
    let bench = Bench::with_docs(32);
    bench.id("protect docs");
    // What a killed process leaves: its name in the lock file, and its socket.
    let lock = bench.path("data/lock");
    std::fs::write(
        &lock,
        r#"{"pid":1,"since":"2026-01-01T00:00:00Z","command":"dozo up"}"#,
    )
    .unwrap();
    let socket = bench.path("data/run/dozo.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.symlink_metadata().is_ok());
    bench.id("protect docs");
}

#[test]
fn a_data_directory_may_lie_deeper_than_a_socket_address_reaches() {
    let bench = Bench::with_docs(33);
    let deep = bench.path(&["d".repeat(40).as_str(); 5].join("/"));
    let (mut world, _, _) = bench.world();
    let owner = backend::own(&mut world, &deep, MANNER).unwrap();
    owner.serve(None).unwrap();
    let option = deep.to_str().unwrap();
    let said = bench.run_words(&["protect", "docs", "--data-dir", option]);
    assert_eq!(said.exit, 0, "{}", said.all());
    owner.close(&mut world);
    let (mut world, _, _) = bench.world();
    let alone = backend::open(&mut world, &deep, Purpose::Look, MANNER).unwrap();
    assert_eq!(alone.operations().points(None).unwrap().points.len(), 1);
    alone.close(&mut world);
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let bench = Bench::new(34);
    let (mut world, _, _) = bench.world();
    let owner = backend::own(&mut world, &bench.data(), MANNER).unwrap();
    owner.serve(None).unwrap();
    let mode = |path: &str| bench.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("data/run/dozo.sock"), mode("data/run")),
        (0o600, 0o700)
    );
    owner.close(&mut world);
    assert!(!bench.path("data/run/dozo.sock").try_exists().unwrap());
}

/// Runs `dozo up` with these words until it says that it runs; returns how it ended and what it said.
fn up(bench: &Bench, words: &str) -> (u8, String, String) {
    let (mut world, out, err) = bench.world();
    let stop = Arc::clone(&world.stop);
    world.out = Box::new(StopAt {
        stop,
        paper: out.clone(),
    });
    let line = format!("dozo up {words}");
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let exit = cli::run(&args, &mut world);
    (exit, out.text(), err.text())
}

/// Stops a server as soon as it says that it runs.
struct StopAt {
    stop: Arc<Stop>,
    paper: Paper,
}

impl Write for StopAt {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.paper.write(bytes)?;
        if self.paper.text().contains("\nRunning; ") {
            self.stop.ask();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_server_runs_on_although_what_it_shall_protect_first_cannot_be() {
    let bench = Bench::with_docs(35);
    bench.id("protect docs");
    let (exit, out, err) = up(&bench, "--protect nowhere");
    assert!(err.contains("Code: SourcePathMissing"), "{err}");
    assert!(out.ends_with("Stopped.\n"), "{out}{err}");
    assert_eq!(exit, 0);
    let (_, out, err) = up(&bench, "--protect docs");
    assert!(out.contains("\nProved\n"), "{out}{err}");
    assert_eq!(bench.run("up --protect nowhere --once").exit, 4);
}

/// Asks something else when the first words of an answer are shown, as somebody does who reads a long one in a pager.
struct AskBeside {
    bench: Arc<Bench>,
    said: mpsc::Sender<u8>,
}

impl Write for AskBeside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let said = self.bench.run("status");
        self.said.send(said.exit).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn whoever_looks_for_long_keeps_nobody_out() {
    let bench = Arc::new(Bench::with_docs(38));
    let point = bench.id("protect docs");
    let lines = [
        "find letter*".to_owned(),
        "point list".to_owned(),
        format!("point browse {point}"),
        format!("point diff {point} {point}"),
    ];
    for line in lines {
        let (mut world, _, err) = bench.world();
        let (said, asked) = mpsc::channel();
        world.out = Box::new(AskBeside {
            bench: Arc::clone(&bench),
            said,
        });
        let line = format!("dozo {line}");
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert_eq!(cli::run(&args, &mut world), 0, "{line}\n{}", err.text());
        assert!(asked.try_iter().all(|exit| exit == 0), "{line}");
    }
}

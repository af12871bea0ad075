//! Clients of a server that is there and says nothing.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::Place;

/// A server that is stopped, until it is dropped.
struct Stopped(Child);

impl Stopped {
    fn new(place: &Place) -> Self {
        let mut command = place.command(&["up"]);
        let mut server = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(server.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("Running") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "it has not ended");
        }
        signal(&server, Signal::STOP);
        Self(server)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(process: &Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

#[test]
fn who_waits_for_a_stopped_server_is_told_and_can_end_that() {
    let place = Place::new();
    place.directory("source");
    place.dozo(0, &["protect", "source"]);
    let server = Stopped::new(&place);
    for words in [&["group", "list"][..], &["status"], &["sync", "source"]] {
        let mut client = place.command(words).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(client.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains("still waiting"), "{line}");
        signal(&client, Signal::INT);
        let rest: Vec<String> = said.lines().map(Result::unwrap).collect();
        assert!(rest.join("\n").contains("ServerSilent"), "{rest:?}");
        assert_eq!(client.wait().unwrap().code(), Some(9));
    }
    // What has waited for it is answered when it goes on.
    let client = place.command(&["status"]).stdout(Stdio::piped()).spawn();
    signal(&server.0, Signal::CONT);
    let answer = client.unwrap().wait_with_output().unwrap();
    assert!(answer.status.success());
}

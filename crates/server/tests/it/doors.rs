//! Which door grants what.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::MethodFilter;
use server::router::{Door, Speak};
use server::{Needs, ROUTES, Serving, serve};
use tempfile::TempDir;

/// Nobody may get as far as the operations here.
fn untouched() -> Speak {
    Arc::new(|_| unreachable!("a request that is refused reaches no operation"))
}

fn serving(speak: Speak) -> (TempDir, Serving) {
    let dir = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let serving = serve(speak, &dir.path().join("run/dozo.sock"), Some(address)).unwrap();
    (dir, serving)
}

fn ask(mut stream: impl Read + Write, method: &str, path: &str) -> (u16, String) {
    let length = if method == "GET" {
        ""
    } else {
        "content-length: 0\r\n"
    };
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: dozo\r\nconnection: close\r\n{length}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

fn method(filter: MethodFilter) -> &'static str {
    match filter {
        MethodFilter::GET => "GET",
        MethodFilter::POST => "POST",
        MethodFilter::PATCH => "PATCH",
        MethodFilter::PUT => "PUT",
        MethodFilter::DELETE => "DELETE",
        other => panic!("a method without a name here: {other:?}"),
    }
}

#[test]
fn the_network_grants_nothing_but_health() {
    let (_dir, serving) = serving(untouched());
    let address = serving.address().unwrap();
    for route in ROUTES {
        let path = route.path.replace("{name}", "x");
        let (status, answer) = ask(
            TcpStream::connect(address).unwrap(),
            method(route.method),
            &path,
        );
        if route.needs == Needs::Nothing {
            assert_eq!((status, path.as_str()), (200, "/health"));
            continue;
        }
        assert_eq!(status, 403, "{} {path}", method(route.method));
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("PermissionMissing"), "{answer}");
    }
    let (status, _) = ask(
        TcpStream::connect(address).unwrap(),
        "GET",
        "/api/v1/nothing",
    );
    assert_eq!(status, 404);
    serving.stop();
}

#[test]
fn a_stranger_is_refused_before_what_it_sends_is_read() {
    let (_dir, serving) = serving(untouched());
    let asked = [
        ("POST /api/v1/restores", b"HTTP/1.1 403"),
        ("GET /health", b"HTTP/1.1 200"),
    ];
    for (asked, expected) in asked {
        let mut stream = TcpStream::connect(serving.address().unwrap()).unwrap();
        let patience = std::time::Duration::from_secs(5);
        stream.set_read_timeout(Some(patience)).unwrap();
        let request = format!("{asked} HTTP/1.1\r\nhost: dozo\r\ncontent-length: 16000000\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, expected);
    }
    serving.stop();
}

#[test]
fn only_health_needs_nothing() {
    let open: Vec<&str> = ROUTES
        .iter()
        .filter(|route| Door::Network.grants(route.needs))
        .map(|route| route.path)
        .collect();
    assert_eq!(open, ["/health"]);
    assert!(ROUTES.iter().all(|route| Door::Socket.grants(route.needs)));
}

#[test]
fn a_handler_that_panics_is_a_problem_and_the_server_lives() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let (dir, serving) = serving(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("a defect");
    }));
    for _ in 0..2 {
        let stream = UnixStream::connect(dir.path().join("run/dozo.sock")).unwrap();
        let (status, answer) = ask(stream, "GET", "/api/v1/status");
        assert_eq!(status, 500);
        assert!(answer.contains("\"code\":\"Internal\""), "{answer}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    serving.stop();
    assert!(UnixStream::connect(dir.path().join("run/dozo.sock")).is_err());
}

#[test]
fn a_request_that_makes_no_sense_is_said_to_be_one() {
    let (dir, serving) = serving(Arc::new(|_| panic!("not asked for")));
    let stream = UnixStream::connect(dir.path().join("run/dozo.sock")).unwrap();
    let (status, _) = ask(stream, "PUT", "/api/v1/status");
    assert_eq!(status, 405);
    serving.stop();
}

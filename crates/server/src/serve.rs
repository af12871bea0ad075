//! The listeners, on a thread and a runtime of their own.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use base::limits::{STRANGER_WITHIN, STRANGERS_MAX};
use tokio::sync::watch;

use crate::guests::{Counted, Guests};
use crate::router::{Door, Speak, router};
use crate::strangers::Bounded;

/// How long requests that are being answered may take when the server stops.
const STOP_SECONDS_MAX: u64 = 5;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket in the data directory cannot be made.
    #[error("cannot listen on {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The operating system has no thread or no event queue for it.
    #[error("cannot start the server's runtime")]
    Runtime(#[source] io::Error),
}

/// A running server; stops when dropped.
#[must_use]
pub struct Serving {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    socket: PathBuf,
    address: Option<SocketAddr>,
    guests: Guests,
}

impl Serving {
    /// Returns how many connections there are to the socket. A client keeps one for as long as it works.
    pub fn guests(&self) -> usize {
        self.guests.count()
    }

    /// Returns the address listened on, with the port the system chose if none was given.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Stops listening, lets requests that are being answered end, and removes the socket.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone first, so that nobody connects to a server that is leaving.
        let _ = fs::remove_file(&self.socket);
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves the operations on the socket at `socket` and, where asked, on a TCP address.
///
/// The caller owns the data directory: a socket that is there already was left by a process that died.
///
/// # Errors
/// A listener could not be made; nothing is left behind.
pub fn serve(
    speak: Speak,
    socket: &Path,
    listen: Option<SocketAddr>,
) -> Result<Serving, ServeError> {
    let unix = bind(socket).map_err(|source| ServeError::Socket {
        path: socket.to_owned(),
        source,
    })?;
    let tcp = listen
        .map(|address| {
            std::net::TcpListener::bind(address)
                .and_then(|tcp| tcp.set_nonblocking(true).map(|()| tcp))
                .map_err(|source| ServeError::Address { address, source })
        })
        .transpose()?;
    let address = tcp.as_ref().and_then(|tcp| tcp.local_addr().ok());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("dozo-http")
        .build()
        .map_err(ServeError::Runtime)?;
    let (stop, stopped) = watch::channel(false);
    let guests = Guests::default();
    let counted = guests.clone();
    let thread = std::thread::Builder::new()
        .name("dozo-http".to_owned())
        .spawn(move || {
            runtime.block_on(run(speak, (unix, counted), tcp, stopped));
            runtime.shutdown_timeout(Duration::from_secs(STOP_SECONDS_MAX));
        })
        .map_err(ServeError::Runtime)?;
    Ok(Serving {
        stop,
        thread: Some(thread),
        socket: socket.to_owned(),
        address,
        guests,
    })
}

/// Makes the socket. Its address holds 108 bytes, so it is reached through its directory's descriptor.
fn bind(socket: &Path) -> io::Result<UnixListener> {
    let (Some(parent), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    fs::create_dir_all(parent)?;
    // Before the socket is there: nobody else may enter, whatever the umask gave the socket.
    fs::set_permissions(parent, Permissions::from_mode(0o700))?;
    match fs::remove_file(socket) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let directory = File::open(parent)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    let listener = UnixListener::bind(short)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn run(
    speak: Speak,
    (unix, guests): (UnixListener, Guests),
    tcp: Option<std::net::TcpListener>,
    stopped: watch::Receiver<bool>,
) {
    let local = async {
        let listener = tokio::net::UnixListener::from_std(unix)?;
        let listener = Counted { listener, guests };
        axum::serve(listener, router(Door::Socket, &speak))
            .with_graceful_shutdown(until(stopped.clone()))
            .await
    };
    let network = async {
        let Some(tcp) = tcp else { return Ok(()) };
        let listener = tokio::net::TcpListener::from_std(tcp)?;
        let listener = Bounded::new(listener, STRANGERS_MAX, STRANGER_WITHIN);
        axum::serve(listener, router(Door::Network, &speak))
            .with_graceful_shutdown(until(stopped.clone()))
            .await
    };
    let all = async {
        let (local, network): (io::Result<()>, io::Result<()>) = tokio::join!(local, network);
        for error in [local.err(), network.err()].into_iter().flatten() {
            tracing::error!(%error, "the server stopped listening");
        }
    };
    let grace = async {
        until(stopped.clone()).await;
        tokio::time::sleep(Duration::from_secs(STOP_SECONDS_MAX)).await;
    };
    tokio::select! {
        () = all => {}
        () = grace => tracing::warn!("stopped while requests were being answered"),
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means the handle is gone, which also means stop.
    let _ = stopped.wait_for(|stop| *stop).await;
}

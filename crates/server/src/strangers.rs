//! What strangers may take of the server: so many connections at once, each for so long.
//!
//! Everything that the network grants is answered in a moment. Whoever connects and says nothing, or says it slowly, is cut
//! off, and a place is free again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// A listener with a bounded number of connections, each of a bounded time.
pub(crate) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    time: Duration,
}

impl Bounded {
    pub(crate) fn new(listener: TcpListener, connections: usize, time: Duration) -> Self {
        Self {
            listener,
            places: Arc::new(Semaphore::new(connections)),
            time,
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let connection = Connection {
            stream,
            over: Box::pin(sleep(self.time)),
            _place: place.expect("nobody closes the semaphore"),
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection, which fails when its time is over.
pub(crate) struct Connection {
    stream: TcpStream,
    over: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.over.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::Router;

    use super::*;

    #[test]
    fn whoever_says_nothing_is_cut_off_and_makes_room() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let bounded = Bounded::new(listener, 1, Duration::from_millis(20));
        runtime.spawn(async { axum::serve(bounded, Router::new()).await });
        let silent = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
        for mut stream in silent {
            let mut answer = Vec::new();
            // The end, or a reset: either way it is over.
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty());
        }
    }
}

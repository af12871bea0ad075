//! ureq's transport over a unix socket.
//!
//! A socket's address holds 108 bytes and data directories may be deeper, so the directory is opened and the
//! socket reached through `/proc/self/fd`.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::limits::ANSWER_LOOK;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, config::Config};

use super::patience::Patience;

/// Connects to the socket at `path`.
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let directory = File::open(directory)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    UnixStream::connect(short)
}

/// Opens the one socket, whatever the address says.
#[derive(Debug)]
pub(super) struct UnixConnector {
    path: PathBuf,
    patience: Patience,
}

impl UnixConnector {
    pub(super) fn new(path: &Path, patience: Patience) -> Self {
        Self {
            path: path.to_owned(),
            patience,
        }
    }
}

impl Connector for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _chained: Option<()>,
    ) -> Result<Option<UnixTransport>, Error> {
        let stream = connect(&self.path)?;
        stream.set_read_timeout(Some(ANSWER_LOOK))?;
        stream.set_write_timeout(Some(ANSWER_LOOK))?;
        Ok(Some(UnixTransport {
            stream,
            patience: self.patience.clone(),
            buffers: LazyBuffers::new(
                details.config.input_buffer_size(),
                details.config.output_buffer_size(),
            ),
        }))
    }
}

/// Resolves every host to nothing: the connector knows where to go.
#[derive(Debug)]
pub(super) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

pub(super) struct UnixTransport {
    stream: UnixStream,
    patience: Patience,
    buffers: LazyBuffers,
}

impl fmt::Debug for UnixTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnixTransport")
    }
}

fn duration(timeout: NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|t| *t)
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut rest = &self.buffers.output()[..amount];
        while !rest.is_empty() {
            let written = self
                .patience
                .wait(duration(timeout), || self.stream.write(rest))?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            rest = &rest[written..];
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let input = self.buffers.input_append_buf();
        let amount = self
            .patience
            .wait(duration(timeout), || self.stream.read(input))?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // Nothing may wait to be read between two calls; a peer that has gone reads as end of file.
        let quiet = self.stream.set_nonblocking(true).is_ok()
            && matches!(
                self.stream.read(&mut [0]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock
            );
        quiet && self.stream.set_nonblocking(false).is_ok()
    }
}

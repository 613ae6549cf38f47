//! The way to a server.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_socket, socket_with,
};

/// Connects to a socket file. A server whose queue is full has `patience` to take somebody in.
pub(super) fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let stream = UnixStream::from(socket);
    // The wait for a place in the queue obeys the patience for sending.
    stream.set_write_timeout(Some(patience.max(Duration::from_millis(1))))?;
    match connect_socket(&stream, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(stream),
        Err(rustix::io::Errno::AGAIN) => Err(io::ErrorKind::TimedOut.into()),
        Err(error) => Err(error.into()),
    }
}

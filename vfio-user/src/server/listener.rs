//! The socket file, and who may come in.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use super::handshake::Greeted;
use super::{Options, Session};
use crate::calls::Calls;

/// Connections that may wait to be looked at.
const BACKLOG: i32 = 16;

/// Looks for the lock of a folder before a server goes on without.
const LOCK_LOOKS: u32 = 50;
/// Pause between two of them.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another server answers there.
    #[error("another server listens on {}", .0.display())]
    InUse(PathBuf),
    /// There is something that is not a socket, which stays as it is.
    #[error("{} is there and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {}: {source}", path.display())]
    System {
        /// The socket file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A server that listens on a socket file of mode 0600, which goes when the server is dropped.
///
/// One client is served at a time. Who comes meanwhile is told [`crate::Errno::BUSY`] in answer to
/// its `VERSION` and loses its connection, unless the client that is served is gone already: then
/// it waits until its session is dropped.
///
/// A thread looks at who comes, one after the other; a client that connects and says nothing holds
/// up those behind it for [`Options::handshake`].
pub struct Server {
    path: PathBuf,
    /// Device and inode of the socket file.
    file: (u64, u64),
    sessions: Receiver<Session>,
    place: Arc<Place>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a socket file. One that is there already is taken over if nobody answers on it.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: impl AsRef<Path>, options: Options) -> Result<Self, BindError> {
        let path = path.as_ref().to_path_buf();
        let system = |source: io::Error| BindError::System {
            path: path.clone(),
            source,
        };
        // Two servers that start at once must not take the file from each other.
        let _alone = lock_folder(&path);
        make_room(&path)?;
        let listener = listen_on(&path).map_err(system)?;
        let found = fs::symlink_metadata(&path).map_err(system)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let stop = Arc::new(stop.map_err(|error| system(error.into()))?);
        let place = Arc::new(Place::default());
        let (sender, sessions) = channel();
        let door = Door {
            listener,
            options,
            place: Arc::clone(&place),
            stop: Arc::clone(&stop),
            sessions: sender,
        };
        let thread = thread::Builder::new()
            .name("vfio-user door".into())
            .spawn(move || door.watch())
            .map_err(system)?;
        Ok(Self {
            path,
            file: (found.dev(), found.ino()),
            sessions,
            place,
            stop,
            thread: Some(thread),
        })
    }

    /// The socket file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next client, if one is there or comes within `patience`.
    ///
    /// # Errors
    /// When the socket does not work any more.
    pub fn accept(&self, patience: Duration) -> io::Result<Option<Session>> {
        match self.sessions.recv_timeout(patience) {
            Ok(session) => Ok(Some(session)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other(format!(
                "nobody can connect to {} any more",
                self.path.display()
            ))),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A session that nobody took gives its place back only when it is dropped.
        self.place.close();
        if let Some(stream) = &*self.place.greeting() {
            // Who is still to say its first word is not waited for.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        // The counter cannot be full after one write.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nobody to tell.
            let _ = thread.join();
        }
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours {
            // A file that cannot be removed is taken over by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Keeps other servers out of the folder of `path` as long as the result lives, where its file
/// system can do that. A server holds a folder for a moment only; whoever holds it longer is none,
/// and is not waited for.
fn lock_folder(path: &Path) -> Option<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder).ok()?;
    for _ in 0..LOCK_LOOKS {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
                thread::sleep(LOCK_PAUSE);
            }
            Err(_) => return None,
        }
    }
    None
}

/// Removes a socket file on which nobody answers.
fn make_room(path: &Path) -> Result<(), BindError> {
    let system = |source| BindError::System {
        path: path.to_path_buf(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket(path.to_path_buf()));
        }
        Ok(_) => {}
    }
    match knock_at(path) {
        Ok(()) => Err(BindError::InUse(path.to_path_buf())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(system)
        }
        // A full queue has an owner as well.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(BindError::InUse(path.to_path_buf()))
        }
        Err(error) => Err(system(error)),
    }
}

/// Tries to connect. A server whose queue is full is not waited for.
fn knock_at(path: &Path) -> io::Result<()> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    Ok(connect(&socket, &SocketAddrUnix::new(path)?)?)
}

/// A listening socket whose file is nobody else's from the beginning.
fn listen_on(path: &Path) -> io::Result<UnixListener> {
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // The file gets the mode that the socket has when it is bound.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The one place that clients can have.
#[derive(Default)]
struct Place {
    taken: Mutex<Taken>,
    changed: Condvar,
    /// Another descriptor of the connection whose first message is awaited.
    greeting: Mutex<Option<UnixStream>>,
}

#[derive(Default)]
enum Taken {
    /// Nobody is served.
    #[default]
    Free,
    /// Somebody is, over this connection.
    By(Weak<Calls>),
    /// The server goes.
    Closed,
}

impl Place {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        // No code that holds the lock can panic half way through a change.
        self.taken.lock().unwrap_or_else(|held| held.into_inner())
    }

    fn greeting(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.greeting
            .lock()
            .unwrap_or_else(|held| held.into_inner())
    }

    /// Waits for a place for a client that is there, unless another one has it and is alive.
    fn wait(&self) -> bool {
        let mut taken = self.taken();
        loop {
            let Taken::By(calls) = &*taken else {
                return matches!(*taken, Taken::Free);
            };
            if calls.upgrade().is_some_and(|calls| !calls.socket.hung_up()) {
                return false;
            }
            taken = self
                .changed
                .wait(taken)
                .unwrap_or_else(|held| held.into_inner());
        }
    }

    fn close(&self) {
        *self.taken() = Taken::Closed;
        self.changed.notify_all();
    }
}

/// A place that a session has.
pub(super) struct Seat(Arc<Place>);

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.0.taken();
        if let Taken::By(_) = *taken {
            *taken = Taken::Free;
        }
        self.0.changed.notify_all();
    }
}

/// Lets clients in.
struct Door {
    listener: UnixListener,
    options: Options,
    place: Arc<Place>,
    stop: Arc<OwnedFd>,
    sessions: Sender<Session>,
}

impl Door {
    /// Lets clients in until the server goes or its socket breaks.
    fn watch(self) {
        while let Ok(true) = self.knock() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    // Who does not get in is no reason to keep others out.
                    if let Some(session) = self.admit(stream)
                        && self.sessions.send(session).is_err()
                    {
                        return;
                    }
                }
                // Who knocked is gone again, or there are no descriptors left for a while.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Waits for somebody to come; false when the server goes.
    fn knock(&self) -> rustix::io::Result<bool> {
        loop {
            let mut both = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::new(&*self.stop, PollFlags::IN),
            ];
            match poll(&mut both, None) {
                Ok(_) if !both[1].revents().is_empty() => return Ok(false),
                Ok(_) if both[0].revents().contains(PollFlags::IN) => return Ok(true),
                Ok(_) => return Err(rustix::io::Errno::BADF),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn admit(&self, stream: UnixStream) -> Option<Session> {
        *self.place.greeting() = Some(stream.try_clone().ok()?);
        if let Taken::Closed = *self.place.taken() {
            return None;
        }
        let greeted = Greeted::new(stream, &self.options);
        *self.place.greeting() = None;
        let greeted = greeted.ok()?;
        if !self.place.wait() {
            greeted.turn_away();
            return None;
        }
        let seat = Seat(Arc::clone(&self.place));
        greeted.accept(&self.options).ok()?;
        let Greeted { socket, client, .. } = greeted;
        let options = self.options.clone();
        let session = Session::start(socket, client, options, Some(seat)).ok()?;
        let mut taken = self.place.taken();
        if let Taken::Free = *taken {
            *taken = Taken::By(Arc::downgrade(&session.calls));
        }
        drop(taken);
        Some(session)
    }
}

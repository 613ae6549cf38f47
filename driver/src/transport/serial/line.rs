//! The line itself: a serial port, or anything else that carries bytes through a descriptor.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::termios::{
    self, ControlModes, OptionalActions, QueueSelector, SpecialCodeIndex, tcflush, tcgetattr,
    tcsetattr,
};

/// Parts in a thousand by which a port may miss the rate: a receiver loses step at some 30.
const RATE_ERROR: u64 = 20;

/// Why a port cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Nothing is there.
    #[error(
        "there is no port {path}: `systole doctor` lists those that there are (the board's cable, \
         a driver of the kernel such as ftdi_sio)"
    )]
    NoPort {
        /// Where it should be.
        path: PathBuf,
    },
    /// This user may not open it.
    #[error(
        "{path} may not be opened by this user: `sudo usermod -aG {group} $USER`, then log in anew"
    )]
    Permission {
        /// The port.
        path: PathBuf,
        /// The group that may.
        group: String,
    },
    /// Another program has it.
    #[error(
        "{path} is in use by another program: end that one (`fuser {path}` finds it; ModemManager \
         and terminal programs take ports)"
    )]
    InUse {
        /// The port.
        path: PathBuf,
    },
    /// It is something else.
    #[error("{path} is no serial port")]
    NotSerial {
        /// What was named.
        path: PathBuf,
    },
    /// The port has no such rate.
    #[error(
        "{path} does not do {baud} bits a second{}: take a rate of the port and of the bitstream \
         with serial:PATH@BAUD",
        .got.map(|got| format!(", the nearest is {got}")).unwrap_or_default()
    )]
    Rate {
        /// The port.
        path: PathBuf,
        /// The rate that was asked for.
        baud: u32,
        /// What it would do instead.
        got: Option<u32>,
    },
    /// The system refuses for another reason.
    #[error("{path} cannot be used: {error}")]
    System {
        /// The port.
        path: PathBuf,
        /// What went wrong.
        error: Errno,
    },
}

/// A line to a card, not blocking.
#[derive(Debug)]
pub struct Line {
    file: OwnedFd,
    name: String,
}

impl Line {
    /// Opens a serial port for this process alone, raw, at `baud` bits a second.
    ///
    /// # Errors
    /// See [`LineError`].
    pub fn open(path: &Path, baud: u32) -> Result<Self, LineError> {
        let at = || path.to_path_buf();
        let system = |error| LineError::System { path: at(), error };
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT | Errno::NXIO | Errno::NODEV => LineError::NoPort { path: at() },
            Errno::ACCESS | Errno::PERM => LineError::Permission {
                path: at(),
                group: group_of(path),
            },
            Errno::BUSY => LineError::InUse { path: at() },
            Errno::ISDIR | Errno::NOTDIR => LineError::NotSerial { path: at() },
            error => system(error),
        })?;
        if !termios::isatty(&file) {
            return Err(LineError::NotSerial { path: at() });
        }
        // The lock is for those whom the kernel lets in all the same: root.
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => LineError::InUse { path: at() },
            error => system(error),
        })?;
        termios::ioctl_tiocexcl(&file).map_err(system)?;
        set_up(&file, path, baud)?;
        hurry(file.as_fd());
        // What came before was for somebody else.
        tcflush(&file, QueueSelector::IOFlush).map_err(system)?;
        Ok(Self {
            file,
            name: path.display().to_string(),
        })
    }

    /// Takes a descriptor that carries bytes both ways, such as a socket; `name` is for people.
    ///
    /// # Errors
    /// The system refuses to make it non-blocking.
    pub fn of(file: impl Into<OwnedFd>, name: impl Into<String>) -> Result<Self, Errno> {
        let file = file.into();
        rustix::io::ioctl_fionbio(&file, true)?;
        Ok(Self {
            file,
            name: name.into(),
        })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a pseudo-terminal, whose other end is a program.
    pub fn is_pseudo(&self) -> bool {
        /// Device numbers of UNIX98 pseudo-terminals (Documentation/admin-guide/devices.txt).
        const MAJORS: std::ops::RangeInclusive<u32> = 136..=143;
        let device = rustix::fs::fstat(&self.file).map(|stat| rustix::fs::major(stat.st_rdev));
        device.is_ok_and(|major| MAJORS.contains(&major))
    }

    /// Reads what is there; 0 bytes are the end of the line.
    pub(super) fn read(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(&self.file, bytes)
    }

    /// Writes what there is room for.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::write(&self.file, bytes)
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Makes a terminal carry bytes as they are, at `baud` bits a second.
fn set_up(file: &OwnedFd, path: &Path, baud: u32) -> Result<(), LineError> {
    let at = || path.to_path_buf();
    let system = |error| LineError::System { path: at(), error };
    let rate = |got| LineError::Rate {
        path: at(),
        baud,
        got,
    };
    let mut settings = tcgetattr(file).map_err(system)?;
    settings.make_raw();
    // No parity, one stop bit, nobody asks for a carrier or for room; boards that reset when
    // a line for modems falls are left alone at the end.
    settings.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
    settings.control_modes -= ControlModes::CSTOPB | ControlModes::CRTSCTS | ControlModes::HUPCL;
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    settings.set_speed(baud).map_err(|_| rate(None))?;
    tcsetattr(file, OptionalActions::Now, &settings).map_err(|error| match error {
        Errno::INVAL => rate(None),
        error => system(error),
    })?;
    // A driver takes the nearest that it has, and says so here.
    let got = tcgetattr(file).map_err(system)?.output_speed();
    let error = u64::from(got.abs_diff(baud)) * 1000;
    match error > u64::from(baud) * RATE_ERROR {
        true => Err(rate(Some(got))),
        false => Ok(()),
    }
}

/// Asks the driver of the port to pass bytes on at once (FTDI's waits 16 ms otherwise), and says
/// that this end is ready, where there is anybody to tell. A port that knows neither works too.
fn hurry(file: BorrowedFd<'_>) {
    /// `struct serial_struct` of the kernel's `linux/serial.h`, of which only the flags matter here.
    #[repr(C)]
    struct Serial {
        before: [libc::c_int; 4],
        flags: libc::c_int,
        after: [u64; 8],
    }
    /// `ASYNC_LOW_LATENCY` of `linux/tty_flags.h`.
    const LOW_LATENCY: libc::c_int = 1 << 13;
    let mut serial = Serial {
        before: [0; 4],
        flags: 0,
        after: [0; 8],
    };
    // SAFETY: the call fills a `serial_struct`, which is no longer than this one.
    let known = unsafe { libc::ioctl(file.as_raw_fd(), libc::TIOCGSERIAL as _, &raw mut serial) };
    if known == 0 {
        serial.flags |= LOW_LATENCY;
        // SAFETY: the call reads a `serial_struct` that the kernel filled, but for one flag; pointers
        // in it are the kernel's own, given back.
        let _ = unsafe { libc::ioctl(file.as_raw_fd(), libc::TIOCSSERIAL as _, &raw const serial) };
    }
    let ready: libc::c_int = libc::TIOCM_DTR | libc::TIOCM_RTS;
    // SAFETY: the call reads one number.
    let _ = unsafe { libc::ioctl(file.as_raw_fd(), libc::TIOCMBIS, &raw const ready) };
}

/// Name of the group that a file belongs to, or its number.
fn group_of(path: &Path) -> String {
    let number = fs::metadata(path).map_or(0, |file| file.gid());
    let groups = File::open("/etc/group").and_then(std::io::read_to_string);
    let groups = groups.unwrap_or_default();
    let name = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found = fields.nth(1)?.parse() == Ok(number);
        found.then(|| name.to_string())
    });
    name.unwrap_or_else(|| number.to_string())
}

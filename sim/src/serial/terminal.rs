//! A pseudo-terminal that stands for a serial port.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Where pseudo-terminals are.
const TERMINALS: &str = "/dev/pts";

/// One end of a pseudo-terminal, raw. Programs open the other as a serial port, one after the other;
/// that one goes does not end it.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    /// Kept open, so that this end does not see programs come and go.
    _other: OwnedFd,
    path: PathBuf,
    link: Option<PathBuf>,
}

impl Terminal {
    /// A new one.
    ///
    /// # Errors
    /// The system has none.
    pub fn new() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other = open(name.as_c_str(), flags, Mode::empty())?;
        let mut settings = tcgetattr(&other)?;
        settings.make_raw();
        tcsetattr(&other, OptionalActions::Now, &settings)?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        Ok(Self {
            master,
            _other: other,
            path,
            link: None,
        })
    }

    /// A new one that is found at `path` too, until this is dropped. A link that an earlier one has
    /// left there, and that leads nowhere, is replaced.
    ///
    /// # Errors
    /// The system has none, or something else is at `path`.
    pub fn at(path: &Path) -> io::Result<Self> {
        let target = fs::read_link(path);
        if target.is_ok_and(|target| target.starts_with(TERMINALS) && !target.exists()) {
            fs::remove_file(path)?;
        }
        let mut terminal = Self::new()?;
        symlink(&terminal.path, path)?;
        terminal.link = Some(path.into());
        Ok(terminal)
    }

    /// What programs open.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(link) = &self.link
            && fs::read_link(link).is_ok_and(|target| target == self.path)
        {
            // It leads nowhere from now on.
            let _ = fs::remove_file(link);
        }
    }
}

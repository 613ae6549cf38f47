//! Files of a client, each kept open once.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use rustix::fs::{OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;

/// What makes two descriptors the same: device, inode, and how the file was opened.
type Key = (u64, u64, OFlags);

/// Files that are in use.
///
/// A client that maps its memory page by page sends a descriptor with each page, thousands of the
/// same file. One of them is kept.
#[derive(Debug, Default)]
pub struct Files {
    known: HashMap<Key, Weak<OwnedFd>>,
}

impl Files {
    /// The descriptor to use for a file that came.
    ///
    /// # Errors
    /// When the system does not say what file it is.
    pub fn share(&mut self, file: OwnedFd) -> Result<Arc<OwnedFd>, Errno> {
        let found = fstat(&file)?;
        let key = (found.st_dev, found.st_ino, fcntl_getfl(&file)?);
        if let Some(known) = self.known.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        self.known.retain(|_, file| file.strong_count() > 0);
        let file = Arc::new(file);
        self.known.insert(key, Arc::downgrade(&file));
        Ok(file)
    }

    /// Forgets all files.
    pub fn clear(&mut self) {
        self.known.clear();
    }
}

//! Why the kernel does not give a function, and what to do.

use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::sysfs::{Address, Device, SysfsError, forbidden, not_viable};

/// Why a function cannot be had through vfio-pci. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there, or the machine lacks something for it.
    #[error(transparent)]
    Sysfs(#[from] SysfsError),
    /// Another driver has it.
    #[error(
        "{} has the card {address}: give it to vfio-pci with `sudo systole device bind {address}`",
        .driver.as_ref().map_or("no driver".into(), |name| format!("the driver {name}"))
    )]
    NotBound {
        /// Where it sits.
        address: Address,
        /// Who has it.
        driver: Option<String>,
    },
    /// The kernel keeps a part of its IOMMU group.
    #[error("{}", not_viable(*.group, .others))]
    NotViable {
        /// The group.
        group: u32,
        /// Who is in the way.
        others: Vec<Device>,
    },
    /// A device file is missing or may not be opened.
    #[error("{}", forbidden(.path))]
    Forbidden {
        /// The file.
        path: PathBuf,
    },
    /// Another program has it.
    #[error(
        "another program uses the card ({path} is busy): end it; `sudo fuser -v {path}` names it"
    )]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The kernel was asked for a way that it does not have.
    #[error("the kernel offers no {way} for {address}: {why}")]
    NoWay {
        /// Where it sits.
        address: Address,
        /// The way.
        way: &'static str,
        /// What is missing.
        why: String,
    },
    /// Another failure.
    #[error("{what}: {error}")]
    Failed {
        /// What was tried.
        what: String,
        /// What the kernel said.
        error: Errno,
    },
}

impl OpenError {
    /// A call that failed.
    pub(super) fn failed(what: &str) -> impl FnOnce(Errno) -> Self + '_ {
        move |error| Self::Failed {
            what: what.into(),
            error,
        }
    }
}

/// Why memory could not be mapped.
pub(super) fn map_refusal(bytes: usize, error: Errno) -> String {
    match error {
        Errno::NOMEM => {
            let limit = getrlimit(Resource::Memlock).current;
            let limit = limit.map_or("no limit".into(), |bytes| format!("{} KiB", bytes >> 10));
            format!(
                "the kernel may keep no more memory of this process in place (RLIMIT_MEMLOCK is \
                 {limit}, and {} KiB more were to be mapped): raise it with `ulimit -l unlimited`, \
                 LimitMEMLOCK=infinity of a systemd service, or a `memlock` line in \
                 /etc/security/limits.conf",
                bytes >> 10
            )
        }
        Errno::NOSPC => "the IOMMU takes no more mappings (`dma_entry_limit` of the module \
                         vfio_iommu_type1)"
            .into(),
        error => format!("the IOMMU refuses it: {error}"),
    }
}

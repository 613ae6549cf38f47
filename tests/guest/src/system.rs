//! What the first program of a Linux has to do before anything else runs, and at its end.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};

/// Modules to load, in this order, by the names of their files.
const MODULES: &str = "/modules";

/// Makes the kernel's own file systems visible.
pub fn mount() -> Result<()> {
    for (kind, place) in [
        (c"proc", c"/proc"),
        (c"sysfs", c"/sys"),
        (c"devtmpfs", c"/dev"),
    ] {
        // SAFETY: all pointers are to strings that end with 0 and outlive the call; these file
        // systems take no data.
        let result = unsafe {
            libc::mount(
                kind.as_ptr(),
                place.as_ptr(),
                kind.as_ptr(),
                0,
                std::ptr::null(),
            )
        };
        check(result).with_context(|| format!("cannot mount {}", place.to_string_lossy()))?;
    }
    Ok(())
}

/// Loads the modules of the initial file system, by the order of their names.
pub fn load_modules() -> Result<()> {
    let entries = fs::read_dir(MODULES).with_context(|| format!("cannot list {MODULES}"))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let none = CString::default();
    for path in paths {
        let load = || {
            let file = File::open(&path)?;
            // SAFETY: the descriptor is open and the parameters are a string that ends with 0;
            // both outlive the call.
            let result = unsafe {
                libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), none.as_ptr(), 0)
            };
            check(result as i32)
        };
        load().with_context(|| format!("cannot load {}", path.display()))?;
    }
    Ok(())
}

/// Sets pages of 2 MiB aside.
pub fn reserve_huge_pages(count: u32) -> Result<()> {
    let path = "/proc/sys/vm/nr_hugepages";
    fs::write(path, count.to_string()).with_context(|| format!("cannot write {path}"))
}

/// Version of the kernel.
pub fn kernel_release() -> Result<String> {
    Ok(read("/proc/sys/kernel/osrelease")?.trim().into())
}

/// Seconds since the kernel started.
pub fn uptime() -> Result<f64> {
    let text = read("/proc/uptime")?;
    let seconds = text.split(' ').next().and_then(|text| text.parse().ok());
    seconds.context("/proc/uptime begins with no number")
}

/// Ends the machine.
pub fn power_off() -> ! {
    // SAFETY: both calls only take numbers; what was reported went straight to its serial line.
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_POWER_OFF);
    }
    panic!(
        "the machine does not power off: {}",
        io::Error::last_os_error()
    );
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn check(result: i32) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

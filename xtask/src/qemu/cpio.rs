//! Archives from which Linux makes its first file system (Linux documentation, initramfs buffer
//! format: cpio, the format "newc"). Archives one after another are one file system.

/// An archive under construction.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

const FOLDER: u32 = 0o040755;
const FILE: u32 = 0o100644;
const PROGRAM: u32 = 0o100755;
const CHARACTER_DEVICE: u32 = 0o020600;

impl Archive {
    /// Adds a folder. The folders above it come first.
    pub fn folder(&mut self, path: &str) {
        self.entry(path, FOLDER, (0, 0), &[]);
    }

    /// Adds a file of less than 4 GiB.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        self.entry(path, FILE, (0, 0), contents);
    }

    /// Adds a file that can be started.
    pub fn program(&mut self, path: &str, contents: &[u8]) {
        self.entry(path, PROGRAM, (0, 0), contents);
    }

    /// Adds a character device with these numbers.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, CHARACTER_DEVICE, (major, minor), &[]);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), contents: &[u8]) {
        let size = u32::try_from(contents.len()).expect("files are smaller than 4 GiB");
        let fields = [
            self.entries, // inode
            mode,
            0, // user
            0, // group
            1, // links
            0, // time of change
            size,
            0, // device that holds the file: major
            0, // and minor
            major,
            minor,
            path.len() as u32 + 1,
            0, // checksum, not used in this format
        ];
        self.entries += 1;
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `cpio -o -H newc --renumber-inodes -R 0:0` of GNU cpio 2.13 makes of the same files,
    /// changed on 1 January 1970, with number 0 for the device that holds them.
    const EXPECTED: &str = "\
        07070100000000000021800000000000000000000000010000000000000000000000000000000000000005\
        000000010000000C00000000dev/console\0\0\0\
        07070100000001000081ED0000000000000000000000010000000000000005000000000000000000000000\
        000000000000000200000000a\x0012345\0\0\0\
        07070100000000000000000000000000000000000000010000000000000000000000000000000000000000\
        000000000000000B00000000TRAILER!!!\0\0\0\0";

    #[test]
    fn an_archive_is_what_cpio_makes() {
        let mut archive = Archive::default();
        archive.device("dev/console", 5, 1);
        archive.program("a", b"12345");
        let bytes = archive.finish();
        assert_eq!(String::from_utf8_lossy(&bytes), EXPECTED);
        assert_eq!(bytes.len() % 4, 0);
    }
}

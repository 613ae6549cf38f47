//! The kernel of Debian's package: the image that QEMU starts, and its modules.
//!
//! The package has a bzImage, which unpacks itself; under emulation that takes longer than all
//! the rest of the start. What it would unpack is an ELF file that QEMU can start directly (by
//! the PVH entry point), so it is unpacked here.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{entries, files, read};

/// Modules that the guest loads, in an order in which each finds what it needs.
const MODULES: [&str; 6] = [
    "irqbypass",
    OPTIONAL,
    "vfio",
    "vfio_iommu_type1",
    "vfio-pci-core",
    "vfio-pci",
];

/// Debian's kernels are built without it: there, the older interface of groups and containers is
/// the only one.
const OPTIONAL: &str = "iommufd";

/// The kernel in an unpacked package.
pub struct Kernel {
    image: PathBuf,
    /// The folder of its modules and of lists of them.
    modules: PathBuf,
}

impl Kernel {
    /// Finds the one kernel below `root`.
    pub fn find(root: &Path) -> Result<Self> {
        let mut images = entries(&root.join("boot"))?;
        images.retain(|path| file_name(path).starts_with("vmlinuz-"));
        let [image] = &images[..] else {
            bail!("{} kernels below {}, not one", images.len(), root.display());
        };
        let version = file_name(image).trim_start_matches("vmlinuz-");
        Ok(Self {
            modules: root.join("usr/lib/modules").join(version),
            image: image.clone(),
        })
    }

    /// The ELF file inside the image.
    pub fn vmlinux(&self) -> Result<Vec<u8>> {
        let image = read(&self.image)?;
        vmlinux(&image).with_context(|| format!("in {}", self.image.display()))
    }

    /// The modules that the guest loads: names and contents, in order. What is built into the
    /// kernel needs none.
    pub fn modules(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let folder = self.modules.join("kernel");
        let files = match folder.is_dir() {
            true => files(&folder)?,
            false => Vec::new(),
        };
        let built_in = read(&self.modules.join("modules.builtin"))?;
        let built_in = String::from_utf8_lossy(&built_in);
        let mut modules = Vec::new();
        for name in MODULES {
            if let Some(path) = files.iter().find(|path| is_module(path, name)) {
                let contents = unpack(&read(path)?);
                let contents = contents.with_context(|| format!("in {}", path.display()))?;
                modules.push((name, contents));
            } else if !built_in
                .lines()
                .any(|line| is_module(Path::new(line), name))
            {
                ensure!(
                    name == OPTIONAL,
                    "no module {name} in {}",
                    self.modules.display()
                );
            }
        }
        Ok(modules)
    }
}

/// Whether a file, packed or not, is the module `name`.
fn is_module(path: &Path, name: &str) -> bool {
    let mut parts = file_name(path).split('.');
    // The kernel writes both signs for the same.
    parts
        .next()
        .is_some_and(|stem| stem.replace('_', "-") == name.replace('_', "-"))
        && parts.next() == Some("ko")
}

/// The kernel that a bzImage holds (Linux documentation, x86 boot protocol 2.08 or later).
fn vmlinux(image: &[u8]) -> Result<Vec<u8>> {
    let word = |offset: usize| {
        let bytes = image.get(offset..offset + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes) as usize)
    };
    let header = || {
        let magic = image.get(0x202..0x206)? == b"HdrS";
        let version = word(0x206)? & 0xffff;
        let setup_sectors = match *image.get(0x1f1)? {
            0 => 4,
            sectors => usize::from(sectors),
        };
        (magic && version >= 0x208).then_some(())?;
        let start = (setup_sectors + 1) * 512 + word(0x248)?;
        image.get(start..start.checked_add(word(0x24c)?)?)
    };
    let payload = header().context("no bzImage with a payload")?;
    // The last four bytes are the size of what is packed, whatever packs it.
    let (packed, size) = payload
        .split_last_chunk::<4>()
        .map(|(packed, size)| (packed, u32::from_le_bytes(*size)))
        .context("the payload is empty")?;
    let kernel = unpack(if is_gzip(payload) { payload } else { packed })?;
    ensure!(
        kernel.len() == size as usize && kernel.starts_with(b"\x7fELF"),
        "the payload is no kernel of {size} bytes"
    );
    Ok(kernel)
}

/// A gzip stream ends with the size itself.
fn is_gzip(packed: &[u8]) -> bool {
    packed.starts_with(b"\x1f\x8b")
}

/// Unpacks zstd, xz or gzip, by their first bytes. What is not packed stays as it is.
fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    let mut contents = Vec::new();
    if packed.starts_with(b"\x28\xb5\x2f\xfd") {
        ruzstd::decoding::StreamingDecoder::new(packed)
            .context("damaged zstd")?
            .read_to_end(&mut contents)?;
    } else if packed.starts_with(b"\xfd7zXZ\0") {
        lzma_rust2::XzReader::new(packed, false).read_to_end(&mut contents)?;
    } else if is_gzip(packed) {
        flate2::read::GzDecoder::new(packed).read_to_end(&mut contents)?;
    } else {
        contents.extend_from_slice(packed);
    }
    Ok(contents)
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A bzImage with three sectors of setup and a gap before its payload.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 4 * 512 + 40];
        image[0x1f1] = 3;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x248..0x24c].copy_from_slice(&40_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        image.extend(payload);
        image.extend(b"what follows the payload");
        image
    }

    fn gzip(contents: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(contents).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_kernel_is_taken_out_of_its_image() {
        let kernel = [b"\x7fELF".as_slice(), &[7; 5000]].concat();
        assert_eq!(vmlinux(&image(&gzip(&kernel))).unwrap(), kernel);
        let plain = [&kernel[..], &(kernel.len() as u32).to_le_bytes()].concat();
        assert_eq!(vmlinux(&image(&plain)).unwrap(), kernel);
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        let good = image(&gzip(b"\x7fELF and more"));
        assert!(vmlinux(&good).is_ok());
        for length in [0, 0x206, 0x24e, 4 * 512 + 40, good.len() - 30] {
            assert!(vmlinux(&good[..length]).is_err(), "{length} bytes");
        }
        assert!(vmlinux(&image(&gzip(b"no kernel"))).is_err());
        assert!(vmlinux(&image(b"\x7fELF\x09\0\0\0")).is_err());
        assert!(vmlinux(&image(b"")).is_err());
    }
}

//! prjxray's database of a family: which tiles a die has, where their bits are, and what they mean.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Deserialize;

use super::FramesError;

/// Bits of one tile on one bus of the configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct TileBits {
    baseaddr: String,
    offset: u32,
    #[serde(default)]
    alias: Option<Alias>,
}

/// The tile is a part of one of another type.
#[derive(Clone, Debug, Deserialize)]
struct Alias {
    #[serde(rename = "type")]
    kind: String,
    start_offset: u32,
    sites: HashMap<String, String>,
}

/// A tile of a die.
#[derive(Clone, Debug, Deserialize)]
pub struct Tile {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    bits: HashMap<String, TileBits>,
    sites: HashMap<String, String>,
}

impl Tile {
    /// The pins in it, as features name them.
    pub fn pads(&self) -> impl Iterator<Item = String> + '_ {
        self.sites.keys().filter_map(|site| {
            let row: u32 = site.rsplit('Y').next()?.parse().ok()?;
            Some(format!("IOB_Y{}", row % 2))
        })
    }
}

/// One bit of a frame, as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bit {
    /// Address of the frame.
    pub frame: u32,
    /// Word in it.
    pub word: usize,
    /// Bit in that.
    pub bit: u32,
    /// Whether it is set.
    pub set: bool,
}

/// A bit of a type of tile: columns and bits from where the tile begins.
#[derive(Clone, Copy, Debug)]
struct SegBit {
    column: u32,
    bit: u32,
    set: bool,
}

/// The features of a type of tile, by their names without the type, and the index.
#[derive(Debug, Default)]
struct Features {
    /// On each bus.
    buses: HashMap<&'static str, HashMap<(String, u32), Vec<SegBit>>>,
    /// Those that are always there and have no bits.
    without_bits: HashMap<String, ()>,
}

/// The buses of the configuration and what their files of bits are called.
const BUSES: [(&str, &str); 2] = [("CLB_IO_CLK", ""), ("BLOCK_RAM", ".block_ram")];

/// What is known of one die in one package.
pub struct Database {
    folder: PathBuf,
    device: String,
    tiles: HashMap<String, Tile>,
    /// The bank of each tile with pins.
    banks: HashMap<String, String>,
    features: RefCell<HashMap<String, Rc<Features>>>,
}

impl Database {
    /// Opens the database of a family in `folder` for a die and a device: die, package and speed.
    ///
    /// # Errors
    /// A file is not there or damaged.
    pub fn open(folder: &Path, die: &str, device: &str) -> Result<Self, FramesError> {
        let grid = folder.join(die).join("tilegrid.json");
        let tiles = serde_json::from_str(&read(&grid)?);
        let tiles = tiles.map_err(|error| FramesError::Damaged {
            path: grid,
            what: error.to_string(),
        })?;
        let pins = folder.join(device).join("package_pins.csv");
        let text = read(&pins)?;
        let banks = text.lines().skip(1).map(|line| {
            let mut fields = line.split(',');
            let bank = fields.nth(1)?.to_string();
            Some((fields.nth(1)?.to_string(), bank))
        });
        let banks: Option<_> = banks.collect();
        Ok(Self {
            folder: folder.into(),
            device: device.into(),
            tiles,
            banks: banks.ok_or_else(|| FramesError::Damaged {
                path: pins,
                what: "a line has no pin, bank, site and tile".into(),
            })?,
            features: RefCell::default(),
        })
    }

    /// The description of the device for the programs that make and read bitstreams.
    pub fn part_file(&self) -> PathBuf {
        self.folder.join(&self.device).join("part.yaml")
    }

    /// A tile by its name.
    pub fn tile(&self, name: &str) -> Option<&Tile> {
        self.tiles.get(name)
    }

    /// The bank of a tile with pins.
    pub fn bank(&self, tile: &str) -> Option<&str> {
        self.banks.get(tile).map(String::as_str)
    }

    /// The tiles of a bank, by name.
    pub fn tiles_of_bank(&self, bank: &str) -> Vec<&str> {
        let tiles = self.banks.iter().filter(|(_, of)| *of == bank);
        let mut tiles: Vec<&str> = tiles.map(|(tile, _)| tile.as_str()).collect();
        tiles.sort_unstable();
        tiles
    }

    /// The bits of a feature of a tile; none where nothing is known by that name.
    ///
    /// # Errors
    /// A file of the database is not there or damaged.
    pub fn bits(
        &self,
        tile: &Tile,
        feature: &str,
        index: u32,
    ) -> Result<Option<Vec<Bit>>, FramesError> {
        let own = self.features(&tile.kind)?;
        if own.without_bits.contains_key(feature) {
            return Ok(Some(Vec::new()));
        }
        for (bus, _) in BUSES {
            let Some(place) = tile.bits.get(bus) else {
                continue;
            };
            let (features, name, skipped) = match &place.alias {
                Some(alias) => {
                    let name = match feature.split_once('.') {
                        Some((site, rest)) => match alias.sites.get(site) {
                            Some(site) => format!("{site}.{rest}"),
                            None => feature.to_string(),
                        },
                        None => feature.to_string(),
                    };
                    (self.features(&alias.kind)?, name, alias.start_offset)
                }
                None => (own.clone(), feature.to_string(), 0),
            };
            let found = features
                .buses
                .get(bus)
                .and_then(|all| all.get(&(name, index)));
            if let Some(found) = found {
                let bits = found.iter().map(|bit| place.place(*bit, skipped));
                let bits: Option<Vec<Bit>> = bits.collect();
                return bits.map(Some).ok_or_else(|| FramesError::Damaged {
                    path: self.folder.join("tilegrid.json"),
                    what: format!("bits of {} {feature} lie outside of its frames", tile.kind),
                });
            }
        }
        Ok(None)
    }

    /// The features of a type of tile.
    fn features(&self, kind: &str) -> Result<Rc<Features>, FramesError> {
        if let Some(known) = self.features.borrow().get(kind) {
            return Ok(known.clone());
        }
        let mut features = Features::default();
        let lower = kind.to_ascii_lowercase();
        for (bus, suffix) in BUSES {
            let path = self.folder.join(format!("segbits_{lower}{suffix}.db"));
            if path.exists() {
                let all = lines(&path, kind, segbits)?;
                features.buses.insert(bus, all.into_iter().collect());
            }
        }
        let path = self.folder.join(format!("ppips_{lower}.db"));
        if path.exists() {
            let all = lines(&path, kind, |name, _| Some((name.to_string(), ())))?;
            features.without_bits = all.into_iter().collect();
        }
        let features = Rc::new(features);
        let mut known = self.features.borrow_mut();
        known.insert(kind.to_string(), features.clone());
        Ok(features)
    }
}

impl TileBits {
    /// Where a bit of the type lies in this tile.
    fn place(&self, bit: SegBit, skipped: u32) -> Option<Bit> {
        let digits = self.baseaddr.strip_prefix("0x")?;
        let first = u32::from_str_radix(digits, 16).ok()?;
        let at = (self.offset * 32 + bit.bit).checked_sub(skipped * 32)?;
        let word = (at / 32) as usize;
        (word < super::FRAME_WORDS).then_some(Bit {
            frame: first + bit.column,
            word,
            bit: at % 32,
            set: bit.set,
        })
    }
}

/// Reads the lines of a file about a type of tile; `item` sees the name and what stands behind it.
fn lines<T>(
    path: &Path,
    kind: &str,
    item: impl Fn(&str, &str) -> Option<T>,
) -> Result<Vec<T>, FramesError> {
    let text = read(path)?;
    let filled = text.lines().filter(|line| !line.trim().is_empty());
    let items = filled.map(|line| {
        let (name, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let name = name
            .strip_prefix(kind)
            .and_then(|name| name.strip_prefix('.'));
        let found = name.and_then(|name| item(name, rest));
        found.ok_or_else(|| FramesError::Damaged {
            path: path.into(),
            what: format!("line `{line}`"),
        })
    });
    items.collect()
}

/// `ALUT.INIT[03] 33_12 !32_09`.
fn segbits(name: &str, rest: &str) -> Option<((String, u32), Vec<SegBit>)> {
    let key = match name.rsplit_once('[') {
        Some((base, index)) => (base.to_string(), index.strip_suffix(']')?.parse().ok()?),
        None => (name.to_string(), 0),
    };
    let bits = rest.split(' ').map(|text| {
        let (set, place) = match text.strip_prefix('!') {
            Some(place) => (false, place),
            None => (true, text),
        };
        let (column, bit) = place.split_once('_')?;
        Some(SegBit {
            column: column.parse().ok()?,
            bit: bit.parse().ok()?,
            set,
        })
    });
    Some((key, bits.collect::<Option<_>>()?))
}

fn read(path: &Path) -> Result<String, FramesError> {
    fs::read_to_string(path).map_err(|error| FramesError::Missing {
        path: path.into(),
        error,
    })
}

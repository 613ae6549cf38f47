//! FASM to frames, with a database of a few tiles whose bits are known by hand.

use std::fs;
use std::path::Path;

use fpga::frames::{Database, Frames, FramesError};

const GRID: &str = r#"{
  "INT_L_X0Y0": { "type": "INT_L", "sites": {}, "grid_x": 1, "bits": {
    "CLB_IO_CLK": { "baseaddr": "0x00000400", "frames": 28, "offset": 99, "words": 2 } } },
  "BRAM_L_X6Y0": { "type": "BRAM_L", "sites": {}, "bits": {
    "CLB_IO_CLK": { "baseaddr": "0x00000500", "frames": 28, "offset": 0, "words": 10 },
    "BLOCK_RAM": { "baseaddr": "0x00800000", "frames": 128, "offset": 0, "words": 10 } } },
  "LIOB33_X0Y1": { "type": "LIOB33", "sites": { "IOB_X0Y1": "IOB33S", "IOB_X0Y2": "IOB33M" },
    "bits": {
    "CLB_IO_CLK": { "baseaddr": "0x00400000", "frames": 42, "offset": 4, "words": 4 } } },
  "LIOB33_X0Y3": { "type": "LIOB33", "sites": { "IOB_X0Y3": "IOB33S", "IOB_X0Y4": "IOB33M" },
    "bits": {
    "CLB_IO_CLK": { "baseaddr": "0x00400000", "frames": 42, "offset": 8, "words": 4 } } },
  "LIOB33_SING_X0Y0": { "type": "LIOB33_SING", "sites": { "IOB_X0Y0": "IOB33" }, "bits": {
    "CLB_IO_CLK": { "baseaddr": "0x00400000", "frames": 42, "offset": 0, "words": 2,
      "alias": { "type": "LIOB33", "start_offset": 2, "sites": { "IOB33_Y0": "IOB33_Y0" } } } } },
  "NULL_X1Y1": { "type": "NULL", "sites": {}, "bits": {} } }"#;

const PINS: &str = "pin,bank,site,tile,pin_function\n\
    A1,35,IOB_X0Y1,LIOB33_X0Y1,x\nA2,35,IOB_X0Y2,LIOB33_X0Y1,x\n\
    A3,35,IOB_X0Y3,LIOB33_X0Y3,x\nA4,34,IOB_X0Y0,LIOB33_SING_X0Y0,x\n";

const FILES: [(&str, &str); 5] = [
    (
        "segbits_int_l.db",
        "INT_L.A.B 00_00 !01_01\nINT_L.A.C 01_01\nINT_L.TALL 27_63\n",
    ),
    ("ppips_int_l.db", "INT_L.ALWAYS.THERE always\n"),
    (
        "segbits_bram_l.db",
        "BRAM_L.RAMB36.IN_USE 02_40\nBRAM_L.W[0] 03_00\nBRAM_L.W[01] 03_01\n",
    ),
    (
        "segbits_bram_l.block_ram.db",
        "BRAM_L.RAMB18_Y0.INIT[000] 00_32\nBRAM_L.RAMB18_Y0.INIT[255] 127_319\n",
    ),
    (
        "segbits_liob33.db",
        "LIOB33.IOB_Y0.STEPDOWN 39_95\nLIOB33.IOB_Y1.STEPDOWN 38_32\nLIOB33.IOB_Y0.IN 10_64\n",
    ),
];

fn database(folder: &Path) -> Database {
    fs::create_dir_all(folder.join("die")).unwrap();
    fs::create_dir_all(folder.join("device")).unwrap();
    fs::write(folder.join("die/tilegrid.json"), GRID).unwrap();
    fs::write(folder.join("device/package_pins.csv"), PINS).unwrap();
    for (name, text) in FILES {
        fs::write(folder.join(name), text).unwrap();
    }
    Database::open(folder, "die", "device").unwrap()
}

/// The bits of a FASM text, as `bitread -y` would list them.
fn assert_bits(database: &Database, fasm: &str, bits: &str) {
    let frames = Frames::assemble(fasm, database).unwrap_or_else(|error| panic!("{fasm}: {error}"));
    let expected = Frames::read(bits).unwrap();
    assert_eq!(frames.difference(&expected), None, "{fasm}");
    assert_eq!(frames, expected, "{fasm}");
}

#[test]
fn features_set_the_bits_of_their_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path());
    for (fasm, bits) in [
        ("", ""),
        ("INT_L_X0Y0.A.B", "bit_00000400_099_00"),
        ("INT_L_X0Y0.A.C", "bit_00000401_099_01"),
        ("INT_L_X0Y0.TALL", "bit_0000041b_100_31"),
        ("INT_L_X0Y0.ALWAYS.THERE", ""),
        ("INT_L_X0Y0.A.B = 0", ""),
        // The bit that the one feature clears is the one that the other sets.
        ("INT_L_X0Y0.A.B = 0\nINT_L_X0Y0.A.C", "bit_00000401_099_01"),
        ("BRAM_L_X6Y0.RAMB36.IN_USE", "bit_00000502_001_08"),
        ("BRAM_L_X6Y0.W[1:0] = 2'b10", "bit_00000503_000_01"),
        ("BRAM_L_X6Y0.W", "bit_00000503_000_00"),
        ("BRAM_L_X6Y0.RAMB18_Y0.INIT[0]", "bit_00800000_001_00"),
        (
            "BRAM_L_X6Y0.RAMB18_Y0.INIT[255:254] = 2'b10",
            "bit_0080007f_009_31",
        ),
        ("LIOB33_X0Y1.IOB_Y0.IN", "bit_0040000a_006_00"),
        // The single tile is the upper half of a whole one.
        ("LIOB33_SING_X0Y0.IOB_Y0.IN", "bit_0040000a_000_00"),
    ] {
        assert_bits(&database, fasm, bits);
    }
}

#[test]
fn a_bank_steps_down_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path());
    // The other pin of the tile and both of the next tile have nobody who uses them.
    assert_bits(
        &database,
        "LIOB33_X0Y1.IOB_Y1.STEPDOWN",
        "bit_00400027_006_31 bit_00400026_005_00 bit_00400027_010_31 bit_00400026_009_00",
    );
    // A pin that is used says itself what it wants; other banks are left alone.
    assert_bits(
        &database,
        "LIOB33_X0Y3.IOB_Y0.IN\nLIOB33_X0Y1.IOB_Y1.STEPDOWN",
        "bit_0040000a_010_00 bit_00400027_006_31 bit_00400026_005_00 bit_00400026_009_00",
    );
    assert_bits(
        &database,
        "LIOB33_SING_X0Y0.IOB_Y0.STEPDOWN",
        "bit_00400027_000_31",
    );
}

#[test]
fn what_does_not_go_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path());
    let error = |fasm: &str| Frames::assemble(fasm, &database).unwrap_err().to_string();
    let text = error("\nINT_L_X9Y9.A.B");
    assert!(
        text.contains("line 2") && text.contains("INT_L_X9Y9"),
        "{text}"
    );
    let text = error("INT_L_X0Y0.A.Z");
    assert!(text.contains("INT_L have no feature `A.Z`"), "{text}");
    let text = error("BRAM_L_X6Y0.W[5]");
    assert!(text.contains("`W[5]`"), "{text}");
    assert!(error("NULL_X1Y1.A").contains("NULL have no feature"));
    let text = error("INT_L_X0Y0.A.B\nINT_L_X0Y0.A.C");
    assert!(
        text.contains("lines 1 and 2") && text.contains("0x00000401"),
        "{text}"
    );
    // What a feature clears counts as much as what it sets.
    assert!(error("INT_L_X0Y0.A.C\nINT_L_X0Y0.A.B").contains("differently"));
}

#[test]
fn a_damaged_database_is_told_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    drop(database(path));
    for (file, text) in [
        ("die/tilegrid.json", "{"),
        ("device/package_pins.csv", "pin,bank\nA1\n"),
        ("segbits_int_l.db", "INT_L.A.B 0x_1\n"),
        ("segbits_int_l.db", "INT_R.A.B 00_01\n"),
        ("segbits_int_l.db", "INT_L.A.B 00_64\n"),
    ] {
        let before = fs::read_to_string(path.join(file)).unwrap();
        fs::write(path.join(file), text).unwrap();
        let opened = Database::open(path, "die", "device");
        let result = opened.and_then(|database| Frames::assemble("INT_L_X0Y0.A.B", &database));
        let error = result.expect_err(text);
        assert!(
            matches!(error, FramesError::Damaged { .. }),
            "{file} {error}"
        );
        fs::write(path.join(file), before).unwrap();
    }
    fs::remove_file(path.join("die/tilegrid.json")).unwrap();
    let error = Database::open(path, "die", "device")
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("tilegrid.json"), "{error}");
}

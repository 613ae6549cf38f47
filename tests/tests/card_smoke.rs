//! One product through the whole card, and the figures of its speed.

use isa::command::{Command, Gemm, Load, Operation, Store};
use isa::config::Config;
use isa::model::Memory;
use systole_tests::bench::{BASE, BYTES, DATA, Device, Host, Model, Rtl};

#[test]
fn one_product_matches_the_model() {
    let config = Config::with_array(4, 4);
    let mut rtl = Rtl::new(&config, &sim::Options::default());
    let mut model = Model::new(&config);
    let mut data = vec![0u8; 4096];
    let mut seed = 12345u64;
    for byte in &mut data {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *byte = (seed >> 56) as u8;
    }
    let (m, tiles) = (7, 5);
    let load = |buffer, src, lines| {
        Operation::Load(Load { src, buffer, dst_line: 0, row_lines: lines, rows: 1, stride: 0 })
    };
    let mut program = vec![
        Command { wait: 0, signal: 1, operation: load(0, DATA, 16) },
        Command { wait: 0, signal: 1, operation: load(1, DATA + 512, 16) },
        Command { wait: 0, signal: 1, operation: load(2, DATA + 1024, 2) },
        Command { wait: 0, signal: 2, operation: load(3, DATA + 2048, 4) },
    ];
    for format in 0..3 {
        let gemm = Operation::Gemm(Gemm { m, act_stride: m, k_tiles: tiles, ..Gemm::default() });
        let wait = if format == 0 { 3 } else { 8 };
        program.push(Command { wait, signal: 4, operation: gemm });
        let store = Operation::Store(Store {
            dst: DATA + 0x4000 + 0x1000 * format,
            m,
            format: format as u8,
            ..Store::default()
        });
        program.push(Command { wait: 4, signal: 8, operation: store });
    }
    let devices: [&mut dyn Device; 2] = [&mut rtl, &mut model];
    for device in devices {
        assert!(device.memory().write(DATA, &data));
        let mut host = Host::start(device);
        let done = host.run(device, &program);
        println!("{done:?}");
        assert_eq!(done.status, 0);
    }
    let (mut a, mut b) = (vec![0; BYTES - 0x10000], vec![0; BYTES - 0x10000]);
    assert!(rtl.memory().read(BASE + 0x10000, &mut a));
    assert!(model.memory().read(BASE + 0x10000, &mut b));
    for format in 0..3 {
        let at = 0x4000 + 0x1000 * format;
        for row in 0..3 { println!("{format} rtl {:?} model {:?}", &a[at + row * 16..at + row * 16 + 16], &b[at + row * 16..at + row * 16 + 16]); }
    }
    let first = a.iter().zip(&b).position(|(a, b)| a != b);
    assert_eq!(first, None, "first byte that differs");
}

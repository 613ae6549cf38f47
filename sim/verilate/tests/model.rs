//! Models behave as their Verilog says, through every kind of port.

mod common;

use common::cache_dir;
use verilate::{Design, Library, Model, Options, build, so_path};

/// A model of `verilog`, whose top module is `top`.
fn model(verilog: &str) -> Model {
    let design = Design::from_verilog("top", verilog).unwrap();
    build(&design, &Options::default(), &cache_dir())
        .unwrap()
        .instantiate()
}

const COUNTER: &str = "module top(clock,enable,count,next);
    input wire  clock;
    input wire  enable;
    output reg  [31:0] count;
    output reg  [31:0] next;
    initial count = 32'd0;
    always @(*) next = count + {31'd0, enable};
    always @(posedge clock) count <= next;
endmodule // top
";

#[test]
fn counter_counts_cycles() {
    let mut model = model(COUNTER);
    let [enable, count, next] = ["enable", "count", "next"].map(|n| model.port(n).unwrap());
    model.cycle();
    assert_eq!(model.get(count), 0);
    // Inputs that are set before a cycle are seen at its edge, the first one included.
    model.set(enable, 1);
    model.cycle();
    assert_eq!(model.get(count), 1);
    model.cycles(1000);
    assert_eq!(model.get(count), 1001);
    // Combinational logic follows `eval`, and the state does not.
    assert_eq!(model.get(next), 1002);
    model.set(enable, 0);
    model.eval();
    assert_eq!((model.get(next), model.get(count)), (1001, 1001));
}

#[test]
fn models_of_one_library_are_apart() {
    let design = Design::from_verilog("top", COUNTER).unwrap();
    let library = build(&design, &Options::default(), &cache_dir()).unwrap();
    let run = |mut model: Model, cycles: u64| {
        let (enable, count) = (model.port("enable").unwrap(), model.port("count").unwrap());
        model.set(enable, 1);
        for _ in 0..cycles {
            model.cycle();
        }
        model.get(count)
    };
    let counts: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=4)
            .map(|n| {
                let model = library.instantiate();
                scope.spawn(move || run(model, n * 1000))
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(counts, [1000, 2000, 3000, 4000]);
}

/// Every width at a border of a storage type passes through a register, `$` and `__` in its name.
#[test]
fn every_width_passes_all_its_bits() {
    const WIDTHS: [u32; 14] = [1, 7, 8, 9, 16, 17, 31, 32, 33, 63, 64, 65, 96, 129];
    let names = WIDTHS.map(|w| format!("d${w},q__x${w}")).join(",");
    let mut verilog = format!("module top(clock,{names});\n    input wire  clock;\n");
    for w in WIDTHS {
        let range = match w {
            1 => String::new(),
            w => format!("[{}:0] ", w - 1),
        };
        verilog += &format!("    input wire  {range}d${w};\n    output reg  {range}q__x${w};\n");
        verilog += &format!("    always @(posedge clock) q__x${w} <= ~d${w};\n");
    }
    verilog += "endmodule // top\n";
    let mut model = model(&verilog);
    for w in WIDTHS {
        let d = model.port(&format!("d${w}")).unwrap();
        let q = model.port(&format!("q__x${w}")).unwrap();
        assert_eq!((model.width(d), model.width(q)), (w, w));
        if w <= 64 {
            let mask = u64::MAX >> (64 - w);
            for value in [0, u64::MAX, 0x0123_4567_89ab_cdef] {
                // Bits above the width are dropped on the way in.
                model.set(d, value);
                model.cycle();
                assert_eq!(model.get(d), value & mask);
                assert_eq!(model.get(q), !value & mask, "width {w}");
            }
        } else {
            let words = vec![0xdead_beef; w.div_ceil(32) as usize];
            model.set_words(d, &words);
            model.cycle();
            let last = u32::MAX >> ((32 - w % 32) % 32);
            let mut expected: Vec<u32> = words.iter().map(|w| !w).collect();
            *expected.last_mut().unwrap() &= last;
            assert_eq!(model.words(q), expected, "width {w}");
        }
    }
}

#[test]
fn signed_ports_keep_their_sign() {
    let mut model = model(
        "module top(clock,a,b$0,product);
    input wire  clock;
    input wire signed [7:0] a;
    input wire signed [7:0] b$0;
    output reg signed [15:0] product;
    always @(posedge clock) product <= a * b$0;
endmodule // top
",
    );
    let [a, b, product] = ["a", "b$0", "product"].map(|n| model.port(n).unwrap());
    for (x, y) in [
        (-128i64, -128i64),
        (-128, 127),
        (127, 127),
        (-1, 1),
        (0, -5),
    ] {
        model.set(a, x as u64);
        model.set(b, y as u64);
        model.cycle();
        assert_eq!(model.get_signed(a), x);
        assert_eq!(model.get_signed(product), x * y);
    }
}

#[test]
fn libraries_load_from_bytes() {
    let design = Design::from_verilog("top", COUNTER).unwrap();
    let path = so_path(&design, &Options::default(), &cache_dir()).unwrap();
    let bytes = std::fs::read(path).unwrap();
    // SAFETY: `so_path` made the bytes.
    let load = || unsafe { Library::from_bytes(&bytes) }.unwrap();
    let mut models = [load().instantiate(), load().instantiate()];
    assert_eq!(load().ports(), design.ports);
    let count = models[0].port("count").unwrap();
    let enable = models[0].port("enable").unwrap();
    models[1].set(enable, 1);
    models.iter_mut().for_each(|m| m.cycles(5));
    assert_eq!(models.map(|m| m.get(count)), [0, 5]);
}

#[test]
fn misuse_of_ports_says_what_to_do() {
    let message = |misuse: fn(&mut Model)| {
        let mut model = model(COUNTER);
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| misuse(&mut model)));
        *panic.unwrap_err().downcast::<String>().unwrap()
    };
    assert!(message(|m| m.set(m.port("count").unwrap(), 1)).contains("is an output"));
    assert!(message(|m| m.set(m.port("clock").unwrap(), 1)).contains("Model::cycle"));
    assert!(
        message(|m| {
            m.words(m.port("count").unwrap());
        })
        .contains("use `get`")
    );
    let error = model(COUNTER).port("coutn").unwrap_err().to_string();
    assert!(error.contains("coutn") && error.contains("enable, count, next"));
}

#[test]
fn waveforms_are_written() {
    let design = Design::from_verilog("top", COUNTER).unwrap();
    let options = Options {
        fst: true,
        ..Options::default()
    };
    let mut model = build(&design, &options, &cache_dir())
        .unwrap()
        .instantiate();
    let folder = tempfile::tempdir().unwrap();
    let enable = model.port("enable").unwrap();
    model.set(enable, 1);
    for name in ["first.fst", "second.fst"] {
        let path = folder.path().join(name);
        model.trace_open(&path).unwrap();
        model.cycles(100);
        model.trace_close();
        // An FST file starts with a header block: type 0, length 329, big-endian.
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[..9], [0, 0, 0, 0, 0, 0, 0, 1, 73]);
    }
    let nowhere = folder.path().join("no/such/folder.fst");
    assert!(model.trace_open(&nowhere).is_err());
}

#[test]
fn waveforms_need_the_option() {
    let error = model(COUNTER)
        .trace_open("unused.fst".as_ref())
        .unwrap_err();
    assert!(error.to_string().contains("Options::fst"));
}

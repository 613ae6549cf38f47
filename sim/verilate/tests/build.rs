//! The cache, and errors of builds.

mod common;

use std::time::Instant;

use common::cache_dir;
use verilate::{Design, Error, Options, Port, build, so_path};

fn inverter(width: u32) -> Design {
    let high = width - 1;
    let verilog = format!(
        "module top(clock,a,q);
    input wire  clock;
    input wire  [{high}:0] a;
    output reg  [{high}:0] q;
    always @(posedge clock) q <= ~a;
endmodule // top
"
    );
    Design::from_verilog("top", verilog).unwrap()
}

#[test]
fn a_second_build_only_loads() {
    let design = inverter(12);
    let options = Options::default();
    let first = so_path(&design, &options, &cache_dir()).unwrap();
    let made = std::fs::metadata(&first).unwrap().modified().unwrap();
    let start = Instant::now();
    let second = so_path(&design, &options, &cache_dir()).unwrap();
    // A compilation takes seconds even on a fast machine.
    assert!(start.elapsed().as_secs_f64() < 1.0);
    assert_eq!(first, second);
    let still = std::fs::metadata(&second).unwrap().modified().unwrap();
    assert_eq!(made, still);
}

#[test]
fn what_differs_gets_its_own_file() {
    let options = Options::default();
    let paths = [inverter(12), inverter(13)].map(|d| so_path(&d, &options, &cache_dir()).unwrap());
    assert_ne!(paths[0], paths[1]);
}

/// A netlist is compiled in pieces, each by itself; it works as what is compiled in one.
#[test]
fn a_large_design_works_as_a_small_one() {
    let mut large = inverter(12);
    large.verilog += &"// a line of a netlist\n".repeat(200_000);
    let models = [inverter(12), large].map(|design| {
        let library = build(&design, &Options::default(), &cache_dir()).unwrap();
        library.instantiate()
    });
    for mut model in models {
        let [a, q] = ["a", "q"].map(|name| model.port(name).unwrap());
        for value in [0, 0xabc, 0xfff] {
            model.set(a, value);
            model.cycle();
            assert_eq!(model.get(q), !value & 0xfff);
        }
    }
}

#[test]
fn threads_share_one_build() {
    let cache = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // The runtime is taken from the common cache: this is not about compiling that again.
    so_path(&inverter(12), &Options::default(), &cache_dir()).unwrap();
    for entry in std::fs::read_dir(cache_dir()).unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == "o") {
            std::fs::copy(entry.path(), cache.path().join(entry.file_name())).unwrap();
        }
    }
    let build = || so_path(&inverter(12), &Options::default(), cache.path()).unwrap();
    let paths = std::thread::scope(|scope| {
        let threads = [(); 3].map(|()| scope.spawn(build));
        threads.map(|t| t.join().unwrap())
    });
    assert!(paths.iter().all(|p| *p == paths[0] && p.is_file()));
    let left = std::fs::read_dir(cache.path())
        .unwrap()
        .flatten()
        .filter(|e| e.path().is_dir())
        .count();
    assert_eq!(left, 0, "working folders are removed");
}

#[test]
fn broken_verilog_gives_verilators_words() {
    let verilog = "module top(clock,q);
    input wire  clock;
    output reg  q;
    always @(posedge clock) q <= undeclared_name;
endmodule // top
";
    let design = Design::from_verilog("top", verilog).unwrap();
    let error = build(&design, &Options::default(), &cache_dir()).unwrap_err();
    assert!(matches!(error, Error::Verilator { .. }));
    let text = error.to_string();
    assert!(
        text.contains("`top`") && text.contains("undeclared_name"),
        "{text}"
    );
}

#[test]
fn wrong_port_lists_are_refused() {
    let mut design = inverter(8);
    design.ports[1].width = 9;
    let text = build(&design, &Options::default(), &cache_dir())
        .unwrap_err()
        .to_string();
    assert!(text.contains("declared width of port a"), "{text}");

    let mut design = inverter(8);
    design.ports.retain(|p: &Port| p.name != "clock");
    let text = build(&design, &Options::default(), &cache_dir())
        .unwrap_err()
        .to_string();
    assert!(text.contains("no 1-bit input `clock`"), "{text}");
}

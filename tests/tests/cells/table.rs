//! The look-up table: some functions of its inputs, all inputs.

use systole_tests::netlist::TABLE;
use systole_tests::rng::Rng;

use crate::bench::build;

#[test]
fn every_input_gives_its_bit() {
    let mut rng = Rng::new(1);
    let mut inits: Vec<u16> = (0..16).map(|bit| 1 << bit).collect();
    inits.extend([0, u16::MAX, 0xaaaa, 0xcccc, 0xf0f0, 0xff00]);
    inits.extend((0..42).map(|_| rng.bits() as u16));
    let cells: String = inits
        .iter()
        .enumerate()
        .map(|(at, init)| {
            format!(
                "LUT4 #(.INIT(16'd{init})) t{at} (.A(in[0]), .B(in[1]), .C(in[2]), .D(in[3]), \
                 .Z(out[{at}]));\n"
            )
        })
        .collect();
    let module = format!(
        "module bench(input clock, input [3:0] in, output [63:0] out);\n{cells}endmodule\n"
    );
    let mut model = build(module, TABLE).expect("it builds").instantiate();
    let [input, output] = ["in", "out"].map(|port| model.port(port).expect("it is there"));
    for value in 0..16 {
        model.set(input, value);
        model.eval();
        let expected = inits
            .iter()
            .rev()
            .fold(0, |bits, init| bits << 1 | u64::from(init >> value & 1));
        assert_eq!(model.get(output), expected, "{value}");
    }
}

//! The pads of an ECP5 with the registers in them, so that what comes and goes does so at one time
//! for all bits and however the design is placed.

use std::fmt::Write as _;

/// A clock that goes out at `port`: a pad with both edges made of constants.
pub fn clock_out(port: &str, clock: &str) -> String {
    format!(
        "  ODDRX1F {port}_pad (.D0(1'b1), .D1(1'b0), .SCLK({clock}), .RST(1'b0), .Q({port}));\n"
    )
}

/// The bits of `port` go out a cycle after those of `net`.
pub fn out(port: &str, net: &str, width: usize) -> String {
    let mut text = String::new();
    for bit in 0..width {
        let index = match width {
            1 => String::new(),
            _ => format!("[{bit}]"),
        };
        let _ = writeln!(
            text,
            "  OFS1P3DX {port}_pad_{bit} (.D({net}{index}), .SP(1'b1), .SCLK(clock), .CD(1'b0), \
             .Q({port}{index}));"
        );
    }
    text
}

/// The bits of `port` go both ways: a cycle after `enable` they are what `send` was with it, and
/// `seen` is what they were a cycle before.
pub fn both(port: &str, send: &str, enable: &str, seen: &str, width: usize) -> String {
    let mut text = String::new();
    for bit in 0..width {
        let _ = writeln!(
            text,
            "  logic {port}_held_{bit}, {port}_away_{bit}, {port}_back_{bit};\n  \
             OFS1P3DX {port}_out_{bit} (.D({send}[{bit}]), .SP(1'b1), .SCLK(clock), .CD(1'b0), \
             .Q({port}_held_{bit}));\n  \
             OFS1P3BX {port}_off_{bit} (.D(!{enable}), .SP(1'b1), .SCLK(clock), .PD(1'b0), \
             .Q({port}_away_{bit}));\n  \
             BB {port}_pad_{bit} (.I({port}_held_{bit}), .T({port}_away_{bit}), \
             .O({port}_back_{bit}), .B({port}[{bit}]));\n  \
             IFS1P3DX {port}_in_{bit} (.D({port}_back_{bit}), .SP(1'b1), .SCLK(clock), \
             .CD(1'b0), .Q({seen}[{bit}]));"
        );
    }
    text
}

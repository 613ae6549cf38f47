//! Lint catches what rust-hdl lets pass.

use verilate::{Design, LintError, Waiver, lint};

fn messages(verilog: &str, waivers: &[Waiver<'_>]) -> Vec<String> {
    let design = Design::from_verilog("top", verilog).unwrap();
    match lint(&design, waivers) {
        Ok(()) => Vec::new(),
        Err(LintError::Messages { messages, .. }) => messages,
        Err(error) => panic!("{error}"),
    }
}

fn top(ports: &str, body: &str) -> String {
    format!(
        "module top(clock,a,b,q,unused);
    input wire  clock;
    input wire  [7:0] a;
    input wire  b;
    input wire  unused;
    {ports}
    {body}
endmodule // top
"
    )
}

#[test]
fn good_verilog_passes_with_its_style_warnings() {
    let verilog = top(
        "output reg  [7:0] q;",
        "always @(posedge clock) if (b) q <= a;",
    );
    assert_eq!(messages(&verilog, &[]), Vec::<String>::new());
}

#[test]
fn width_mismatch_is_found_and_waived_by_module_only() {
    let verilog = top(
        "output reg  [3:0] q;",
        "always @(posedge clock) if (b) q <= a;",
    );
    let found = messages(&verilog, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("WIDTHTRUNC") && found[0].contains("module `top`"));
    let waiver = |class, module| [Waiver { class, module }];
    assert!(messages(&verilog, &waiver("WIDTHTRUNC", "top")).is_empty());
    assert_eq!(messages(&verilog, &waiver("WIDTHTRUNC", "other")).len(), 1);
    assert_eq!(messages(&verilog, &waiver("WIDTHEXPAND", "top")).len(), 1);
}

#[test]
fn latch_is_found() {
    let verilog = top("output reg  [7:0] q;", "always @(*) if (b) q = a;");
    let found = messages(&verilog, &[]);
    assert!(found.iter().any(|m| m.contains("LATCH")), "{found:?}");
}

#[test]
fn broken_verilog_is_found() {
    let verilog = top(
        "output reg  [7:0] q;",
        "always @(posedge clock) q <= nowhere;",
    );
    let found = messages(&verilog, &[]);
    assert!(found.iter().any(|m| m.contains("nowhere")), "{found:?}");
}

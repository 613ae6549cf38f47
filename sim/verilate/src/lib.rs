//! Turns Verilog text into a loaded simulation model.
//!
//! [`build`] runs the pinned Verilator and the C++ compiler once and keeps the shared object in a
//! cache; [`Library::instantiate`] makes a [`Model`] of it, whose ports are plain memory.
//!
//! ```no_run
//! use verilate::{Design, Options, build};
//!
//! let verilog = "module top(clock, q);
//!     input wire clock;
//!     output reg [7:0] q;
//!     initial q = 8'd0;
//!     always @(posedge clock) q <= q + 8'd1;
//! endmodule";
//! let design = Design::from_verilog("top", verilog)?;
//! let mut model = build(&design, &Options::default(), "target/verilated".as_ref())?.instantiate();
//! let q = model.port("q")?;
//! model.cycles(3);
//! assert_eq!(model.get(q), 3);
//! # Ok::<(), verilate::Error>(())
//! ```

mod cache;
mod compile;
mod design;
mod error;
mod library;
mod lint;
mod model;
mod parse;
mod shim;
mod toolchain;

pub use cache::{build, so_path};
pub use compile::{Options, processor};
pub use design::{Design, Dir, Port};
pub use error::Error;
pub use library::Library;
pub use lint::{LintError, STYLE_CLASSES_OFF, Waiver, lint};
pub use model::{Model, PortRef};
pub use toolchain::Verilator;

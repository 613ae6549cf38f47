//! Where the hard block keeps packets.

use rust_hdl_core::prelude::*;

/// Rows of a [`PacketMemory`]: 16 KiB, which is 4 block memories.
pub const PACKET_ROWS: usize = 2048;

/// The memory that `PCIE_2_1` keeps packets in, one for each direction.
///
/// ```text
/// write, write_at, write_data -->+--------------+
/// read, read_at               -->| PacketMemory |--> read_data   (2 cycles after `read`)
///                                +--------------+
/// ```
///
/// Two cycles are what the attributes `TL_RX_RAM_RDATA_LATENCY` and `TL_TX_RAM_RDATA_LATENCY` say
/// when they are left alone. The block never reads a row in the cycle in which it writes it.
#[derive(LogicBlock, Default)]
pub struct PacketMemory {
    /// Clock.
    pub clock: Signal<In, Clock>,
    /// Write.
    pub write: Signal<In, Bit>,
    /// Row to write; only the low bits count.
    pub write_at: Signal<In, Bits<13>>,
    /// What to write.
    pub write_data: Signal<In, Bits<72>>,
    /// Read.
    pub read: Signal<In, Bit>,
    /// Row to read; only the low bits count.
    pub read_at: Signal<In, Bits<13>>,
    /// The row that was read last, a cycle later than it could be.
    pub read_data: Signal<Out, Bits<72>>,
}

impl Logic for PacketMemory {
    fn update(&mut self) {}

    fn hdl(&self) -> Verilog {
        let (last, top) = (PACKET_ROWS - 1, PACKET_ROWS.ilog2() - 1);
        Verilog::Custom(format!(
            "(* no_rw_check *)\n\
             logic [71:0] store [0:{last}];\n\
             logic [71:0] fetched;\n\
             always @(posedge clock) begin\n  \
             if (write) store[write_at[{top}:0]] <= write_data;\n  \
             if (read) fetched <= store[read_at[{top}:0]];\n  \
             read_data <= fetched;\n\
             end"
        ))
    }
}

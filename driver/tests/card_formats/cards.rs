//! Shapes of cards.

use isa::config::{Config, Datapaths};

/// Weights of 2 to 7 bits and nothing else.
pub const NARROW: Datapaths = Datapaths {
    narrow: true,
    ..Datapaths::DENSE
};

/// Scales of groups and nothing else.
pub const GROUPS: Datapaths = Datapaths {
    groups: true,
    ..Datapaths::DENSE
};

/// 2:4 and nothing else.
pub const TWO_FOUR: Datapaths = Datapaths {
    two_four: true,
    ..Datapaths::DENSE
};

/// Zero blocks and nothing else.
pub const BLOCKS: Datapaths = Datapaths {
    blocks: true,
    ..Datapaths::DENSE
};

/// All that go together with two products a multiplier.
pub const PACKED: Datapaths = Datapaths {
    two_four: false,
    packed_products: true,
    ..Datapaths::ALL
};

/// An 8x8 card with these datapaths.
pub fn with_datapaths(datapaths: Datapaths) -> Config {
    Config {
        datapaths,
        ..Config::with_array(8, 8)
    }
}

/// A card whose port has 32 bytes.
pub fn with_wide_port(rows: u32, cols: u32) -> Config {
    Config {
        port_bytes: 32,
        ..Config::with_array(rows, cols)
    }
}

/// A card with the least memory that one with this array and this port may have.
pub fn least(rows: u32, cols: u32, port_bytes: u32) -> Config {
    Config {
        port_bytes,
        act_rows: (port_bytes * 16 / rows).max(16),
        wgt_rows: rows.max(16),
        acc_rows: 16,
        column_rows: 16,
        row_scales: (port_bytes * 4).max(16),
        ..Config::with_array(rows, cols)
    }
}

/// Cards of many shapes and datapaths, some with the least memory that a card may have.
pub fn configs() -> Vec<Config> {
    let mut list = vec![
        Config::with_array(4, 4),
        Config::with_array(8, 8),
        Config::default(),
        Config::with_array(32, 8),
        Config::with_array(4, 32),
        with_wide_port(8, 8),
        with_wide_port(32, 32),
        least(4, 4, 16),
        least(16, 16, 16),
        least(32, 4, 16),
        least(16, 4, 16),
        least(32, 32, 32),
    ];
    let datapaths = [Datapaths::DENSE, NARROW, GROUPS, TWO_FOUR, BLOCKS];
    list.extend(datapaths.map(with_datapaths));
    list
}

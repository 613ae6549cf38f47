//! Values for measurements, the same everywhere.

/// SplitMix64: small, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    /// 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Values over the whole range of int8.
    pub fn values(&mut self, count: usize) -> Vec<i8> {
        let mut values = Vec::with_capacity(count + 7);
        while values.len() < count {
            values.extend(self.next().to_le_bytes().map(|byte| byte as i8));
        }
        values.truncate(count);
        values
    }

    /// Values of an `m x k` matrix of which each group of columns has a size of its own, drawn from
    /// 1 to 127.
    pub fn values_by_group(&mut self, m: usize, k: usize, group: usize) -> Vec<i8> {
        let sizes: Vec<i16> = (0..k.div_ceil(group))
            .map(|_| 1 + (self.next() % 127) as i16)
            .collect();
        let mut values = self.values(m * k);
        for row in values.chunks_exact_mut(k.max(1)) {
            for (column, value) in row.iter_mut().enumerate() {
                *value = (i16::from(*value) * sizes[column / group] / 128) as i8;
            }
        }
        values
    }
}

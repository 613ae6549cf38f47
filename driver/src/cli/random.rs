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

    /// Weights: values from -127 to 127, as symmetric quantisation gives them. A card with packed
    /// products takes no -128.
    pub fn weights(&mut self, count: usize) -> Vec<i8> {
        let mut values = self.values(count);
        for value in &mut values {
            *value = (*value).max(-i8::MAX);
        }
        values
    }

    /// Activations over the whole range of int8, not all of them zero.
    pub fn activations(&mut self, count: usize) -> Vec<i8> {
        let mut values = self.values(count);
        raise_one(&mut values, 1);
        values
    }

    /// Activations of an `m x k` matrix for thresholding: values as of
    /// [`values_by_group`](Self::values_by_group), of which at least one reaches `threshold`.
    pub fn activations_beyond(
        &mut self,
        threshold: i8,
        m: usize,
        k: usize,
        group: usize,
    ) -> Vec<i8> {
        let mut values = self.values_by_group(m, k, group);
        raise_one(&mut values, threshold);
        values
    }

    /// Values of an `m x k` matrix of which each group of columns has a size of its own, drawn from
    /// 1 to 127.
    fn values_by_group(&mut self, m: usize, k: usize, group: usize) -> Vec<i8> {
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

/// Where no value has a magnitude of `least`, gives it to the largest: a product of nothing but zeros
/// is no work that could be measured.
fn raise_one(values: &mut [i8], least: i8) {
    let largest = values.iter_mut().max_by_key(|value| value.unsigned_abs());
    if let Some(value) = largest
        && value.unsigned_abs() < least.unsigned_abs()
    {
        *value = if *value < 0 { -least } else { least };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_symmetric_and_keep_the_order_of_the_draw() {
        let (weights, values) = (Random(1).weights(5000), Random(1).values(5000));
        assert!(values.contains(&i8::MIN) && !weights.contains(&i8::MIN));
        let others = weights
            .iter()
            .zip(&values)
            .filter(|(_, value)| **value != i8::MIN);
        assert!(others.clone().count() > 4900);
        assert!(others.into_iter().all(|(weight, value)| weight == value));
    }

    #[test]
    fn some_activations_stay() {
        for seed in 0..1000 {
            assert!(Random(seed).activations(1) != [0]);
            for threshold in [1, 5, 64, 127] {
                let values = Random(seed).activations_beyond(threshold, 2, 33, 32);
                let reached = |value: &i8| value.unsigned_abs() >= threshold.unsigned_abs();
                assert!(
                    values.iter().any(reached),
                    "seed {seed}, threshold {threshold}"
                );
            }
        }
        // What is large enough stays as it was drawn.
        assert_eq!(Random(1).activations(4096), Random(1).values(4096));
        let grouped = Random(1).values_by_group(64, 256, 32);
        assert_eq!(Random(1).activations_beyond(64, 64, 256, 32), grouped);
    }
}

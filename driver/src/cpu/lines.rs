//! Bytes that begin on a cache line.

/// Bytes of a line, which is also the widest vector that any kernel loads.
pub const LINE: usize = 64;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// A buffer of whole lines, so that no vector of a step that fills a line lies across two.
#[derive(Clone, Debug, Default)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// Zeros, at least `bytes` of them.
    pub fn zeroed(bytes: usize) -> Self {
        Self(vec![Line([0; LINE]); bytes.div_ceil(LINE)])
    }

    /// Makes room for at least `bytes` bytes; what they hold is whatever was there.
    pub fn reserve(&mut self, bytes: usize) {
        if bytes > self.0.len() * LINE {
            self.0.resize(bytes.div_ceil(LINE), Line([0; LINE]));
        }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the vector owns this many lines, each of them `LINE` initialised bytes.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }

    /// All bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and they are borrowed for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

//! The block memories of an ECP5, instantiated with their output registers.

use std::fmt::Write as _;

/// Data bits of a DP16KD; the ninth bits of bytes stay unused.
const BLOCK_BITS: usize = 16 << 10;

/// Pins of an address.
const ADDRESS_PINS: usize = 14;

/// Data bits of a port that need not be that of the other.
const PORT_BITS: usize = 16;

/// Data bits of both ports where one writes and one reads the same width.
const PAIR_BITS: usize = 32;

/// How a memory whose ports have other widths lies in blocks: each holds some bits of every word of
/// the narrower port, and so many times more of every word of the wider one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Bits of the memory.
    bits: usize,
    /// Bits of a word that is written.
    write: usize,
    /// Bits of a word that is read.
    read: usize,
    /// Bits of a narrow word in one block.
    share: usize,
}

impl Blocks {
    /// Blocks for a memory of `bits`, a power of two like `write` and `read`; none where they would
    /// not be filled, or where a word would be spread over depths.
    pub fn fit(bits: usize, write: usize, read: usize) -> Option<Self> {
        let narrow = write.min(read);
        let ratio = write.max(read) / narrow;
        let share = BLOCK_BITS / (bits / narrow);
        let most = if ratio == 1 {
            PAIR_BITS
        } else {
            PORT_BITS / ratio
        };
        (1..=most.min(narrow)).contains(&share).then_some(Self {
            bits,
            write,
            read,
            share,
        })
    }

    /// Bits of a word of the narrower port.
    fn narrow(self) -> usize {
        self.write.min(self.read)
    }

    /// Blocks of the memory.
    fn count(self) -> usize {
        self.narrow() / self.share
    }

    /// Bits of a block's port towards words of this many bits.
    fn port(self, word: usize) -> usize {
        word / self.count()
    }

    /// The bits of a word of `word` bits that stand at the port of block `block`, lowest first.
    fn word_bits(self, block: usize, word: usize) -> impl Iterator<Item = usize> {
        let narrow = self.narrow();
        (0..self.port(word)).map(move |bit| {
            let (part, within) = (bit / self.share, bit % self.share);
            part * narrow + block * self.share + within
        })
    }

    /// Instances that read with `read` as clock enable of the memory and `advance` as that of the
    /// output register. The signals are those of a [`super::Buffer`], its words of 32 bits.
    pub fn verilog(self) -> String {
        let mut code = String::new();
        for block in 0..self.count() {
            self.block(&mut code, block);
        }
        code
    }

    fn block(self, code: &mut String, block: usize) {
        let (write, read) = (self.port(self.write), self.port(self.read));
        let _ = writeln!(
            code,
            "DP16KD #(
  .DATA_WIDTH_A({}), .DATA_WIDTH_B({}), .REGMODE_A(\"{}\"), .REGMODE_B(\"OUTREG\"),
  .WRITEMODE_A(\"NORMAL\"), .WRITEMODE_B(\"NORMAL\"), .CSDECODE_A(\"0b000\"), .CSDECODE_B(\"0b000\"),
  .CLKAMUX(\"CLKA\"), .CLKBMUX(\"CLKB\"), .RESETMODE(\"SYNC\"), .GSR(\"DISABLED\")
) block_{block} (",
            with_ninth(write),
            with_ninth(read),
            if read == PAIR_BITS { "OUTREG" } else { "NOREG" },
        );
        self.address(code, 'A', "write_line", self.write);
        self.address(code, 'B', "read_row", self.read);
        for (bit, from) in self.word_bits(block, self.write).enumerate() {
            let (pin, word, within) = (pin(write, bit), from / 32, from % 32);
            // The wide port has pins of both.
            let port = if pin < 18 { 'A' } else { 'B' };
            let _ = writeln!(
                code,
                "  .DI{port}{}(write_data_{word}[{within}]),",
                pin % 18
            );
        }
        for (bit, to) in self.word_bits(block, self.read).enumerate() {
            let (pin, word, within) = (pin(read, bit), to / 32, to % 32);
            let port = if read == PAIR_BITS && pin < 18 {
                'A'
            } else {
                'B'
            };
            let _ = writeln!(code, "  .DO{port}{}(read_data_{word}[{within}]),", pin % 18);
        }
        code.push_str(
            "  .CLKA(clock), .CEA(write), .OCEA(advance), .WEA(1'b1), .RSTA(1'b0),
  .CSA0(1'b0), .CSA1(1'b0), .CSA2(1'b0),
  .CLKB(clock), .CEB(read), .OCEB(advance), .WEB(1'b0), .RSTB(1'b0),
  .CSB0(1'b0), .CSB1(1'b0), .CSB2(1'b0)
);
",
        );
    }

    /// The address of a port, which counts bits. Below those of a word of two or four bytes stand
    /// the enables of its bytes.
    fn address(self, code: &mut String, port: char, name: &str, word: usize) {
        let width = self.port(word);
        let index_bits = (self.bits / word).ilog2() as usize;
        let first = width.ilog2() as usize;
        for pin in 0..ADDRESS_PINS {
            let _ = match pin.checked_sub(first) {
                Some(bit) if bit < index_bits => {
                    writeln!(code, "  .AD{port}{pin}({name}[{bit}]),")
                }
                _ => {
                    let enables = u8::from(width > 8 && pin < width / 8);
                    writeln!(code, "  .AD{port}{pin}(1'b{enables}),")
                }
            };
        }
    }
}

/// The width of a port as DP16KD names it, with the ninth bits.
fn with_ninth(bits: usize) -> usize {
    bits + bits / 8
}

/// The pin of a bit of a port of so many bits. Ninth bits have pins only where there are bytes.
fn pin(width: usize, bit: usize) -> usize {
    match width {
        0..=8 => bit,
        _ => bit + bit / 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_filled() {
        let blocks = Blocks::fit(64 << 13, 128, 32).unwrap();
        assert_eq!(blocks.count() * BLOCK_BITS, 64 << 13);
        assert_eq!((blocks.port(128), blocks.port(32)), (4, 1));
        let blocks = Blocks::fit(1 << 14, 32, 32).unwrap();
        assert_eq!((blocks.count(), blocks.port(32)), (1, 32));
    }

    #[test]
    fn every_bit_has_its_place() {
        for (bits, write, read) in [
            (1 << 19, 128, 32),
            (1 << 19, 32, 128),
            (1 << 16, 128, 128),
            (1 << 18, 64, 128),
        ] {
            let blocks = Blocks::fit(bits, write, read).unwrap();
            for word in [write, read] {
                let places = (0..blocks.count()).flat_map(|block| blocks.word_bits(block, word));
                let mut places: Vec<usize> = places.collect();
                places.sort_unstable();
                assert_eq!(places, (0..word).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_leaves_blocks_empty_or_is_deeper_than_one_is_not_built_of_them() {
        // Half of each block, and a bit of twice the depth.
        assert_eq!(Blocks::fit(1 << 13, 32, 32), None);
        assert_eq!(Blocks::fit(1 << 20, 32, 32), None);
        // A port of 16 bits holds eight parts of two only.
        assert_eq!(Blocks::fit(1 << 15, 256, 32), None);
    }
}

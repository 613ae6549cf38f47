//! Records of 32-bit little-endian words whose layout stands in one table.
//!
//! [`record!`](macro@crate::record) makes, from one list of fields, the Rust struct, its encoder, its
//! decoder and the table [`Field`]s that the documentation and the RTL are generated from.

/// One field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, as in the Rust struct.
    pub name: &'static str,
    /// Index of the 32-bit word in which the field starts.
    pub word: usize,
    /// Lowest bit within that word.
    pub lo: usize,
    /// Width in bits; a field of 64 bits fills two words, lower half first.
    pub bits: usize,
    /// Meaning.
    pub doc: &'static str,
}

impl Field {
    /// Reads the field from a record.
    pub const fn get(&self, words: &[u32]) -> u64 {
        let low = words[self.word] as u64;
        let value = if self.lo + self.bits > 32 {
            low | (words[self.word + 1] as u64) << 32
        } else {
            low
        };
        let value = value >> self.lo;
        if self.bits == 64 {
            value
        } else {
            value & ((1 << self.bits) - 1)
        }
    }

    /// Writes the field into a record whose field is still zero.
    pub const fn put(&self, words: &mut [u32], value: u64) {
        let shifted = value << self.lo;
        words[self.word] |= shifted as u32;
        if self.lo + self.bits > 32 {
            words[self.word + 1] |= (shifted >> 32) as u32;
        }
    }
}

/// Bits of word `index` that a field of `fields` covers.
const fn used(index: usize, fields: &[Field]) -> u32 {
    let mut used = 0;
    let mut next = 0;
    while next < fields.len() {
        let field = &fields[next];
        let start = field.word * 32 + field.lo;
        let end = start + field.bits;
        let low = if start > index * 32 {
            start
        } else {
            index * 32
        };
        let high = if end < index * 32 + 32 {
            end
        } else {
            index * 32 + 32
        };
        if low < high {
            used |= u32::MAX >> (32 - (high - low)) << (low - index * 32);
        }
        next += 1;
    }
    used
}

/// Bits of each word that no field of `fields` covers; a record is good when all of them are zero.
pub const fn reserved_bits<const WORDS: usize>(fields: &[Field]) -> [u32; WORDS] {
    let mut reserved = [0; WORDS];
    let mut index = 0;
    while index < WORDS {
        reserved[index] = !used(index, fields);
        index += 1;
    }
    reserved
}

/// Whether every bit of `words` that no field of `fields` covers is zero.
pub fn reserved_bits_are_zero(words: &[u32], fields: &[&[Field]]) -> bool {
    words.iter().enumerate().all(|(index, word)| {
        let used = fields
            .iter()
            .fold(0, |sum, fields| sum | used(index, fields));
        word & !used == 0
    })
}

/// Defines a record: struct, field table, `from_words`, `put_words`.
///
/// Each field is `name: type = (word, lowest bit, bits), "meaning";`.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident, $table:ident {
        $($field:ident: $type:ty = ($word:expr, $lo:expr, $bits:expr), $doc:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        $vis struct $name {
            $(#[doc = $doc] pub $field: $type,)*
        }

        #[doc = concat!("Layout of [`", stringify!($name), "`].")]
        $vis const $table: &[$crate::record::Field] = &[
            $($crate::record::Field {
                name: stringify!($field), word: $word, lo: $lo, bits: $bits, doc: $doc,
            },)*
        ];

        impl $name {
            /// Reads the fields; bits outside of them are ignored here.
            pub fn from_words(words: &[u32]) -> Self {
                let mut fields = $table.iter();
                $(let $field = fields.next().map_or(0, |field| field.get(words)) as $type;)*
                Self { $($field,)* }
            }

            /// Writes the fields into words that are still zero. Values wider than their field
            /// lose their upper bits.
            pub fn put_words(&self, words: &mut [u32]) {
                let mut fields = $table.iter();
                $(if let Some(field) = fields.next() {
                    let mask = if field.bits == 64 { u64::MAX } else { (1 << field.bits) - 1 };
                    field.put(words, self.$field as u64 & mask);
                })*
            }
        }
    };
}

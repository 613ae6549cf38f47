//! From text to a scheme.

use std::str::FromStr;

use super::{Pruning, Rounding, Scheme, SchemeError, ZeroBlocks};

/// What parts of schemes are.
const WHAT: &str = "a width such as w4g32, 2:4, or zero blocks such as block=0.8";

/// Zero blocks as they are read.
struct Blocks {
    /// Inputs and outputs, if they are said.
    shape: Option<(usize, usize)>,
    /// Part that is zero.
    part: f64,
}

/// Parts of a scheme as they are read.
#[derive(Default)]
struct Parts {
    width: Option<(u8, usize)>,
    rounding: Option<Rounding>,
    sparse: Option<Option<Pruning>>,
    blocks: Option<Blocks>,
}

impl FromStr for Scheme {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        read(text).map_err(|reason| SchemeError {
            text: text.into(),
            reason,
        })
    }
}

impl Scheme {
    /// Reads schemes joined by `,`, each of which may stand once.
    ///
    /// # Errors
    /// When one makes no sense, or there is none.
    pub fn list(text: &str) -> Result<Vec<Self>, SchemeError> {
        let wrong = |reason| SchemeError {
            text: text.into(),
            reason,
        };
        if text.trim().is_empty() {
            return Err(wrong("a list names at least one".into()));
        }
        let mut schemes = Vec::new();
        for part in text.split(',') {
            if part.trim().is_empty() {
                return Err(wrong(NOTHING_BY_COMMA.into()));
            }
            let scheme: Self = part.trim().parse()?;
            if schemes.contains(&scheme) {
                return Err(wrong(format!("it names `{scheme}` twice")));
            }
            schemes.push(scheme);
        }
        Ok(schemes)
    }
}

/// What is wrong with a list of which a part is empty.
pub const NOTHING_BY_COMMA: &str = "nothing stands before or after one of its commas";

fn read(text: &str) -> Result<Scheme, String> {
    if text.trim().is_empty() {
        return Err(format!("take {WHAT}"));
    }
    let mut parts = Parts::default();
    for part in text.split('+') {
        parts.add(part.trim())?;
    }
    let sparse = parts.sparse.map(|pruning| {
        let by_feedback = parts.rounding == Some(Rounding::Gptq);
        pruning.unwrap_or(match by_feedback {
            true => Pruning::SparseGpt,
            false => Pruning::Magnitude,
        })
    });
    let rounding = parts.rounding.unwrap_or(match sparse {
        Some(Pruning::SparseGpt) => Rounding::Gptq,
        _ => Rounding::Nearest,
    });
    let blocks = parts.blocks.map(|Blocks { shape, part }| {
        let (k, n) = shape.unwrap_or(Scheme::block(sparse.is_some()));
        ZeroBlocks { k, n, part }
    });
    let (bits, group) = parts.width.unwrap_or((8, 0));
    let scheme = Scheme {
        bits,
        group,
        rounding,
        sparse,
        blocks,
    };
    scheme.fault()?;
    Ok(scheme)
}

/// Stores a part that may stand once.
fn once<T>(place: &mut Option<T>, value: T, part: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("`{part}` says again what was said before")),
    }
}

fn number<T: FromStr>(text: &str, of: &str) -> Result<T, String> {
    if text.is_empty() {
        return Err(format!("the number of {of} is missing"));
    }
    text.parse()
        .map_err(|_| format!("`{text}` is no number of {of}"))
}

impl Parts {
    fn add(&mut self, part: &str) -> Result<(), String> {
        let (name, method) = match part.split_once('-') {
            Some((name, method)) => (name, Some(method)),
            None => (part, None),
        };
        if name == "2:4" {
            let pruning = match method {
                None => None,
                Some("magnitude") => Some(Pruning::Magnitude),
                Some("wanda") => Some(Pruning::Wanda),
                Some("sparsegpt") => Some(Pruning::SparseGpt),
                Some(method) => {
                    let hint = match method {
                        "gptq" | "nearest" => {
                            format!("; {method} belongs to the width: w8-{method}+2:4")
                        }
                        _ => String::new(),
                    };
                    return Err(format!(
                        "2:4 is found by magnitude, wanda or sparsegpt, not `{method}`{hint}"
                    ));
                }
            };
            return once(&mut self.sparse, pruning, part);
        }
        if let Some(rest) = part.strip_prefix("block") {
            return once(&mut self.blocks, zero_blocks(rest)?, part);
        }
        let Some(width) = name.strip_prefix('w') else {
            if part.is_empty() {
                return Err("nothing stands before or after one of its `+`".into());
            }
            return Err(format!("`{part}` is not {WHAT}"));
        };
        let width = match width.split_once('g') {
            Some((bits, group)) => match number(group, "inputs in a group")? {
                0 => return Err("a group of no inputs".into()),
                group => (number(bits, "bits")?, group),
            },
            None => (number(width, "bits")?, 0),
        };
        once(&mut self.width, width, part)?;
        self.rounding = match method {
            None => None,
            Some("nearest") => Some(Rounding::Nearest),
            Some("gptq") => Some(Rounding::Gptq),
            Some(method) => {
                let hint = match method {
                    "magnitude" | "wanda" | "sparsegpt" => {
                        format!("; {method} belongs to 2:4: {name}+2:4-{method}")
                    }
                    _ => String::new(),
                };
                return Err(format!(
                    "codes are found by nearest or gptq, not `{method}`{hint}"
                ));
            }
        };
        Ok(())
    }
}

/// Reads `=PART` or `KxN=PART`.
fn zero_blocks(text: &str) -> Result<Blocks, String> {
    let Some((shape, part)) = text.split_once('=') else {
        return Err("how many blocks are zero: block=0.8".into());
    };
    let shape = match shape {
        "" => None,
        shape => {
            let (k, n) = shape
                .split_once('x')
                .ok_or_else(|| format!("`{shape}` is no shape of a block such as 16x16"))?;
            Some((
                number(k, "inputs of a block")?,
                number(n, "outputs of a block")?,
            ))
        }
    };
    let part = number(part, "zero blocks over all")?;
    Ok(Blocks { shape, part })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scheme(text: &str) -> Scheme {
        text.parse().expect("it is a scheme")
    }

    #[test]
    fn defaults_follow_from_what_is_said() {
        assert_eq!(scheme("w8"), Scheme::W8);
        for (text, whole) in [
            ("2:4", "w8+2:4-magnitude"),
            ("2:4-sparsegpt", "w8-gptq+2:4-sparsegpt"),
            ("w4g64-gptq+2:4", "w4g64-gptq+2:4-sparsegpt"),
            ("2:4-wanda+w4g32-gptq", "w4g32-gptq+2:4-wanda"),
            ("w6-nearest", "w6"),
            ("block=0.8", "w8+block16x16=0.8"),
            ("block=0.8+2:4", "w8+2:4-magnitude+block32x16=0.8"),
            ("2:4-wanda+block16x16=0.8", "w8+2:4-wanda+block16x16=0.8"),
            (
                "block8x32=0.75+2:4+w3-gptq",
                "w3-gptq+2:4-sparsegpt+block8x32=0.75",
            ),
        ] {
            assert_eq!(scheme(text).to_string(), whole);
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "an empty scheme makes no sense: take a width"),
            ("w4+", "nothing stands before or after one of its `+`"),
            ("int4", "`int4` is not a width such as w4g32, 2:4"),
            ("w9", "2 to 8 bits, not 9"),
            ("w1", "2 to 8 bits, not 1"),
            ("wide", "`ide` is no number of bits"),
            ("w4g48", "share a scale have 32, 64 or 128 inputs, not 48"),
            ("w4g", "the number of inputs in a group is missing"),
            ("wg32", "the number of bits is missing"),
            ("w4g0", "a group of no inputs"),
            ("w4-fast", "nearest or gptq, not `fast`"),
            ("w4-magnitude", "magnitude belongs to 2:4: w4+2:4-magnitude"),
            ("2:4-gptq", "gptq belongs to the width: w8-gptq+2:4"),
            ("block=", "the number of zero blocks over all is missing"),
            ("w4+w5", "`w5` says again"),
            ("2:4+2:4", "says again"),
            ("2:4-best", "magnitude, wanda or sparsegpt, not `best`"),
            ("w4-nearest+2:4-sparsegpt", "finds codes by gptq"),
            ("block", "block=0.8"),
            ("block=1", "below 1"),
            ("block=-0.1", "at least 0"),
            ("block=NaN", "at least 0"),
            ("block0x16=0.5", "1 to 4096"),
            ("block16x4097=0.5", "1 to 4096"),
            ("block16=0.5", "`16` is no shape"),
            ("block6x16=0.5+2:4", "a multiple of four"),
        ] {
            let error = text.parse::<Scheme>().expect_err(text).to_string();
            assert!(error.contains(reason), "`{error}` does not say `{reason}`");
        }
    }

    #[test]
    fn lists_are_read_whole_and_name_each_scheme_once() {
        let text = |schemes: Vec<Scheme>| schemes.iter().map(Scheme::to_string).collect();
        let found: Vec<String> = text(Scheme::list("w8, w4,2:4").expect("it is a list"));
        assert_eq!(found, ["w8", "w4", "w8+2:4-magnitude"]);
        for (list, words) in [
            ("", ["an empty scheme", "at least one"]),
            ("w4,", ["`w4,`", "one of its commas"]),
            (",w4", ["`,w4`", "one of its commas"]),
            ("w4, ,w5", ["`w4, ,w5`", "one of its commas"]),
            ("w4,q", ["`q`", "is not a width"]),
            ("w4,w5,w4-nearest", ["`w4` twice", "w4,w5,w4-nearest"]),
        ] {
            let error = Scheme::list(list).expect_err(list).to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_scheme_is_the_meaning_of_its_text(
            bits in 2u8..=8,
            group in prop::sample::select(vec![0usize, 32, 64, 128]),
            gptq in any::<bool>(),
            sparse in prop::option::of(prop::sample::select(vec![
                Pruning::Magnitude, Pruning::Wanda, Pruning::SparseGpt,
            ])),
            blocks in prop::option::of((1usize..64, 1usize..64, 0u32..100)),
        ) {
            let rounding = match gptq || sparse == Some(Pruning::SparseGpt) {
                true => Rounding::Gptq,
                false => Rounding::Nearest,
            };
            let blocks = blocks.map(|(k, n, percent)| ZeroBlocks {
                k: 4 * k, n, part: f64::from(percent) / 100.0,
            });
            let scheme = Scheme { bits, group, rounding, sparse, blocks };
            prop_assert_eq!(scheme.to_string().parse::<Scheme>(), Ok(scheme));
        }

        #[test]
        fn no_text_panics(text in "[w0-9g:x=.+a-z-]{0,20}") {
            let _ = text.parse::<Scheme>();
        }
    }
}

//! Reads FASM.

use super::FramesError;

/// Bits that a value can have at most; the widest features have 256.
const MOST_BITS: usize = 4096;

/// One line that turns something on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Number of its line, from 1.
    pub line: usize,
    /// Its name, with the tile in front.
    pub name: String,
    /// The lowest bit that the line names.
    pub low: u32,
    /// The bits from there on.
    pub bits: Vec<bool>,
}

/// Reads all lines; those that say nothing are left out.
///
/// # Errors
/// The first line that is no FASM.
pub fn parse(text: &str) -> Result<Vec<Feature>, FramesError> {
    let lines = text.lines().enumerate().map(|(at, line)| {
        parse_line(at + 1, line).map_err(|what| FramesError::Syntax {
            line: at + 1,
            text: line.trim().chars().take(80).collect(),
            what,
        })
    });
    lines.filter_map(Result::transpose).collect()
}

fn parse_line(number: usize, line: &str) -> Result<Option<Feature>, &'static str> {
    let line = line.split('#').next().unwrap_or("");
    let line = match line.split_once('{') {
        Some((line, annotation)) if annotation.trim_end().ends_with('}') => line,
        Some(_) => return Err("the annotation does not end with `}`"),
        None => line,
    };
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (target, value) = match line.split_once('=') {
        Some((target, value)) => (target.trim(), Some(value.trim())),
        None => (line, None),
    };
    let (name, range) = match target.split_once('[') {
        Some((name, range)) => {
            let range = range
                .strip_suffix(']')
                .ok_or("the `[` has no `]` at the end")?;
            (name.trim(), Some(parse_range(range)?))
        }
        None => (target, None),
    };
    check_name(name)?;
    let (high, low) = range.unwrap_or((0, 0));
    let width = (high - low) as usize + 1;
    let mut bits = match value {
        Some(value) => parse_value(value)?,
        None if width > 1 => return Err("a range of bits needs a value"),
        None => vec![true],
    };
    if bits.iter().skip(width).any(|bit| *bit) {
        return Err("the value does not fit the bits");
    }
    bits.resize(width, false);
    Ok(Some(Feature {
        line: number,
        name: name.into(),
        low,
        bits,
    }))
}

fn check_name(name: &str) -> Result<(), &'static str> {
    let mut parts = name.split('.');
    let fits = |part: &str| {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        !part.is_empty() && part.chars().all(letters)
    };
    if !parts.clone().all(fits) {
        return Err("names have letters, digits and `_`, with dots between");
    }
    match parts.nth(1) {
        Some(_) => Ok(()),
        None => Err("a feature has a tile and a name, with a dot between"),
    }
}

/// `5` or `63:0`.
fn parse_range(text: &str) -> Result<(u32, u32), &'static str> {
    let number = |text: &str| {
        let digits = text.trim();
        let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let value = digits.parse().ok().filter(|_| plain);
        value.ok_or("the number of a bit is not a number")
    };
    let (high, low): (u32, u32) = match text.split_once(':') {
        Some((high, low)) => (number(high)?, number(low)?),
        None => (number(text)?, number(text)?),
    };
    if high < low {
        return Err("the higher bit stands first");
    }
    if (high - low) as usize >= MOST_BITS {
        return Err("so many bits no feature has");
    }
    Ok((high, low))
}

/// `1`, `64'hff_00`, `8'b101` and the like; the lowest bit first.
fn parse_value(text: &str) -> Result<Vec<bool>, &'static str> {
    let (width, base, digits) = match text.split_once('\'') {
        None => (None, 'd', text),
        Some((width, rest)) => {
            let mut letters = rest.chars();
            let base = letters.next().ok_or("there is no base after `'`")?;
            let width = match width.trim() {
                "" => None,
                width => Some(width.parse().map_err(|_| "the width is not a number")?),
            };
            (width, base, letters.as_str())
        }
    };
    if width == Some(0) || width.is_some_and(|width| width > MOST_BITS) {
        return Err("so many bits no value has");
    }
    let digits: Vec<char> = digits
        .trim()
        .chars()
        .filter(|digit| *digit != '_')
        .collect();
    let each = match base {
        'b' => Some(1),
        'o' => Some(3),
        'h' => Some(4),
        'd' => None,
        _ => return Err("the base is b, o, d or h"),
    };
    let mut bits: Vec<bool> = Vec::new();
    match each {
        Some(each) => {
            for digit in digits.iter().rev() {
                let value = digit
                    .to_digit(1 << each)
                    .ok_or("a digit is not of the base")?;
                bits.extend((0..each).map(|bit| value >> bit & 1 == 1));
            }
        }
        None => {
            let text: String = digits.iter().collect();
            if !text.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err("the value is not a number");
            }
            let value: u128 = text.parse().map_err(|_| "the value is not a number")?;
            bits.extend((0..128).map(|bit| value >> bit & 1 == 1));
        }
    }
    if digits.is_empty() {
        return Err("the value has no digits");
    }
    if bits.len() > MOST_BITS && bits[MOST_BITS..].contains(&true) {
        return Err("so many bits no value has");
    }
    if let Some(width) = width {
        if bits.iter().skip(width).any(|bit| *bit) {
            return Err("the value is wider than it says");
        }
        bits.resize(width, false);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(line: &str) -> Feature {
        let mut all = parse(line).unwrap();
        assert_eq!(all.len(), 1, "{line}");
        all.remove(0)
    }

    #[test]
    fn lines_of_all_kinds_are_read() {
        assert_eq!(parse("\n  # nothing\n{ note = \"x\" }\n").unwrap(), []);
        let plain = one("CLBLL_L_X2Y0.SLICEL_X0.AFF.ZINI # why");
        assert_eq!(plain.name, "CLBLL_L_X2Y0.SLICEL_X0.AFF.ZINI");
        assert_eq!((plain.low, plain.bits), (0, vec![true]));
        assert_eq!(one("T.A = 0").bits, [false]);
        assert_eq!(one("T.A=1{x=\"y\"}").bits, [true]);
        assert_eq!(one("T.A[7]").low, 7);
        let value = one("T.A[6:3] = 4'b1_010");
        assert_eq!((value.low, value.bits), (3, vec![false, true, false, true]));
        for same in [
            "T.A[3:0] = 10",
            "T.A[3:0] = 'ha",
            "T.A[3:0]=4'd10",
            "T.A[3:0] = 12'o12",
        ] {
            assert_eq!(one(same).bits, [false, true, false, true], "{same}");
        }
        let second = &parse("# first\nT.A").unwrap()[0];
        assert_eq!(second.line, 2);
    }

    #[test]
    fn damaged_lines_are_told_with_their_number() {
        for line in [
            "T",
            "T.",
            ".A",
            "T.A[",
            "T.A[]",
            "T.A[x]",
            "T.A[0:1]",
            "T.A[1:0]",
            "T.A[+1]",
            "T.A[1:0] = 4",
            "T.A = 2",
            "T.A[1:0] = 2'b100",
            "T.A[1:0] = 2'b2",
            "T.A[1:0] = 2'x1",
            "T.A[1:0] = '",
            "T.A[1:0] = 2'b",
            "T.A =",
            "T.A = x",
            "T.A = -1",
            "T.A B",
            "T..A",
            "T.A[1:0] = 0'b1",
            "T.A[99999:0] = 1",
            "T.A[0] = 99999'b1",
            "T.A {",
            "T-1.A",
            "T.A[1]x",
            "T.A = 1 = 1",
            "T.A[4294967296]",
        ] {
            let error = parse(&format!("T.A\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("line 2 of the FASM"), "{line}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[TA.\\[\\]:='bhd0-9_{}# \n-]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn values_are_read_in_every_base(value: u64, low in 0u32..100) {
            let bits: Vec<bool> = (0..64).map(|bit| value >> bit & 1 == 1).collect();
            let high = low + 63;
            for text in [format!("64'b{value:b}"), format!("64'o{value:o}"),
                         format!("64'h{value:x}"), format!("64'd{value}"), format!("{value}")] {
                let feature = one(&format!("T.INIT[{high}:{low}] = {text}"));
                prop_assert_eq!(&feature.bits, &bits);
                prop_assert_eq!(feature.low, low);
            }
        }
    }
}

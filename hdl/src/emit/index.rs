//! Array indices of kernel paths: integer arithmetic over loop variables.

/// Variables of the loops around a statement, outermost first.
pub type Loops = Vec<(String, usize)>;

/// Replaces every `[expression]` of a path by `$value`.
///
/// # Errors
/// The text of an index that is no arithmetic over loop variables and numbers.
pub fn resolve(path: &str, loops: &Loops) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = path;
    while let Some(open) = rest.find('[') {
        let close = rest[open..].find(']').ok_or_else(|| path.to_string())? + open;
        out.push_str(&rest[..open]);
        let value = evaluate(&rest[open + 1..close], loops)?;
        out.push('$');
        out.push_str(&value.to_string());
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Value of an index expression.
fn evaluate(text: &str, loops: &Loops) -> Result<usize, String> {
    let mut parser = Parser {
        rest: text.trim(),
        loops,
    };
    let value = parser.sum().ok_or_else(|| text.to_string())?;
    if !parser.rest.is_empty() {
        return Err(text.to_string());
    }
    usize::try_from(value).map_err(|_| text.to_string())
}

struct Parser<'a> {
    rest: &'a str,
    loops: &'a Loops,
}

impl Parser<'_> {
    fn take(&mut self, symbol: char) -> bool {
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        loop {
            if self.take('+') {
                value += self.product()?;
            } else if self.take('-') {
                value -= self.product()?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<i64> {
        let mut value = self.atom()?;
        while self.take('*') {
            value *= self.atom()?;
        }
        Some(value)
    }

    fn atom(&mut self) -> Option<i64> {
        if self.take('(') {
            let value = self.sum()?;
            return self.take(')').then_some(value);
        }
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        let digits = word.trim_end_matches("usize");
        digits.parse().ok().or_else(|| {
            let found = self.loops.iter().rev().find(|(name, _)| name == word);
            found.map(|(_, value)| *value as i64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_arithmetic_over_loop_variables() {
        let loops = vec![("i".to_string(), 3), ("j".to_string(), 5)];
        assert_eq!(
            resolve("pe[i][j-1]$act", &loops).as_deref(),
            Ok("pe$3$4$act")
        );
        assert_eq!(resolve("a[(i+1)*2+j]", &loops).as_deref(), Ok("a$13"));
        assert_eq!(resolve("a[k]", &loops), Err("k".to_string()));
        assert_eq!(resolve("a[i-4]", &loops), Err("i-4".to_string()));
    }
}

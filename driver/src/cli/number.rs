//! Numbers of the command line.

use std::num::{IntErrorKind, NonZeroUsize};

/// Reads a number of at least 1, or says in words what is wrong with it.
pub fn positive(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|error: std::num::ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => format!("it is too large: at most {}", usize::MAX),
            _ => "write a whole number of at least 1".into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_positive_number_is_refused_in_words() {
        assert_eq!(positive("1"), Ok(NonZeroUsize::MIN));
        assert_eq!(
            positive("18446744073709551615").map(NonZeroUsize::get),
            Ok(usize::MAX)
        );
        for text in ["0", "-1", "", "1.5", "a"] {
            let said = positive(text).expect_err(text);
            assert!(said.contains("at least 1"), "{text}: {said}");
        }
        let said = positive("18446744073709551616").expect_err("it does not fit");
        assert!(said.contains("too large"), "{said}");
    }
}

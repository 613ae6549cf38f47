//! The memory port, shared by those who want it.

/// Divides one line a cycle among wishes (lines a cycle): nobody gets more than the wish, and
/// those who get less get the same.
pub(super) fn share<const N: usize>(wishes: [f64; N]) -> [f64; N] {
    let mut grants = [0.0; N];
    let mut left = 1.0;
    let mut open: Vec<usize> = (0..N).filter(|user| wishes[*user] > 0.0).collect();
    while !open.is_empty() {
        let equal = left / open.len() as f64;
        let (modest, greedy): (Vec<_>, Vec<_>) =
            open.iter().partition(|user| wishes[**user] <= equal);
        for user in &modest {
            grants[*user] = wishes[*user];
            left -= wishes[*user];
        }
        if modest.is_empty() {
            for user in greedy {
                grants[user] = equal;
            }
            break;
        }
        open = greedy;
    }
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modest_are_served_first() {
        assert_eq!(share([1.0, 0.25, 0.0]), [0.75, 0.25, 0.0]);
        assert_eq!(share([1.0, 1.0]), [0.5, 0.5]);
        assert_eq!(share([0.25, 0.5]), [0.25, 0.5]);
    }
}

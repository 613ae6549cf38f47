//! Work on the token vectors of many texts, each thread with texts of its own.
//!
//! No text sees another, so that the cut does not show in the results.

use super::RunError;
use crate::backend::Backend;

/// Cuts texts of `lengths` tokens into a share of neighbours for each of `workers`, and lets each run
/// `work` on the vectors of its texts and their lengths, all at once.
///
/// # Errors
/// The first that a worker has.
pub fn apart<B: Backend>(
    workers: &mut [B],
    vectors: &mut [f32],
    lengths: &[usize],
    work: impl Fn(&mut dyn Backend, &mut [f32], &[usize]) -> Result<(), RunError> + Sync,
) -> Result<(), RunError> {
    let tokens: usize = lengths.iter().sum();
    let width = vectors.len() / tokens.max(1);
    let shares = shares(lengths, workers.len());
    std::thread::scope(|scope| {
        let (mut vectors, mut lengths) = (vectors, lengths);
        let mut running = Vec::with_capacity(workers.len());
        for (worker, share) in workers.iter_mut().zip(shares) {
            let (texts, later) = lengths.split_at(share);
            let (mine, rest) = vectors.split_at_mut(texts.iter().sum::<usize>() * width);
            (vectors, lengths) = (rest, later);
            let work = &work;
            if share > 0 {
                running.push(scope.spawn(move || work(worker, mine, texts)));
            }
        }
        running.into_iter().try_for_each(|thread| {
            // A panic goes on in the thread that waits.
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// How many neighbouring texts each of `count` workers gets, about as many tokens each.
fn shares(lengths: &[usize], count: usize) -> Vec<usize> {
    let tokens: usize = lengths.iter().sum();
    let mut shares = vec![0; count];
    let mut before = 0;
    for length in lengths {
        // Whose share holds the middle of the text.
        let at = (2 * before + length) * count / (2 * tokens).max(1);
        shares[at.min(count - 1)] += 1;
        before += length;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::CpuBackend;

    #[test]
    fn every_text_has_one_worker_and_shares_are_even() {
        for (lengths, count, expected) in [
            (&[5, 5, 5, 5][..], 2, &[2, 2][..]),
            (&[1, 1, 1, 9], 2, &[3, 1]),
            (&[9, 1, 1, 1], 2, &[1, 3]),
            (&[4], 3, &[0, 1, 0]),
            (&[], 2, &[0, 0]),
            (&[2, 2, 2, 2, 2, 2, 2], 1, &[7]),
        ] {
            assert_eq!(shares(lengths, count), expected, "{lengths:?}");
        }
        let lengths: Vec<usize> = (0..97).map(|index| 1 + index * 31 % 17).collect();
        for count in 1..8 {
            let shares = shares(&lengths, count);
            assert_eq!(shares.iter().sum::<usize>(), lengths.len());
        }
    }

    #[test]
    fn each_worker_sees_its_vectors_and_errors_come_back() {
        let lengths = [2, 3, 1, 4];
        let mut vectors: Vec<f32> = (0..30).map(|value| value as f32).collect();
        let expected: Vec<f32> = vectors.iter().map(|value| value + 1.0).collect();
        for count in 1..6 {
            let mut workers: Vec<CpuBackend> = (0..count).map(|_| CpuBackend::new(1)).collect();
            let mut found = vectors.clone();
            apart(&mut workers, &mut found, &lengths, |_, mine, lengths| {
                assert_eq!(mine.len(), 3 * lengths.iter().sum::<usize>());
                mine.iter_mut().for_each(|value| *value += 1.0);
                Ok(())
            })
            .expect("no worker fails");
            assert_eq!(found, expected);
        }
        let mut workers = [CpuBackend::new(1), CpuBackend::new(1)];
        let failed = apart(
            &mut workers,
            &mut vectors,
            &lengths,
            |_, _, lengths| match lengths.contains(&4) {
                true => Err(RunError::Range { node: "x".into() }),
                false => Ok(()),
            },
        );
        assert!(failed.is_err());
    }
}

//! Place and route with several seeds at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::step::Progress;
use super::{FlowError, Timing};

/// What one seed came to.
pub struct Placed {
    /// The seed.
    pub seed: u32,
    /// Its report.
    pub timing: Timing,
    /// Wall time.
    pub time: Duration,
}

/// Runs `place` with the seeds 1 to `count`, as many at once as there are cores; the best first.
/// A seed that fails for another reason than timing ends the search.
pub fn search(
    count: u32,
    progress: Progress,
    place: &(dyn Fn(u32) -> Result<Placed, FlowError> + Sync),
) -> Result<Vec<Placed>, FlowError> {
    let next = AtomicU32::new(1);
    let found: Mutex<Result<Vec<Placed>, FlowError>> = Mutex::new(Ok(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let failed = found.lock().expect("no thread panics with it").is_err();
            if seed > count || failed {
                return;
            }
            let placed = place(seed);
            if let Ok(placed) = &placed {
                progress(&format!(
                    "seed {seed}: {:.1} % of the clock after {:.0} s",
                    placed.timing.margin() * 100.0,
                    placed.time.as_secs_f64()
                ));
            }
            let mut found = found.lock().expect("no thread panics with it");
            match (placed, found.as_mut()) {
                (Ok(placed), Ok(all)) => all.push(placed),
                (Err(error), Ok(_)) => *found = Err(error),
                (_, Err(_)) => {}
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| {
        for _ in 0..cores.min(count as usize) {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().expect("no thread panics with it")?;
    found.sort_by(|a, b| {
        let margins = b.timing.margin().total_cmp(&a.timing.margin());
        margins.then(a.seed.cmp(&b.seed))
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::ClockReport;
    use super::*;

    fn placed(seed: u32, mhz: f64) -> Placed {
        Placed {
            seed,
            timing: Timing {
                clocks: vec![ClockReport {
                    name: "clock".into(),
                    achieved_mhz: mhz,
                    target_mhz: 100.0,
                }],
                resources: vec![],
                paths: vec![],
            },
            time: Duration::ZERO,
        }
    }

    #[test]
    fn the_best_seed_comes_first_and_all_are_tried() {
        let place = |seed: u32| Ok(placed(seed, [90.0, 110.0, 110.0, 80.0][seed as usize - 1]));
        let found = search(4, &|_| {}, &place).unwrap();
        let seeds: Vec<u32> = found.iter().map(|placed| placed.seed).collect();
        assert_eq!(seeds, [2, 3, 1, 4]);
    }

    #[test]
    fn a_seed_that_breaks_ends_the_search() {
        let tried = AtomicU32::new(0);
        let place = |seed: u32| {
            tried.fetch_add(1, Ordering::Relaxed);
            match seed {
                1 => Err(FlowError::Latches(1)),
                seed => Ok(placed(seed, 1.0)),
            }
        };
        assert!(search(1000, &|_| {}, &place).is_err());
        assert!(tried.into_inner() < 1000);
    }
}

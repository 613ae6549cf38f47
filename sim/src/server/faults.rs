//! What the server's own log says of writes of the card that go nowhere.

use std::time::{Duration, Instant};

use tracing::warn;

use crate::dma::{DmaTable, Faults};

/// How often such writes are told of.
const PAUSE: Duration = Duration::from_secs(1);

/// Watches for writes that failed. The card does not learn of them, because writes are posted; the
/// client is told by an interrupt ([`DmaTable::on_lost_write`]), and people here.
#[derive(Debug, Default)]
pub struct Watch {
    /// What was told of, and when.
    told: Option<(u64, Instant)>,
}

impl Watch {
    /// Looks at the table, and tells of writes that have failed.
    pub fn look(&mut self, dma: &DmaTable) {
        let Faults {
            writes, last_write, ..
        } = dma.faults();
        let (before, due) = match self.told {
            None => (0, true),
            Some((count, when)) => (count, when.elapsed() >= PAUSE),
        };
        if writes > before && due {
            self.told = Some((writes, Instant::now()));
            if let Some(last) = last_write {
                let count = writes - before;
                warn!(
                    count,
                    "writes of the card were lost, the last because {last}"
                );
            }
        }
    }
}

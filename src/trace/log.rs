//! The observations of a run that may be forked: copies share what happened before they parted.

use super::Observation;
use std::sync::Arc;

/// Observations that are copied with the log; older ones are shared.
const CHUNK: usize = 256;

/// Observations in order, cheap to clone at any length: full chunks are shared, only the last one is copied.
#[derive(Clone, Debug, Default)]
pub struct ObservationLog {
    full: Vec<Arc<Vec<Observation>>>,
    last: Vec<Observation>,
}

impl ObservationLog {
    /// Adds one.
    pub fn push(&mut self, observation: Observation) {
        self.last.push(observation);
        if self.last.len() == CHUNK {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(CHUNK));
            self.full.push(Arc::new(full));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.full.len() * CHUNK + self.last.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Observation> {
        self.full.iter().flat_map(|chunk| chunk.iter()).chain(&self.last)
    }

    /// All of them as one list; what no other log shares is moved.
    pub fn into_vec(self) -> Vec<Observation> {
        let mut all = Vec::with_capacity(self.len());
        for chunk in self.full {
            match Arc::try_unwrap(chunk) {
                Ok(own) => all.extend(own),
                Err(shared) => all.extend(shared.iter().cloned()),
            }
        }
        all.extend(self.last);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::EventKind;

    #[test]
    fn copies_share_the_past_and_go_their_own_ways() {
        let at = |t_ms| Observation::new(t_ms, EventKind::PodReady);
        let mut log = ObservationLog::default();
        (0..600).for_each(|t| log.push(at(t)));
        let mut other = log.clone();
        assert!(Arc::ptr_eq(&log.full[0], &other.full[0]));
        log.push(at(600));
        other.push(at(700));
        assert_eq!((log.len(), other.len(), log.is_empty()), (601, 601, false));
        let times = |log: ObservationLog| -> Vec<i64> { log.into_vec().iter().map(|o| o.t_ms).collect() };
        assert_eq!(log.iter().map(|o| o.t_ms).collect::<Vec<_>>(), (0..=600).collect::<Vec<_>>());
        assert_eq!(times(log), (0..=600).collect::<Vec<_>>());
        assert_eq!(times(other).last(), Some(&700));
    }
}

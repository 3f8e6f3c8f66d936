//! Joins each pod that left with the pod that took its place, from what a trace can tell.
//!
//! The API knows no "this pod replaces that one"; neither does the runner. The join is by owner and
//! order: under one owner, the first pod created after a loss takes the place of the earliest loss
//! not yet made good. A pod of the same name (a StatefulSet's ordinal) comes before that order. A pod
//! that ended by itself (a Job's) is replaced last, so that a Job's next index is not taken for the
//! replacement of an evicted pod. A creation that found no loss waits for the next loss under its
//! owner: controllers may replace a pod before the trace tells of its end (a lost node).

use std::collections::VecDeque;

/// A pod that left, still without a replacement. `N` is how those who join know its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss<N> {
    /// The pod that left.
    pub pod: usize,
    /// Its `namespace/name`.
    pub name: N,
    /// True when it ended by itself.
    pub by_itself: bool,
}

/// The open losses and early creations of one owner.
#[derive(Debug, Clone)]
pub(crate) struct OwnerLineage<N> {
    losses: VecDeque<Loss<N>>,
    early: VecDeque<usize>,
}

impl<N> Default for OwnerLineage<N> {
    fn default() -> Self {
        OwnerLineage { losses: VecDeque::new(), early: VecDeque::new() }
    }
}

impl<N> OwnerLineage<N> {
    /// A pod of the owner left; the pod that had already taken its place, if there is one.
    pub fn lost(&mut self, loss: Loss<N>) -> Option<usize> {
        let taken = if loss.by_itself { None } else { self.early.pop_front() };
        if taken.is_none() {
            self.losses.push_back(loss);
        }
        taken
    }

    /// The owner made `pod`; the pod it replaces, if one is missing.
    pub fn created(&mut self, pod: usize, is_its_name: impl Fn(&N) -> bool) -> Option<usize> {
        let at = self.losses.iter().position(|l| is_its_name(&l.name));
        let at = at.or_else(|| self.losses.iter().position(|l| !l.by_itself));
        let at = at.or((!self.losses.is_empty()).then_some(0));
        match at.and_then(|at| self.losses.remove(at)) {
            Some(loss) => Some(loss.pod),
            None => {
                self.early.push_back(pod);
                None
            }
        }
    }

    /// `pod` left before anything was found that it replaced: it can replace nothing any more.
    pub fn forget(&mut self, pod: usize) {
        self.early.retain(|p| *p != pod);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(pod: usize, name: &str) -> Loss<String> {
        Loss { pod, name: name.to_owned(), by_itself: false }
    }

    #[test]
    fn earliest_loss_first_but_same_name_before_it() {
        let mut l = OwnerLineage::default();
        assert_eq!(l.lost(loss(1, "a/x-0")), None);
        assert_eq!(l.lost(loss(2, "a/x-1")), None);
        assert_eq!(l.lost(loss(3, "a/x-2")), None);
        assert_eq!(l.created(10, |n| n == "a/x-1"), Some(2));
        assert_eq!(l.created(11, |n| n == "a/y"), Some(1));
        assert_eq!(l.created(12, |n| n == "a/z"), Some(3));
    }

    #[test]
    fn what_ended_by_itself_is_replaced_last() {
        let mut l = OwnerLineage::default();
        l.lost(Loss { pod: 1, name: "a/j-1".into(), by_itself: true });
        l.lost(loss(2, "a/j-2"));
        assert_eq!(l.created(10, |n| n == "a/j-3"), Some(2));
        assert_eq!(l.created(11, |n| n == "a/j-4"), Some(1));
    }

    #[test]
    fn early_creation_waits_for_its_loss() {
        let mut l = OwnerLineage::default();
        assert_eq!(l.created(10, |n| n == "a/x"), None);
        assert_eq!(l.created(11, |n| n == "a/y"), None);
        l.forget(10);
        assert_eq!(l.lost(loss(1, "a/w")), Some(11));
        assert_eq!(l.lost(loss(2, "a/v")), None);
    }
}

//! No autoscaler: nothing is launched for pending pods, nothing is removed.

use crate::groups::Packing;

/// Nothing to launch.
pub fn decide() -> Packing {
    Packing::default()
}

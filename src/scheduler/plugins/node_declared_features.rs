//! NodeDeclaredFeatures (1.36 beta): what a pod needs of a kubelet's declared features (P/nodedeclaredfeatures).
//!
//! Not modelled: the features that a pod spec implies are a list in the scheduler's binary; no pod of the recordings implies one.

/// Its words.
pub const REASON: &str = "node(s) didn't match Pod's required features";

//! Taints and tolerations.

use super::intern::Sym;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // Kubernetes' own names
pub enum Effect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl Effect {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::NoSchedule => "NoSchedule",
            Effect::PreferNoSchedule => "PreferNoSchedule",
            Effect::NoExecute => "NoExecute",
        }
    }
}

/// A node's taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Taint {
    /// Key.
    pub key: Sym,
    /// Value; the symbol of "" if none.
    pub value: Sym,
    /// Effect.
    pub effect: Effect,
}

/// A pod's toleration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Toleration {
    /// Key; None tolerates every key (operator `Exists`).
    pub key: Option<Sym>,
    /// Value that must be equal; None for operator `Exists`.
    pub value: Option<Sym>,
    /// Effect; None for all.
    pub effect: Option<Effect>,
    /// For `NoExecute`: how long the pod may stay; None for ever.
    pub seconds: Option<i64>,
}

impl Toleration {
    /// Whether it tolerates the taint (component-helpers `ToleratesTaint`, Lt/Gt gated off).
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|e| e == taint.effect)
            && self.key.is_none_or(|k| k == taint.key)
            && self.value.is_none_or(|v| v == taint.value)
    }
}

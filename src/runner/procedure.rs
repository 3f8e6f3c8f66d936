//! The list of the procedures: what runs for each, and whose words are spoken.

use super::batch_run::{BatchRun, Words};
use super::context::Cx;
use super::interface::Ms;
use super::kubectl_drain::KubectlDrain;
use super::ocean::Ocean;
use super::surge::Surge;
use crate::intent::options::ProcedureKind;
use serde::{Deserialize, Serialize};

/// Makes of one list the state of the batch under way, by procedure, and whose words are spoken. What is known of a procedure before it
/// runs is in `intent/procedure`.
macro_rules! runs {
    ($($run:ident => $($kind:ident)|+,)+) => {
        /// The procedure of the batch under way.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum ProcedureState {
            $($run(Box<$run>),)+
        }

        impl ProcedureState {
            /// A procedure that has not begun.
            pub fn new(kind: ProcedureKind) -> ProcedureState {
                match kind {
                    $($(ProcedureKind::$kind)|+ => ProcedureState::$run(Box::default()),)+
                }
            }

            /// The procedure itself.
            pub fn get(&mut self) -> &mut dyn BatchRun {
                match self {
                    $(ProcedureState::$run(run) => &mut **run,)+
                }
            }

            fn seen(&self) -> &dyn BatchRun {
                match self {
                    $(ProcedureState::$run(run) => &**run,)+
                }
            }
        }

        /// The words of a procedure.
        pub(crate) fn words(kind: ProcedureKind) -> Words {
            match kind {
                $($(ProcedureKind::$kind)|+ => $run::words(kind),)+
            }
        }
    };
}

runs! {
    KubectlDrain => KubectlDrain,
    Ocean => OceanAws | OceanAzure,
    Surge => Surge,
}

impl ProcedureState {
    /// See [`BatchRun::waits_for`].
    pub fn waits_for(&self, cx: &Cx<'_>) -> String {
        self.seen().waits_for(cx)
    }

    /// See [`BatchRun::next_wakeup`].
    pub fn next_wakeup(&self, now: Ms) -> Option<Ms> {
        self.seen().next_wakeup(now)
    }
}

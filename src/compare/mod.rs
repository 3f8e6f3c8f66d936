//! One thing beside another: a plan beside its execution, two plans, two runs, delays that were seen beside those assumed.

pub mod actual;
pub mod calibrate;
pub mod diff;

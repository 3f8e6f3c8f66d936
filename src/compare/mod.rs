//! One thing beside another: a plan beside its execution, two plans, two runs, several of them, dumps, delays that were seen beside those assumed.

pub mod actual;
pub mod beside;
pub mod calibrate;
pub mod diff;

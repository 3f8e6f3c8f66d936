//! Makes synthetic clusters from a seed, written as `kubectl get -o json` would print them.
//!
//! Nodes, workloads of every kind, budgets, zonal volumes and deliberate traps, as read back from an API server with kubelets running: complete
//! specs, statuses that agree with one another, owner references that resolve. Uids and times follow from the seed and a fixed epoch, so the same
//! parameters give the same bytes, and what is drawn for one object does not depend on the others.
//!
//! Two liberties, so that a real API server accepts the List: no `resourceVersion` (it must be absent on creation), and Jobs bring selectors of
//! their own (a generated one names the Job's uid, which another server chooses anew).

mod build;
mod model;
mod names;
mod objects;
mod params;
mod placer;
#[cfg(test)]
mod tests;
mod trap;
mod traps;

use std::io::{self, Write};

use serde_json::Value;

pub use params::{BudgetMix, GenerateParams, Machine, Range, SpecialPool, WorkloadMix};
pub use trap::{Trap, TrapKind};

/// Why no cluster was made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A parameter that no cluster can have.
    #[error("generate: parameter {parameter} = {value}: {why}; {remedy}")]
    Parameter {
        /// Its name, as a path.
        parameter: String,
        /// What it was.
        value: String,
        /// What is wrong with it.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The nodes have no room for what must be there.
    #[error("generate: no room for {what}: {why}; {remedy}")]
    NoRoom {
        /// What did not fit.
        what: String,
        /// What was in the way.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// The output could not be written.
    #[error("generate: the list could not be written: {0}; check the disk and the path")]
    Write(#[from] io::Error),
}

/// The objects of a synthetic cluster, in the order of `kubectl get`.
///
/// # Errors
/// Impossible parameters, or traps and pods that do not fit the nodes.
pub fn generate(params: &GenerateParams) -> Result<Vec<Value>, GenerateError> {
    let mut objects = Vec::new();
    generate_each(params, |object| {
        objects.push(object);
        Ok(())
    })?;
    Ok(objects)
}

/// Hands out the objects of a synthetic cluster one by one, in the order of `kubectl get`: as JSON values, those of a large cluster take
/// more room than all else.
///
/// # Errors
/// As [`generate`], and what `each` returns.
pub fn generate_each(
    params: &GenerateParams,
    mut each: impl FnMut(Value) -> Result<(), GenerateError>,
) -> Result<(), GenerateError> {
    objects::each(&build::build(params)?, &mut each)
}

/// Writes a synthetic cluster as one `List`, an object a line; holds no more than one object besides the placements.
///
/// # Errors
/// As [`generate`], and what `out` reports.
pub fn write_list(params: &GenerateParams, mut out: impl Write) -> Result<(), GenerateError> {
    let model = build::build(params)?;
    out.write_all(b"{\"apiVersion\":\"v1\",\"items\":[\n")?;
    let mut first = true;
    objects::each(&model, &mut |object| {
        if !first {
            out.write_all(b",\n")?;
        }
        first = false;
        serde_json::to_writer(&mut out, &object).map_err(io::Error::from)
    })?;
    out.write_all(b"\n],\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"}}\n")?;
    out.flush()?;
    Ok(())
}

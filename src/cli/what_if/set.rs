//! `--set PATH=VALUE`: any field of a scenario's `options`, `sim` or `autoscaler`.

use super::super::near::hint;
use crate::request::plan::Request;
use crate::snapshot::plain_words;
use crate::typed;
use anyhow::{Context, Result, anyhow, bail};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Where a path can begin.
const PATHS: [&str; 3] = ["options", "sim", "autoscaler"];

pub(super) fn lay(request: &mut Request, text: &str) -> Result<()> {
    let (path, value) = text.split_once('=').context("expected PATH=VALUE, such as options.soak_ms=60000")?;
    let (room, rest) = path.split_once('.').unwrap_or((path, ""));
    // What is no YAML at all is text.
    let value: Value = serde_saphyr::from_str(value).unwrap_or_else(|_| value.into());
    match room {
        "options" => request.options = changed(&request.options, room, rest, value)?,
        "sim" => request.sim = changed(&request.sim, room, rest, value)?,
        "autoscaler" => request.autoscaler = changed(&request.autoscaler, room, rest, value)?,
        other => {
            bail!("{other} is not known; expected a path from {} on{}", PATHS.join(", "), hint(other, PATHS))
        }
    }
    Ok(())
}

fn changed<T: Serialize + DeserializeOwned>(old: &T, room: &str, path: &str, value: Value) -> Result<T> {
    let mut all = serde_json::to_value(old)?;
    let mut at = &mut all;
    for key in path.split('.').filter(|k| !k.is_empty()) {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(fields) => fields.entry(key).or_insert(Value::Null),
            Value::Array(list) => {
                let there = list.len();
                let index = key.parse::<usize>().ok().and_then(|i| list.get_mut(i));
                index.with_context(|| format!("{key}: expected the index of one of {there} items"))?
            }
            other => bail!("{key}: there is no field in {other}"),
        };
    }
    *at = value;
    typed::from_value(&all).map_err(|e| {
        let what = plain_words(&e.what);
        // What is known is listed there: the near one is named beside it.
        let last = path.rsplit('.').next().unwrap_or_default();
        let near = what.split_once("; known are ").map_or_else(String::new, |(_, known)| hint(last, known.split(", ")));
        anyhow!("{room}.{}: {what}{near}", e.path)
    })
}

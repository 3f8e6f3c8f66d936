//! How fast a dump is read: bytes of JSON, indented as kubectl does it, and of YAML to a cluster.

use super::{BenchError, Effort, Meter, Reading, median};
use crate::request::error::InputError;
use crate::snapshot::generate::{GenerateParams, write_list};
use crate::snapshot::{ReadError, Snapshot, Source};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::hint::black_box;
use std::io::Write;

/// Nodes of the clusters that are read.
const JSON_NODES: u32 = 500;
const YAML_NODES: u32 = 50;

pub(super) fn measure(effort: Effort, meter: &mut dyn Meter) -> Result<Reading, BenchError> {
    let json = indented(&dump(JSON_NODES)?);
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packed.write_all(&json).and_then(|()| packed.finish()).unwrap_or_default();
    let small: serde_json::Value = serde_json::from_slice(&dump(YAML_NODES)?).unwrap_or_default();
    let yaml = serde_saphyr::to_string(&small).unwrap_or_default().into_bytes();
    let size = json.len();
    let read = |bytes: &[u8]| Snapshot::from_sources(&[Source::new("generated", bytes.to_vec())?]);
    Ok(Reading {
        json_mb_per_s: rate(size, effort, meter, || read(&json))?,
        gzip_mb_per_s: rate(size, effort, meter, || read(&packed))?,
        yaml_mb_per_s: rate(yaml.len(), effort, meter, || read(&yaml))?,
    })
}

fn dump(nodes: u32) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    write_list(&GenerateParams { nodes, ..GenerateParams::default() }, &mut bytes)?;
    Ok(bytes)
}

/// By four spaces, as `kubectl get -o json` prints.
fn indented(json: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let mut bytes = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, form));
    written.map(|()| bytes).unwrap_or_default()
}

/// Millions of bytes a second, of text that has so many.
fn rate(
    size: usize,
    effort: Effort,
    meter: &mut dyn Meter,
    read: impl Fn() -> Result<Snapshot, ReadError>,
) -> Result<f64, InputError> {
    let (mut rates, mut used) = (Vec::new(), 0.0);
    while used < effort.seconds || rates.len() < 3 {
        let before = meter.seconds();
        let snapshot = black_box(read()?);
        let took = meter.seconds() - before;
        drop(snapshot);
        used += took;
        rates.push(size as f64 / 1e6 / took.max(1e-9));
    }
    Ok((median(&mut rates) * 10.0).round() / 10.0)
}

use super::*;
use crate::snapshot::generate::{GenerateParams, write_list};
use crate::snapshot::source::{load, load_condensed_from};
use crate::snapshot::{ReadError, Snapshot};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Gives so many bytes at a time.
struct Slow<'t>(&'t [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(self.0.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn condensed(text: &str) -> Option<Condensed> {
    read(text.as_bytes(), &mut Sha256::new()).expect("no I/O")
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
}

#[test]
fn what_is_read_of_a_pod_is_kept_and_nothing_else() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "p", "uid": "u", "labels": {"a b": "c\n\"d\""}, "managedFields": [{"manager": "kubectl"}], "resourceVersion": "7",
            "annotations": {LAST_APPLIED: "{\"kind\":\"Pod\"}", "own": "1"}
        },
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i", "env": [{"name": "A"}],
            "resources": {"requests": {"cpu": 0.5}}}]},
        "status": {"phase": "Running", "hostIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null}]}
    });
    let text = serde_json::to_string_pretty(&list(&[pod, Value::Null])).expect("JSON");
    let read = condensed(&text).expect("a List");
    let value: Value = serde_json::from_str(&read.text).expect("JSON");
    assert_eq!(
        value,
        list(&[
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "p", "uid": "u", "labels": {"a b": "c\n\"d\""}, "annotations": {"own": "1"}},
                "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": 0.5}}}]},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
            }),
            Value::Null,
        ])
    );
    let lines: Vec<usize> = read.starts.iter().map(|s| s.line).collect();
    let line = |what: &str| text.lines().position(|l| l.starts_with(what)).expect("a line") + 1;
    assert_eq!(lines, [line("    {"), line("    null")]);
    assert_eq!(line_at(&read.starts, read.starts[1].at + 2), lines[1]);
}

/// Every kind that is read has a type of its own, and each of them reads objects by their fields.
#[test]
fn of_each_known_kind_only_what_is_read_is_kept() {
    for (_, kind) in KNOWN {
        let fields = fields_of(kind).unwrap_or_else(|| panic!("{kind} is kept as it is"));
        let metadata = fields.iter().find(|(name, _)| *name == "metadata").map(|(_, keep)| keep);
        assert!(
            matches!(metadata, Some(Keep::Fields(of)) if of.iter().any(|(name, _)| *name == "ownerReferences")),
            "{kind}"
        );
    }
    assert!(fields_of("Widget").is_none());
}

/// Objects of kinds that are not known are kept as they are, and so is what stands before a kind.
#[test]
fn what_is_of_no_known_kind_is_kept() {
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": [1, {"b": "c d"}]}});
    let late = json!({"allowVolumeExpansion": true, "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "s"}});
    let items = [widget, late, json!("text"), json!([1, {"kind": "x"}]), json!(3), json!(true)];
    let text = serde_json::to_string_pretty(&list(&items)).expect("JSON");
    let read = condensed(&text).expect("a List");
    assert_eq!(serde_json::from_str::<Value>(&read.text).expect("JSON"), list(&items));
}

#[test]
fn pieces_may_end_anywhere() {
    let mut bytes = Vec::new();
    write_list(&GenerateParams { nodes: 2, ..GenerateParams::default() }, &mut bytes).expect("a cluster");
    let text = String::from_utf8(bytes).expect("text").replacen("old", "öld €", 3);
    let whole = condensed(&text).expect("a List");
    for size in [1, 7, 1000] {
        let mut hash = Sha256::new();
        let pieces = read(Slow(text.as_bytes(), size), &mut hash).expect("no I/O").expect("a List");
        assert_eq!((&pieces.text, &pieces.starts), (&whole.text, &whole.starts));
        assert_eq!(hash.finalize(), Sha256::digest(text.as_bytes()));
    }
}

/// What is no List, or no JSON, is left to those who read a text as a whole.
#[test]
fn all_else_is_left_alone() {
    let good = list(&[json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})]).to_string();
    assert!(condensed(&good).is_some() && condensed(&format!("\n {good}\n")).is_some());
    for end in 0..good.len() {
        assert!(condensed(&good[..end]).is_none(), "{}", &good[..end]);
    }
    let bad = [
        format!("{good}{good}"),
        format!("[{good}]"),
        format!("{good} x"),
        good.replace("\"List\"", "\"Node\""),
        good.replace("[{", "[,{"),
        good.replace("}]", "},]"),
        good.replace("\"n\"", "n"),
        good.replace("\"metadata\"", "\"items\":[],\"metadata\""),
        "kind: List\nitems: []\n".to_owned(),
        "{}".to_owned(),
    ];
    for text in bad {
        assert!(condensed(&text).is_none(), "{text}");
    }
    let mut broken = good.clone().into_bytes();
    let at = good.find("\"n\"").expect("the name") + 1;
    broken[at] = 0xff;
    assert!(read(&broken[..], &mut Sha256::new()).expect("no I/O").is_none());
}

/// The same cluster, findings and hash, and the same complaints, be it read piece by piece or as a whole, packed or not.
#[test]
fn a_file_is_read_as_if_it_were_read_as_a_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let mut bytes = Vec::new();
    write_list(&GenerateParams { nodes: 4, ..GenerateParams::default() }, &mut bytes).expect("a cluster");
    let mut value: Value = serde_json::from_slice(&bytes).expect("JSON");
    for (i, item) in value["items"].as_array_mut().expect("items").iter_mut().enumerate() {
        item["metadata"]["managedFields"] = json!([{"manager": "kubectl", "fieldsV1": {"f:a": {}}}]);
        item["metadata"]["annotations"][LAST_APPLIED] = json!("{}");
        item["status"]["of no interest"] = json!([i, null, "\u{1f600} \\ \""]);
    }
    let text = serde_json::to_string_pretty(&value).expect("JSON");
    std::fs::write(path("all.json"), &text).expect("written");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).expect("packed");
    std::fs::write(path("all.json.gz"), packed.finish().expect("packed")).expect("written");
    let whole = |name: &str| Snapshot::from_sources(&load(&[path(name)])?);
    let condensed = |paths: &[PathBuf]| Snapshot::from_sources(&load_condensed_from(paths, 0)?);
    let said = |read: Result<Snapshot, ReadError>| match read {
        Ok(s) => format!("{:?} {:?} {:?} {:?} {:?}", s.cluster, s.findings, s.sha256, s.counts, s.unknown),
        Err(e) => e.to_string(),
    };
    for name in ["all.json", "all.json.gz"] {
        let paths = [path(name)];
        let sources = load_condensed_from(&paths, 0).expect("a dump");
        assert!(sources[0].bytes.len() * 3 < text.len() * 2, "{} of {}", sources[0].bytes.len(), text.len());
        assert_eq!(said(condensed(&paths)), said(whole(name)), "{name}");
    }
    let both = [path("all.json"), path("more.json")];
    std::fs::write(&both[1], r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"more"}}"#).expect("written");
    assert_eq!(said(condensed(&both)), said(load(&both).and_then(|sources| Snapshot::from_sources(&sources))));
    for (from, to) in [
        ("\"replicas\": 1", "\"replicas\": \"many\""),
        ("\"cpu\": \"", "\"cpu\": \"x"),
        ("\"kind\": \"Pod\"", "\"kind\": 7"),
        ("\"items\"", "\"item\""),
        ("\"status\": {", "\"status\": {,"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(path("bad.json"), text.replace(from, to)).expect("written");
        assert_eq!(said(condensed(&[path("bad.json")])), said(whole("bad.json")), "{to}");
    }
}

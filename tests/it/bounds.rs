//! Numbers at the ends of what they can be: a document that holds one is refused with its field, or carried through; nothing panics or goes on
//! without an end.

use nodeferry::plan::Plan;
use nodeferry::request::control_plane::ControlPlane;
use nodeferry::request::input::{cluster_of_scenario, request_of_scenario};
use nodeferry::request::plan::{forecast, plan};
use nodeferry::request::resimulate::{Laid, lay};
use nodeferry::request::scenario::{self, Scenario};
use nodeferry::verify::expect::run_scenario;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const EVERYTHING: &str = include_str!("bounds/everything.yaml");

/// Scenarios of the other kinds, and with options that go together with nothing else.
const OTHERS: [&str; 9] = [
    "scenarios/quickstart.yaml",
    "scenarios/ack-completes.yaml",
    "scenarios/aks-upgrade-two-nodes.yaml",
    "scenarios/eks-upgrade-minimal.yaml",
    "scenarios/gke-upgrade-forces.yaml",
    "scenarios/ocean-aws-manual-pods.yaml",
    "scenarios/ocean-azure-moves-all.yaml",
    "scenarios/reactive-autoscaler.yaml",
    "scenarios/transfer-completes.yaml",
];

/// Scenarios with fields that none of the others states.
fn more(documents: &[Value]) -> Vec<Value> {
    let with = |of: &str, place: &str, fields: Value| {
        let is_of = |d: &&Value| d.pointer(of).is_some_and(Value::is_object);
        let mut document = documents.iter().find(is_of).unwrap_or_else(|| panic!("none has {of}")).clone();
        let object = document.pointer_mut(place).and_then(Value::as_object_mut).expect("an object");
        object.extend(fields.as_object().expect("an object").clone());
        document
    };
    let surge = json!({"procedure": "surge", "surge": {"node_timeout_ms": 600_000, "node_soak_ms": 1_000, "node_interval_ms": 1_000}});
    let ocean = json!({"procedure": "ocean-azure", "ocean": {"technical_timeout_ms": 600_000}});
    vec![
        with("/cluster/objects/20", "/options", surge),
        with("/cluster/objects/20", "/options", ocean),
        with("/cluster/generate", "/cluster/generate", json!({"fill_percent": 50, "pods_per_node": null})),
        with("/ack", "/ack/simulation", json!({"outage_ms": 60_000})),
        with("/transfer", "/transfer/simulation", json!({"source_hourly_micros": 100, "target_hourly_micros": 100})),
    ]
}

fn extremes() -> Vec<Value> {
    vec![json!(i64::MIN), json!(-1), json!(0), json!(u32::MAX), json!(i64::MAX), json!(u64::MAX), json!(1e300)]
}

/// Amounts as Kubernetes writes them.
fn amounts() -> Vec<Value> {
    ["-1", "9223372036854775807Ei", "1e300", "-9223372036854775808"].map(Value::from).to_vec()
}

/// A scenario with all that it leaves out written down.
fn in_full(text: &str, path: &Path) -> Value {
    let scenario = Scenario::parse(text, path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut value = serde_json::to_value(scenario).expect("JSON");
    let object = value.as_object_mut().expect("an object");
    // What it expects does not come about, which is not what is asked here.
    object.remove("expect");
    object.retain(|_, v| !v.is_null());
    // Many draws take most of the time, and are more of the same.
    if let Some(draws) = value.pointer_mut("/ack/simulation/draws") {
        *draws = json!(10);
    }
    value
}

/// Pointers of the numbers of a document, and of the texts that are amounts.
fn numbers(value: &Value, at: &str, found: &mut Vec<(String, bool)>) {
    match value {
        Value::Number(_) => found.push((at.to_owned(), false)),
        Value::String(text) => {
            let digits = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            if digits.len() < text.len() && ["", "m", "Ki", "Mi", "Gi", "Ti", "k", "M", "G"].contains(&digits) {
                found.push((at.to_owned(), true));
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| numbers(v, &format!("{at}/{i}"), found)),
        Value::Object(fields) => {
            for (key, v) in fields {
                numbers(v, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

/// The name of what a pointer leads to, and that of what it stands in.
fn names(pointer: &str) -> [String; 2] {
    let mut parts = pointer.rsplit('/').filter(|part| part.parse::<usize>().is_err());
    [(); 2].map(|()| parts.next().unwrap_or_default().replace("~1", "/").replace("~0", "~"))
}

/// What becomes of a document with one of its numbers changed: nothing to object to, or what.
fn wrong_of(
    document: &Value,
    pointer: &str,
    extreme: &Value,
    run: impl Fn(&Value) -> Result<(), String>,
) -> Option<String> {
    let mut changed = document.clone();
    *changed.pointer_mut(pointer).expect("it is there") = extreme.clone();
    if std::env::var_os("NODEFERRY_BOUNDS").is_some() {
        eprintln!("begins {pointer} = {extreme}");
    }
    let result = catch_unwind(AssertUnwindSafe(|| run(&changed)));
    if std::env::var_os("NODEFERRY_BOUNDS").is_some() {
        eprintln!("ends {pointer} = {extreme}: {result:?}");
    }
    match result {
        Ok(Ok(())) => None,
        // Of `{min, max}` the name of the range says enough. Within a variant the reader knows the variant's place alone, and quotes what it found.
        Ok(Err(message))
            if names(pointer).iter().any(|name| message.contains(name))
                || message.contains(&format!("found {extreme}")) =>
        {
            None
        }
        Ok(Err(message)) => Some(format!("the error does not name it: {message}")),
        Err(_) => Some("panics".to_owned()),
    }
}

/// What is wrong with the cases, a line each, in their order.
fn all_wrong(
    documents: &[Value],
    cases: &[(usize, String, Value)],
    run: impl Fn(&Value) -> Result<(), String> + Sync,
) -> Vec<String> {
    // Threads of their own: in those of rayon, which a plan uses too, one case would begin within another.
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((i, pointer, extreme)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(why) = wrong_of(&documents[*i], pointer, extreme, &run) {
                        wrong.lock().expect("a lock").insert(format!("{pointer} = {extreme}"), why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("a lock");
    wrong.into_iter().map(|(case, why)| format!("{case}: {why}")).collect()
}

fn run(scenario: &Value, dir: &Path) -> Result<(), String> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let file = dir.join(format!("{}.json", NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&file, scenario.to_string()).expect("written");
    let result = simulate(&file, scenario);
    std::fs::remove_file(&file).expect("removed");
    result
}

fn simulate(file: &Path, scenario: &Value) -> Result<(), String> {
    if scenario.get("ack").or(scenario.get("transfer")).is_some() {
        return run_scenario(file).map(|_| ()).map_err(|e| e.to_string());
    }
    let scenario = Scenario::parse(&scenario.to_string(), file).map_err(|e| e.to_string())?;
    let mut request = request_of_scenario(&scenario, false).map_err(|e| e.to_string())?;
    // They are more runs of the same, and take most of the time.
    (request.remedies, request.replications) = (false, 1);
    plan(request, &|| ()).map(|_| ()).map_err(|e| e.to_string())
}

#[test]
fn no_number_of_a_scenario_breaks_anything() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().expect("a directory");
    let mut documents = vec![in_full(EVERYTHING, &root.join("tests/it/bounds/everything.yaml"))];
    for other in OTHERS {
        let path: PathBuf = root.join(other);
        documents.push(in_full(&std::fs::read_to_string(&path).expect("a scenario"), &path));
    }
    documents.extend(more(&documents));
    for document in &documents {
        assert_eq!(run(document, dir.path()), Ok(()), "{}", document["scenario"]);
    }
    // For between two edits: only what stands at or below a pointer, and each case said.
    let picked = std::env::var("NODEFERRY_BOUNDS").ok();
    let (mut seen, mut cases) = (BTreeSet::new(), Vec::new());
    for (i, document) in documents.iter().enumerate() {
        let mut found = Vec::new();
        numbers(document, "", &mut found);
        for (pointer, is_amount) in found {
            // The same field of many documents once; of each delay and each fault.
            let is_new = seen.insert(pointer.clone());
            let is_new = is_new && picked.as_ref().is_none_or(|p| pointer.starts_with(p.as_str()));
            let all = if is_amount { amounts() } else { extremes() };
            cases.extend(all.into_iter().filter(|_| is_new).map(|extreme| (i, pointer.clone(), extreme)));
        }
    }
    let wrong = all_wrong(&documents, &cases, |scenario| run(scenario, dir.path()));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));

    // No field that a scenario can have is left out.
    let mut left_out = BTreeSet::new();
    let has: BTreeSet<String> = seen.iter().map(|p| names(p)[0].clone()).collect();
    let mut schema = serde_json::to_value(scenario::schema()).expect("JSON");
    // What a scenario expects is compared and no more.
    schema["$defs"].as_object_mut().expect("definitions").retain(|name, _| !name.contains("Expect"));
    fields(&schema, &mut left_out);
    left_out.retain(|name| !has.contains(name));
    assert_eq!(left_out, BTreeSet::new(), "numbers that no document of this test has");
}

/// Names of the numbers that a schema describes.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    let Some(object) = schema.as_object() else {
        return schema.as_array().into_iter().flatten().for_each(|s| fields(s, found));
    };
    for (name, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let is = |t: &Value| t == "integer" || t == "number";
        let kind = &property["type"];
        if is(kind) || kind.as_array().is_some_and(|all| all.iter().any(is)) {
            found.insert(name.clone());
        }
    }
    object.values().for_each(|s| fields(s, found));
}

#[test]
fn no_number_of_a_plan_breaks_anything() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/bounds/everything.yaml");
    let scenario = Scenario::parse(EVERYTHING, &path).expect("a scenario");
    let request = || request_of_scenario(&scenario, false).expect("a cluster");
    let made = plan(request(), &|| ()).expect("a plan").plan;
    let document = serde_json::to_value(&made).expect("JSON");
    let loaded = || cluster_of_scenario(&scenario, &ControlPlane::of_plan(&made), false).expect("a cluster");
    let again = |text: &str| -> Result<(), String> {
        let plan = Plan::parse(text)?;
        let Laid { mut request, batches, .. } = lay(&plan, loaded())?;
        (request.remedies, request.replications) = (false, 1);
        forecast(request, plan.intent, batches, &|| ()).map(|_| ()).map_err(|e| e.to_string())
    };
    let mut found = Vec::new();
    numbers(&document, "", &mut found);
    // What it was forecast, and the cluster that it was made upon, are shown and compared and no more.
    let is_said = |pointer: &str| ["/forecast/", "/baseline/"].iter().any(|part| pointer.starts_with(part));
    let cases: Vec<(usize, String, Value)> = found
        .into_iter()
        .filter(|(pointer, is_amount)| !is_amount && !is_said(pointer))
        .flat_map(|(pointer, _)| extremes().into_iter().map(move |extreme| (0, pointer.clone(), extreme)))
        .collect();
    assert!(cases.len() > 300, "{} cases", cases.len());
    let wrong = all_wrong(std::slice::from_ref(&document), &cases, |plan| again(&plan.to_string()));
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

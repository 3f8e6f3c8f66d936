//! Manifests in every form, and what is wrong with others.

use super::*;

fn source(name: &str, text: &str, found: bool) -> Source {
    let mut source = Source::of_text(name, text);
    source.found = found;
    source
}

fn read(sources: &[Source]) -> Result<Inventory, String> {
    Inventory::from_sources(sources, "default").map_err(|e| e.to_string())
}

fn names(inventory: &Inventory) -> Vec<&str> {
    inventory.items().map(|i| i.id.as_str()).collect()
}

const TWO: &str = "# chart\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n---\n\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";

#[test]
fn documents_lists_and_arrays_are_taken_apart_with_their_places() {
    let list = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}]}"#;
    let typed = r#"{"apiVersion":"v1","kind":"ConfigMapList","items":[{"metadata":{"name":"b","namespace":"shop"}}]}"#;
    let inventory =
        read(&[source("web.yaml", TWO, false), source("dump.json", list, false), source("maps.json", typed, false)])
            .expect("objects");
    assert_eq!(
        names(&inventory),
        ["ConfigMap/shop/a", "ConfigMap/shop/b", "Deployment.apps/default/web", "Service/shop/web"]
    );
    let origin = |id: &str| inventory.items().find(|i| i.id.as_str() == id).map(|i| i.origin.clone());
    assert_eq!(origin("Service/shop/web").as_deref(), Some("web.yaml, line 3"));
    assert_eq!(origin("Deployment.apps/default/web").as_deref(), Some("web.yaml, line 8"));
    assert_eq!(origin("ConfigMap/shop/a").as_deref(), Some("dump.json, line 1, items[0]"));
    let assumed: Vec<&str> = inventory.noticed.iter().map(|n| n.object.as_str()).collect();
    assert_eq!(assumed, ["Deployment.apps/default/web"]);
}

#[test]
fn values_of_secrets_are_dropped_at_once() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: shop\n  annotations: {kubectl.kubernetes.io/last-applied-configuration: 'cGFzcw=='}\ndata: {password: cGFzcw==}\nstringData: {user: 'cGFzcw=='}\n";
    let inventory = read(&[source("s.yaml", secret, false)]).expect("objects");
    let item = inventory.items().next().expect("one");
    assert_eq!(item.object["data"], serde_json::json!({"password": "", "user": ""}));
    assert!(!item.object.to_string().contains("cGFzcw"), "{}", item.object);
}

#[test]
fn bad_input_is_named_by_file_line_and_remedy() {
    for (text, parts) in [
        ("kind: Service\nmetadata: {name: a}\n", &["x.yaml, line 1", "apiVersion is missing", "add it"][..]),
        ("\n\napiVersion: v1\nkind: Service\nmetadata: {}\n", &["x.yaml, line 3", "Service has no metadata.name"]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", &["generateName and no name", "give it a name"]),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Values.name }}\n",
            &["x.yaml, line 4", "template of Helm", "helm template"],
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: '{{ .Release.Name }}-web'}\n",
            &["x.yaml, line 1", "metadata.name of the Service", "template of Helm", "helm template"],
        ),
        ("apiVersion: v1\nkind: [\n", &["x.yaml"]),
        (
            "apiVersion: v1\nkind: Status\nmetadata: {}\nmessage: forbidden\n",
            &["a Status", "forbidden", "make the dump again"],
        ),
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
            &["no Kubernetes object"],
        ),
    ] {
        let why = read(&[source("x.yaml", text, false)]).expect_err(text);
        parts.iter().for_each(|p| assert!(why.contains(p), "{p:?} is not in {why:?}"));
    }
}

#[test]
fn a_definition_says_where_its_kind_lives_wherever_it_stands() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.com}\nspec: {group: example.com, scope: Cluster, names: {kind: Thing}}\n";
    let objects = |api: &str| format!("apiVersion: {api}/v1\nkind: Thing\nmetadata: {{name: a}}\n---\n");
    let text = objects("example.com") + &objects("other.example.com") + definition;
    let inventory = read(&[source("x.yaml", &text, false)]).expect("objects");
    assert_eq!(
        names(&inventory),
        [
            "CustomResourceDefinition.apiextensions.k8s.io/things.example.com",
            "Thing.example.com/a",
            "Thing.other.example.com/default/a"
        ]
    );
}

#[test]
fn what_stands_beside_manifests_in_a_directory_is_passed_over_and_said() {
    let inventory =
        read(&[source("d/web.yaml", TWO, true), source("d/values.yaml", "replicas: 3\n", true)]).expect("objects");
    assert!(inventory.noticed.iter().any(|n| n.code == "transfer-passed-over" && n.origin == "d/values.yaml, line 1"));
    assert!(read(&[source("values.yaml", "replicas: 3\n", false)]).is_err(), "a file that was named must hold objects");
}

#[test]
fn two_manifests_of_one_object_agree_or_are_refused() {
    let with = |n: u32| {
        format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a, namespace: b}}\nspec: {{replicas: {n}}}\n")
    };
    assert!(read(&[source("a.yaml", &with(1), false), source("b.yaml", &with(1), false)]).is_ok());
    let why = read(&[source("a.yaml", &with(1), false), source("b.yaml", &with(2), false)]).expect_err("they differ");
    assert!(
        why.starts_with(
            "Deployment.apps/b/a stands twice and differs at spec.replicas: a.yaml, line 1 and b.yaml, line 1"
        ),
        "{why}"
    );
    // A manifest stands before what a dump has of the same object, in any order.
    let live =
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: b, uid: u}\nspec: {replicas: 5}\n";
    for sources in [
        [source("a.yaml", &with(1), false), source("dump", live, false)],
        [source("dump", live, false), source("a.yaml", &with(1), false)],
    ] {
        let inventory = read(&sources).expect("objects");
        assert_eq!(inventory.items().next().map(|i| i.object["spec"]["replicas"].clone()), Some(1.into()));
        assert_eq!(inventory.live.len(), 1);
    }
}

#[test]
fn a_dump_that_was_not_made_for_a_transfer_is_noticed() {
    let object = |kind: &str| format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: a, namespace: b, uid: u}}\n");
    let of = |kinds: &[&str]| {
        let text = kinds.iter().map(|k| object(k)).collect::<Vec<_>>().join("---\n");
        read(&[source("dump", &text, false)])
            .expect("objects")
            .noticed
            .iter()
            .any(|n| n.code == "transfer-dump-without-configuration")
    };
    assert!(of(&["Pod", "Namespace"]));
    assert!(!of(&["Pod", "Namespace", "ConfigMap"]));
    assert!(!of(&["Service"]));
}

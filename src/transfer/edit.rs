//! Changes of an object, each caused by a finding, and how a field is shown.

use serde_json::{Map, Value};

/// A change of an object. Places are JSON pointers (RFC 6901) into the object as it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// A value is set; maps on the way are made.
    Set(String, Value),
    /// A value is removed, of a list too; elements of a list keep their places until all changes are made.
    Remove(String),
    /// A value is added to the end of a list, which is made where there is none; one that is there already is not added again.
    Append(String, Value),
    /// The object is not rendered.
    LeaveOut,
    /// Another object is rendered.
    Create(Value),
}

/// One step of a pointer, escaped.
pub fn step(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A pointer as people write a field: `spec.containers[0].image`, `metadata.annotations["a.b/c"]`.
pub fn shown(pointer: &str) -> String {
    let mut text = String::new();
    for part in pointer.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        if !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{key}]"));
        } else if key.contains(['.', '/', ' ']) {
            text.push_str(&format!("[{key:?}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&key);
        }
    }
    text
}

/// What stands for an element of a list that is removed, until all changes are made. No object of Kubernetes has it.
const GONE: &str = "\u{0}gone";

/// Makes a change; [`Edit::LeaveOut`] and [`Edit::Create`] change nothing in the object itself.
pub fn apply(object: &mut Value, edit: &Edit) {
    match edit {
        Edit::Set(at, value) => {
            if let Some(place) = made(object, at) {
                *place = value.clone();
            }
        }
        Edit::Append(at, value) => {
            if let Some(place) = made(object, at) {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                if let Some(list) = place.as_array_mut().filter(|l| !l.contains(value)) {
                    list.push(value.clone());
                }
            }
        }
        Edit::Remove(at) => {
            let Some((parent, last)) = at.rsplit_once('/') else { return };
            let last = last.replace("~1", "/").replace("~0", "~");
            match object.pointer_mut(parent) {
                Some(Value::Object(map)) => drop(map.shift_remove(&last)),
                Some(Value::Array(list)) => {
                    if let Some(element) = last.parse().ok().and_then(|i: usize| list.get_mut(i)) {
                        *element = GONE.into();
                    }
                }
                _ => {}
            }
        }
        Edit::LeaveOut | Edit::Create(_) => {}
    }
}

/// Takes out what was removed from lists, and maps and lists that the changes have left empty.
pub fn settle(object: &mut Value, edits: &[&Edit]) {
    purge(object);
    for edit in edits {
        let Edit::Remove(at) = edit else { continue };
        let mut at = at.as_str();
        while let Some((parent, _)) = at.rsplit_once('/') {
            let empty = match object.pointer(parent) {
                Some(Value::Object(map)) => map.is_empty(),
                Some(Value::Array(list)) => list.is_empty(),
                _ => false,
            };
            // An empty volume source, pod selector or spec says something; what holds names and rules does not.
            let may_go = ["annotations", "labels", "nodeSelector", "tolerations", "affinity", "nodeAffinity"];
            let last = parent.rsplit('/').next().unwrap_or_default();
            let is_term = parent.contains("/nodeAffinity/");
            if !empty || !(may_go.contains(&last) || is_term) {
                break;
            }
            if let Some((above, key)) = parent.rsplit_once('/') {
                match object.pointer_mut(above) {
                    Some(Value::Object(map)) => drop(map.shift_remove(&key.replace("~1", "/").replace("~0", "~"))),
                    Some(Value::Array(list)) => list.retain(|v| v.as_object().is_none_or(|o| !o.is_empty())),
                    _ => {}
                }
            }
            at = parent;
        }
    }
}

fn purge(value: &mut Value) {
    match value {
        Value::Array(list) => {
            list.retain(|v| v != GONE);
            list.iter_mut().for_each(purge);
        }
        Value::Object(map) => map.values_mut().for_each(purge),
        _ => {}
    }
}

/// The place of a pointer, made where it is not there. None where a list is in the way that has no such element.
fn made<'v>(object: &'v mut Value, at: &str) -> Option<&'v mut Value> {
    let mut place = object;
    for part in at.split('/').skip(1) {
        let key = part.replace("~1", "/").replace("~0", "~");
        place = match place {
            Value::Array(list) => list.get_mut(key.parse::<usize>().ok()?)?,
            Value::Object(map) => map.entry(key).or_insert(Value::Null),
            other => {
                *other = Value::Object(Map::new());
                other.as_object_mut()?.entry(key).or_insert(Value::Null)
            }
        };
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn changed(mut object: Value, edits: &[Edit]) -> Value {
        edits.iter().for_each(|e| apply(&mut object, e));
        settle(&mut object, &edits.iter().collect::<Vec<_>>());
        object
    }

    #[test]
    fn fields_are_shown_as_people_write_them() {
        assert_eq!(shown("/spec/containers/0/image"), "spec.containers[0].image");
        assert_eq!(shown("/metadata/annotations/a.b~1c"), "metadata.annotations[\"a.b/c\"]");
        assert_eq!(shown(""), "");
        assert_eq!(format!("/metadata/annotations{}", step("a.b/c")), "/metadata/annotations/a.b~1c");
    }

    #[test]
    fn lists_keep_their_places_until_all_is_done() {
        let edits = [
            Edit::Remove("/spec/tolerations/0".into()),
            Edit::Set("/spec/tolerations/1/key".into(), "new".into()),
            Edit::Append("/spec/tolerations".into(), json!({"key": "spot"})),
            Edit::Append("/spec/tolerations".into(), json!({"key": "spot"})),
        ];
        let object = json!({"spec": {"tolerations": [{"key": "a"}, {"key": "b"}]}});
        assert_eq!(changed(object, &edits), json!({"spec": {"tolerations": [{"key": "new"}, {"key": "spot"}]}}));
    }

    #[test]
    fn what_is_left_empty_goes_but_not_what_says_something_empty() {
        let edits =
            [Edit::Remove("/metadata/annotations/a".into()), Edit::Remove("/spec/volumes/0/emptyDir/medium".into())];
        let object = json!({"metadata": {"annotations": {"a": "b"}, "name": "n"}, "spec": {"volumes": [{"emptyDir": {"medium": "Memory"}}]}});
        assert_eq!(
            changed(object, &edits),
            json!({"metadata": {"name": "n"}, "spec": {"volumes": [{"emptyDir": {}}]}})
        );
        let affinity = json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a"}]}]}}}}});
        let at = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions/0";
        assert_eq!(changed(affinity, &[Edit::Remove(at.into())]), json!({"spec": {}}));
    }

    #[test]
    fn a_place_that_is_not_there_is_made() {
        let edits = [Edit::Set("/metadata/labels/a~1b".into(), "c".into())];
        assert_eq!(changed(json!({"metadata": {}}), &edits), json!({"metadata": {"labels": {"a/b": "c"}}}));
        assert_eq!(changed(json!({"list": []}), &[Edit::Set("/list/3/x".into(), 1.into())]), json!({"list": []}));
    }
}

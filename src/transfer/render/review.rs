//! The review: a diff, object by object, with the finding that caused each line.

use super::{Change, Rendered};
use crate::transfer::edit::Edit;
use crate::transfer::yaml::{Line, lines};
use std::fmt::Write;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;
/// Lines of one object are compared one by one up to this many on each side; beyond, what differs is shown as one block.
const MOST: usize = 4_000;

/// The diff of everything that changes, for people.
pub fn review(rendered: &Rendered) -> String {
    let mut out = String::new();
    for change in &rendered.changes {
        one(change, &mut out);
    }
    out
}

fn one(change: &Change, out: &mut String) {
    let before = lines(&change.before);
    let after = change.after.as_ref().map(lines).unwrap_or_default();
    if change.edits.is_empty() {
        return;
    }
    let _ = writeln!(out, "--- {} ({})", change.id, change.origin);
    match change.after {
        Some(_) => _ = writeln!(out, "+++ {}", change.id),
        None => {
            let why: Vec<&str> =
                change.edits.iter().filter(|(_, e)| *e == Edit::LeaveOut).map(|(c, _)| c.as_str()).collect();
            let _ = writeln!(out, "+++ not rendered  # {}", why.join(", "));
        }
    }
    let marked = diff(&before, &after);
    print(change, &before, &after, &marked, out);
    let made = change.edits.iter().filter_map(|(code, e)| match e {
        Edit::Create(object) => Some((code, object)),
        _ => None,
    });
    for (code, object) in made {
        let _ = writeln!(out, "+++ made from {}  # {code}", change.id);
        lines(object).iter().for_each(|l| _ = writeln!(out, "+{}", l.text));
    }
    out.push('\n');
}

/// A line of a diff: of both texts, of the first, of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Same(usize, usize),
    Gone(usize),
    New(usize),
}

/// The longest common subsequence of lines, what goes before what comes.
fn diff(before: &[Line], after: &[Line]) -> Vec<Mark> {
    let same = |i: usize, j: usize| before[i].text == after[j].text;
    let mut head = 0;
    while head < before.len().min(after.len()) && same(head, head) {
        head += 1;
    }
    let mut tail = 0;
    while tail < before.len().min(after.len()) - head && same(before.len() - 1 - tail, after.len() - 1 - tail) {
        tail += 1;
    }
    let (n, m) = (before.len() - head - tail, after.len() - head - tail);
    let mut marks: Vec<Mark> = (0..head).map(|i| Mark::Same(i, i)).collect();
    if n > MOST || m > MOST {
        marks.extend((0..n).map(|i| Mark::Gone(head + i)));
        marks.extend((0..m).map(|j| Mark::New(head + j)));
    } else {
        let width = m + 1;
        let mut best = vec![0u16; (n + 1) * width];
        for i in (0..n).rev() {
            for j in (0..m).rev() {
                best[i * width + j] = match same(head + i, head + j) {
                    true => best[(i + 1) * width + j + 1] + 1,
                    false => best[(i + 1) * width + j].max(best[i * width + j + 1]),
                };
            }
        }
        let (mut i, mut j) = (0, 0);
        while i < n || j < m {
            if i < n && j < m && same(head + i, head + j) {
                marks.push(Mark::Same(head + i, head + j));
                (i, j) = (i + 1, j + 1);
            } else if j == m || (i < n && best[(i + 1) * width + j] >= best[i * width + j + 1]) {
                marks.push(Mark::Gone(head + i));
                i += 1;
            } else {
                marks.push(Mark::New(head + j));
                j += 1;
            }
        }
    }
    marks.extend((0..tail).map(|k| Mark::Same(before.len() - tail + k, after.len() - tail + k)));
    marks
}

fn print(change: &Change, before: &[Line], after: &[Line], marks: &[Mark], out: &mut String) {
    let changed: Vec<bool> = marks.iter().map(|m| !matches!(m, Mark::Same(..))).collect();
    let near = |k: usize| changed[k.saturating_sub(CONTEXT)..(k + CONTEXT + 1).min(changed.len())].contains(&true);
    let mut skipped = false;
    for (k, mark) in marks.iter().enumerate() {
        match mark {
            Mark::Same(i, _) if near(k) => {
                if skipped {
                    out.push_str("@@\n");
                }
                skipped = false;
                let _ = writeln!(out, " {}", before[*i].text);
            }
            Mark::Same(..) => skipped = true,
            Mark::Gone(i) => _ = writeln!(out, "-{}{}", before[*i].text, cause(change, &before[*i].at, false)),
            Mark::New(j) => _ = writeln!(out, "+{}{}", after[*j].text, cause(change, &after[*j].at, true)),
        }
    }
}

/// The code of the finding that changed a field, as a comment: that whose place is nearest. Places of what is new are those after the changes.
fn cause(change: &Change, at: &str, is_new: bool) -> String {
    if change.after.is_none() {
        return String::new();
    }
    let within =
        |place: &str, of: &str| place == of || place.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
    let near = |edit: &Edit| match edit {
        // The head of a map that a change has made or emptied stands above the change.
        Edit::Set(place, _) | Edit::Remove(place) if within(at, place) || within(place, at) => Some(common(at, place)),
        Edit::Append(place, _) if within(at, place) => Some(common(at, place)),
        _ => None,
    };
    // What is new was set or appended, what is gone was set or removed, whatever else stood at its place in a list.
    let fits = |edit: &Edit| match edit {
        Edit::Append(..) => is_new,
        Edit::Remove(_) => !is_new,
        _ => true,
    };
    let best = change.edits.iter().filter_map(|(code, e)| Some(((fits(e), near(e)?), code))).max_by_key(|(n, _)| *n);
    // Elements of a list move up where one before them is removed.
    let moved = || {
        let list = |place: &str| place.rsplit_once('/').map(|(l, _)| l.to_owned()).unwrap_or_default();
        change.edits.iter().find(|(_, e)| match e {
            Edit::Remove(place) | Edit::Append(place, _) => within(at, &list(place)),
            _ => false,
        })
    };
    match best.map(|(_, code)| code).or_else(|| moved().map(|(code, _)| code)) {
        Some(code) => format!("  # {code}"),
        None => String::new(),
    }
}

fn common(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::object::ObjectId;
    use serde_json::json;

    #[test]
    fn every_changed_line_names_its_finding() {
        let before = json!({"kind": "Service", "metadata": {"name": "web", "annotations": {"a": "b"}}, "spec": {"type": "LoadBalancer", "loadBalancerClass": "x", "ports": [{"port": 80}]}});
        let edits: Vec<(String, Edit)> = vec![
            ("transfer-one".into(), Edit::Remove("/spec/loadBalancerClass".into())),
            ("transfer-two".into(), Edit::Set("/metadata/annotations/c".into(), "d".into())),
        ];
        let mut after = before.clone();
        edits.iter().for_each(|(_, e)| crate::transfer::edit::apply(&mut after, e));
        let change = Change {
            id: ObjectId::new("v1", "Service", Some("shop"), "web"),
            origin: "a.yaml, line 1".into(),
            before,
            after: Some(after),
            made: Vec::new(),
            edits,
        };
        let text = review(&Rendered { objects: Vec::new(), changes: vec![change] });
        assert_eq!(
            text,
            "--- Service/shop/web (a.yaml, line 1)\n+++ Service/shop/web\n@@\n   name: web\n   annotations:\n     a: b\n+    c: d  # transfer-two\n spec:\n   type: LoadBalancer\n-  loadBalancerClass: x  # transfer-one\n   ports:\n   - port: 80\n\n"
        );
    }

    #[test]
    fn what_is_appended_names_its_finding_though_its_place_was_anothers() {
        let edits: Vec<(String, Edit)> = vec![
            ("transfer-one".into(), Edit::Remove("/list/0".into())),
            ("transfer-two".into(), Edit::Append("/list".into(), json!({"key": "new"}))),
        ];
        let (before, after) = (json!({"list": [{"key": "old"}]}), json!({"list": [{"key": "new"}]}));
        let id = ObjectId::new("v1", "Thing", None, "x");
        let change = Change { id, origin: "a.yaml".into(), before, after: Some(after), made: Vec::new(), edits };
        let text = review(&Rendered { objects: Vec::new(), changes: vec![change] });
        assert!(text.contains("-- key: old  # transfer-one\n+- key: new  # transfer-two\n"), "{text}");
    }

    #[test]
    fn a_diff_is_one_whatever_its_lines() {
        let of = |text: &str| text.chars().map(|c| Line { text: c.to_string(), at: String::new() }).collect::<Vec<_>>();
        for (a, b) in [("", ""), ("abc", ""), ("", "abc"), ("abcd", "axcy"), ("aaa", "aa"), ("abab", "baba")] {
            let (before, after) = (of(a), of(b));
            let marks = diff(&before, &after);
            let first: String = marks
                .iter()
                .filter_map(|m| match m {
                    Mark::Same(i, _) | Mark::Gone(i) => Some(before[*i].text.clone()),
                    Mark::New(_) => None,
                })
                .collect();
            let second: String = marks
                .iter()
                .filter_map(|m| match m {
                    Mark::Same(_, j) | Mark::New(j) => Some(after[*j].text.clone()),
                    Mark::Gone(_) => None,
                })
                .collect();
            assert_eq!((first.as_str(), second.as_str()), (a, b), "{marks:?}");
        }
    }
}

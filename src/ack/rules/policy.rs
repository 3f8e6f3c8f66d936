//! The rule about the RAM policy of the masters' role, and the statement that fulfils it.

use super::super::facts::{OneOrMany, PolicyDocument, PolicyStatement};
use super::{Fix, Ground, Judgement, PAGE, Rule};
use serde_json::json;
use std::collections::BTreeMap;

const ACTIONS: [&str; 2] = ["oss:PutObject", "oss:GetObject"];

/// Code of the rule.
pub const POLICY_RULE: &str = "ack-ram-policy";

/// The masters may write the snapshot and read it.
pub(super) const RULE: Rule = Rule {
    code: POLICY_RULE,
    requirement: "The policy of the master RAM role whose name starts with k8sMasterRolePolicy allows oss:PutObject and oss:GetObject on acs:oss:*:*:<bucket>/*.",
    source: PAGE,
    needs: &["ram.document", "ram.policy", "ram.role", "bucket.name"],
    in_dump: false,
    judge,
};

/// The statement that allows it.
fn statement(bucket: &str) -> PolicyStatement {
    PolicyStatement {
        effect: "Allow".to_owned(),
        action: Some(OneOrMany::Many(ACTIONS.map(str::to_owned).to_vec())),
        resource: Some(OneOrMany::Many(vec![format!("acs:oss:*:*:{bucket}/*")])),
        condition: None,
        other: BTreeMap::new(),
    }
}

/// The statement as it is pasted into the policy's list of statements.
pub fn statement_text(bucket: &str) -> String {
    let value = json!({"Action": ACTIONS, "Effect": "Allow", "Resource": [format!("acs:oss:*:*:{bucket}/*")]});
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

/// A policy with the statement added, as it is set.
fn with_statement(document: &PolicyDocument, bucket: &str) -> PolicyDocument {
    let mut document = document.clone();
    document.version.get_or_insert_with(|| "1".to_owned());
    document.statements.push(statement(bucket));
    document
}

/// Whether `*` and `?` of a pattern stand for what makes a text of it.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The star takes one character more.
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether a text is of both patterns.
fn overlap(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // What is left of each from here on may be of both: from the end to the beginning.
    let mut after = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let mut here = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            here[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some('*'), _) if after[j] => true,
                (_, Some('*')) if here[j + 1] => true,
                (Some('*'), Some(_)) => here[j + 1],
                (Some(_), Some('*')) => after[j],
                (Some(x), Some(y)) => (*x == '?' || *y == '?' || x == y) && after[j + 1],
                _ => false,
            };
        }
        after = here;
    }
    after[0]
}

fn any(list: Option<&OneOrMany>, is: impl Fn(&str) -> bool) -> bool {
    list.is_some_and(|l| l.all().iter().any(|text| is(text)))
}

/// What a resource pattern says of objects: `acs:oss:<region>:<account>:<object>`.
fn parts(pattern: &str) -> Option<(&str, &str, &str)> {
    if pattern == "*" {
        return Some(("*", "*", "*"));
    }
    let mut parts = pattern.splitn(5, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("acs" | "*"), Some("oss" | "*"), Some(region), Some(account), Some(object)) => {
            Some((region, account, object))
        }
        _ => None,
    }
}

/// How far a policy allows an action on all objects of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Allowed {
    /// A statement denies it.
    Denied,
    /// No statement allows it.
    No,
    /// One allows it under a condition, or for one region or account only, or one denies it under a condition or for some names only, or one says what
    /// is not understood here (`NotAction`): it is not known whether that holds.
    Perhaps,
    /// One allows it.
    Yes,
}

fn allowed(document: &PolicyDocument, action: &str, bucket: &str, cluster: Option<&str>) -> Allowed {
    let action = action.to_lowercase();
    let (mut best, mut doubted) = (Allowed::No, false);
    // The name of the snapshot's object: `etcd_<cluster id>_<timestamp>`.
    let object = format!("{bucket}/etcd_{}_*", cluster.unwrap_or("*"));
    for s in &document.statements {
        let denies = s.effect.eq_ignore_ascii_case("deny");
        if !s.other.is_empty() {
            match denies {
                true => doubted = true,
                false => best = best.max(Allowed::Perhaps),
            }
            continue;
        }
        if !any(s.action.as_ref(), |a| matches(&a.to_lowercase(), &action)) {
            continue;
        }
        let on = |is: &dyn Fn(&str, &str, &str) -> bool| {
            any(s.resource.as_ref(), |r| parts(r).is_some_and(|(region, account, object)| is(region, account, object)))
        };
        if denies {
            let all = on(&|_, _, o| matches(o, &object));
            if all && s.condition.is_none() {
                return Allowed::Denied;
            }
            // One of some of its possible names only may hit it.
            doubted |= on(&|_, _, o| overlap(o, &object));
            continue;
        }
        if !s.effect.eq_ignore_ascii_case("allow") {
            continue;
        }
        let covers = |o: &str| matches(o, &format!("{bucket}/*"));
        let everywhere =
            on(&|region, account, o| ["*", ""].contains(&region) && ["*", ""].contains(&account) && covers(o));
        if everywhere && s.condition.is_none() {
            best = best.max(Allowed::Yes);
        } else if everywhere || on(&|_, _, o| covers(o)) {
            best = best.max(Allowed::Perhaps);
        }
    }
    // A Deny under a condition may hold or not.
    if doubted { best.min(Allowed::Perhaps) } else { best }
}

fn judge(g: &Ground<'_>) -> Judgement {
    let (ram, known) = (&g.facts().ram, g.known);
    let Some(bucket) = &g.facts().bucket.name else { return Judgement::not_stated("bucket.name") };
    let policy = ram.policy.as_deref().unwrap_or("k8sMasterRolePolicy-<…>");
    let fix = |j: Judgement, document: Option<&PolicyDocument>| {
        let statement = Fix::document(
            format!("statement for policy {policy}, to be added to its Statement list"),
            statement_text(bucket),
        );
        let j = j.stated_by(known, &["ram", "document"]).fix(statement);
        let Some(document) = document else { return j };
        let text = serde_json::to_string(&with_statement(document, bucket)).unwrap_or_default();
        j.fix(Fix::command(format!(
            "aliyun ram CreatePolicyVersion --PolicyName {policy} --SetAsDefault true --PolicyDocument '{text}'"
        )))
    };
    if let Some(name) = ram.policy.as_deref().filter(|p| !p.starts_with("k8sMasterRolePolicy")) {
        return Judgement::fail(format!(
            "policy {name} is not the one that is extended: its name does not start with k8sMasterRolePolicy"
        ))
        .stated_by(known, &["ram", "policy"])
        .get("ram.policy");
    }
    let Some(document) = &ram.document else {
        return fix(Judgement::not_stated("ram.document"), None);
    };
    let each = ACTIONS.map(|action| (action, allowed(document, action, bucket, g.facts().cluster.id.as_deref())));
    let worst = each.iter().map(|(_, a)| *a).min().unwrap_or(Allowed::No);
    let which: Vec<&str> = each.iter().filter(|(_, a)| *a == worst).map(|(action, _)| *action).collect();
    let which = which.join(" and ");
    match worst {
        Allowed::Yes => Judgement::pass(format!("it allows {} on all objects of {bucket}", ACTIONS.join(" and ")))
            .stated_by(known, &["ram", "document"]),
        Allowed::Perhaps => fix(
            Judgement::unknown(format!(
                "it allows or denies {which} on objects of {bucket} under a condition, for some names, or only for one region or account, or by NotAction or NotResource"
            )),
            Some(document),
        ),
        Allowed::No => {
            fix(Judgement::fail(format!("it does not allow {which} on the objects of {bucket}")), Some(document))
        }
        Allowed::Denied => {
            fix(Judgement::fail(format!("a statement of it denies {which} on objects of {bucket}")), None)
                .fix(Fix::words("A Deny goes before every Allow: take the bucket out of that statement first."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> PolicyDocument {
        serde_json::from_str(text).expect("a policy")
    }

    #[test]
    fn stars_and_question_marks_stand_for_what_they_do() {
        for (pattern, text, is) in [
            ("*", "anything", true),
            ("oss:*Object", "oss:PutObject", true),
            ("oss:?utObject", "oss:PutObject", true),
            ("oss:Put*", "oss:GetObject", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn a_policy_is_judged_by_effect_action_resource_and_condition() {
        let with = |effect: &str, action: &str, resource: &str, more: &str| {
            document(&format!(
                r#"{{"Version":"1","Statement":[{{"Effect":"{effect}","Action":"{action}","Resource":["{resource}"]{more}}}]}}"#
            ))
        };
        let of = |d: &PolicyDocument| allowed(d, "oss:PutObject", "move", Some("c8a1"));
        assert_eq!(of(&with("Allow", "oss:PutObject", "acs:oss:*:*:move/*", "")), Allowed::Yes);
        assert_eq!(of(&with("Allow", "oss:*", "*", "")), Allowed::Yes);
        assert_eq!(of(&with("Allow", "oss:putobject", "acs:oss:*:*:*", "")), Allowed::Yes);
        assert_eq!(of(&with("Allow", "oss:PutObject", "acs:oss:*:*:moved/*", "")), Allowed::No, "another bucket");
        assert_eq!(
            of(&with("Allow", "oss:PutObject", "acs:oss:*:*:move", "")),
            Allowed::No,
            "the bucket, not its objects"
        );
        assert_eq!(of(&with("Allow", "oss:GetObject", "acs:oss:*:*:move/*", "")), Allowed::No);
        assert_eq!(of(&with("Allow", "oss:PutObject", "acs:oss:*:12345:move/*", "")), Allowed::Perhaps);
        let condition = r#","Condition":{"IpAddress":{"acs:SourceIp":["10.0.0.0/8"]}}"#;
        assert_eq!(of(&with("Allow", "oss:PutObject", "acs:oss:*:*:move/*", condition)), Allowed::Perhaps);
        let doubted = with_statement(&with("Deny", "oss:*", "*", condition), "move");
        assert_eq!(of(&doubted), Allowed::Perhaps, "a Deny under a condition may hold");
        let but = r#"{"Statement":[{"Effect":"Deny","NotAction":"ecs:*","Resource":"*"}]}"#;
        let but = with_statement(&document(but), "move");
        assert_eq!(of(&but), Allowed::Perhaps, "what it denies is not worked out");
        let text = serde_json::to_string(&but).expect("JSON");
        assert!(text.contains(r#""NotAction":"ecs:*""#), "nothing of a policy is lost: {text}");
        let mut denied = with_statement(&with("Deny", "oss:*", "acs:oss:*:*:move/etcd_*", ""), "move");
        assert_eq!(of(&denied), Allowed::Denied, "a Deny goes before every Allow");
        denied.statements.remove(0);
        assert_eq!(of(&denied), Allowed::Yes);
        // A Deny of some names: of the snapshot's, of some of its possible ones, of others.
        for (names, is) in [
            ("move/etcd_c8a1*", Allowed::Denied),
            ("move/etcd_c8a1_*", Allowed::Denied),
            ("move/*_*", Allowed::Denied),
            ("mov?/etcd*", Allowed::Denied),
            ("move/etcd_c8a1_2026*", Allowed::Perhaps),
            ("move/*.db", Allowed::Perhaps),
            ("move/etcd_c9*", Allowed::Yes),
            ("move/backups/*", Allowed::Yes),
            ("moved/*", Allowed::Yes),
        ] {
            let narrow = with_statement(&with("Deny", "oss:*", &format!("acs:oss:*:*:{names}"), ""), "move");
            assert_eq!(of(&narrow), is, "{names}");
        }
        let narrow = with_statement(&with("Deny", "oss:*", "acs:oss:*:*:move/etcd_c8a1*", ""), "move");
        assert_eq!(allowed(&narrow, "oss:PutObject", "move", None), Allowed::Perhaps, "the cluster's id is not known");
    }

    #[test]
    fn patterns_overlap_where_a_text_is_of_both() {
        for (a, b, is) in [
            ("a*", "*b", true),
            ("a*", "b*", false),
            ("*", "", true),
            ("a?c", "*bc", true),
            ("a?c", "*b", false),
            ("ab", "ab", true),
            ("ab*cd", "ab", false),
            ("**", "?", true),
            ("", "", true),
            ("", "?", false),
        ] {
            assert_eq!((overlap(a, b), overlap(b, a)), (is, is), "{a} {b}");
        }
    }
}

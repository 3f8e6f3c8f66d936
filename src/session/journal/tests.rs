//! Never misread: every cut, every flipped bit, every moved line.

use super::testing::{Scribe, began, story, written};
use super::*;
use crate::rehearsal::luck::Profile;
use crate::rehearsal::stage::Rehearsal;
use crate::rehearsal::stage_of_scenario;
use crate::request::scenario::Scenario;
use crate::runner::testing::World;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Where each line ends, newline included.
fn ends(bytes: &[u8]) -> Vec<usize> {
    bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(n, _)| n + 1).collect()
}

/// Of each line where it begins and the writer that has written all before it: a reader that has come so far.
fn beginnings(bytes: &[u8]) -> Vec<(codec::Place, Writer)> {
    let mut begins = vec![(codec::Place { line: 1, byte: 0 }, Writer::new())];
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let (place, writer) = begins[begins.len() - 1].clone();
        let scan = codec::scan(writer, place, line).expect("a whole line");
        begins.push((scan.place, scan.writer));
    }
    begins
}

#[test]
fn what_is_written_is_read() {
    let (entries, last) = story();
    let bytes = written(&entries);
    eprintln!("{} entries, {} bytes", entries.len(), bytes.len());
    let journal = read(&bytes).expect("a whole journal is read");
    assert_eq!(journal.entries, entries);
    assert_eq!((journal.kept_bytes, journal.torn), (bytes.len() as u64, None));
    let (began, resumed) = fold(&journal.entries).expect("it folds");
    assert_eq!(began.execution, "shop-1");
    assert_eq!(resumed.next_seq, entries.len() as u64);
    assert_eq!(serde_json::to_value(resumed.progress.expect("there is progress")).expect("JSON"), last);
    assert_eq!(resumed.approved.into_iter().collect::<Vec<_>>(), [(1, "ada \"the\" \\ first\n".to_owned())]);
    assert_eq!(resumed.stop.and_then(|s| s.terminate_drained), Some(true));
    assert_eq!(resumed.ended, Some((crate::runner::Outcome::Completed, None)));
}

/// Cut at every byte it is a shorter journal. Lines before the cut one are read once, which is what makes every byte
/// affordable; a few times a line all of it is read.
fn cut_everywhere(bytes: &[u8], entries: &[Entry]) {
    for (n, (place, writer)) in beginnings(bytes).into_iter().enumerate().take(entries.len()) {
        let begin = place.byte as usize;
        let length = ends(&bytes[begin..])[0];
        for cut in 0..length {
            let scan = codec::scan(writer.clone(), place, &bytes[begin..begin + cut]).expect("a torn line is forgiven");
            assert_eq!((scan.lines.len(), scan.place), (0, place), "line {n} cut at {cut}");
            let torn = Torn { line: n as u64 + 1, byte: place.byte, bytes: cut as u64 };
            assert_eq!(scan.torn, (cut > 0).then_some(torn));
        }
        for cut in [0, 1, length / 2, length - 1] {
            let journal = read(&bytes[..begin + cut]).unwrap_or_else(|e| panic!("line {n} cut at {cut}: {e}"));
            assert!(journal.entries == entries[..n], "line {n} cut at {cut}");
            assert_eq!((journal.kept_bytes, journal.torn.is_some()), (place.byte, cut > 0));
        }
    }
}

/// With any bit flipped it is refused, at the line that was damaged.
fn flipped_everywhere(bytes: &mut [u8]) {
    let ends = ends(bytes);
    let begins = beginnings(bytes);
    for at in 0..bytes.len() {
        let n = ends.partition_point(|e| *e <= at);
        let (place, writer) = &begins[n];
        // A flipped newline joins the line with the next.
        let newline = usize::from(at + 1 == ends[n]);
        let end = ends[(n + newline).min(ends.len() - 1)];
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let refused = codec::scan(writer.clone(), *place, &bytes[place.byte as usize..end]).expect_err("damaged");
            assert_eq!((refused.line, refused.byte), (place.line, Some(place.byte)), "bit {bit} of byte {at}");
            if at % 401 == bit {
                assert_eq!(read(bytes).expect_err("damaged"), refused, "bit {bit} of byte {at}");
            }
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn cut_at_every_byte_it_is_a_shorter_journal() {
    let (entries, _) = story();
    cut_everywhere(&written(&entries), &entries);
}

#[test]
fn with_any_bit_flipped_it_is_refused() {
    flipped_everywhere(&mut written(&story().0));
}

/// The journal of an execution that was killed again and again, as the session wrote it.
#[test]
fn so_is_the_journal_of_a_session() {
    let mut bytes = rehearsed();
    let journal = read(&bytes).expect("what a session wrote is read");
    let resumed = journal.entries.iter().filter(|e| matches!(e.record, Record::Resumed { .. })).count();
    let (kb, lines) = (bytes.len() / 1000, journal.entries.len());
    eprintln!("a session's journal: {kb} kB, {lines} entries, {resumed} times resumed");
    assert!(resumed >= 2, "it was to be killed more than once");
    let (_, end) = fold(&journal.entries).expect("it folds");
    assert!(end.ended.is_some(), "it was to come to an end");
    // Every process must be able to begin anywhere.
    for n in 1..lines {
        fold(&journal.entries[..n]).unwrap_or_else(|e| panic!("{n} entries: {e}"));
    }
    cut_everywhere(&bytes, &journal.entries);
    flipped_everywhere(&mut bytes);
}

/// Two nodes are emptied upon the simulated API while much goes wrong.
fn rehearsed() -> Vec<u8> {
    let scenario = "scenario: small\ncluster: {generate: {seed: 11, nodes: 2, new_nodes: 1, pods_per_node: 2, daemon_sets: 0}}\n\
                    nodes: {selector: agentpool=old}\noptions: {batch_size: \"50%\"}\n";
    let scenario = Scenario::parse(scenario, std::path::Path::new("small.yaml")).expect("a scenario");
    let stage = stage_of_scenario(&scenario).expect("a stage");
    Rehearsal::new(&stage, 3, Profile::Heavy, true).run().journal
}

#[test]
fn after_a_cut_it_is_written_on_as_if_nothing_had_been() {
    let (entries, _) = story();
    let bytes = written(&entries);
    for cut in (0..bytes.len()).step_by(97) {
        let journal = read(&bytes[..cut]).expect("a cut journal is read");
        let mut mended = bytes[..journal.kept_bytes as usize].to_vec();
        let mut writer = journal.writer;
        for e in &entries[journal.entries.len()..] {
            mended.extend(writer.encode(e).expect("it goes on"));
        }
        assert!(mended == bytes, "cut at {cut}");
    }
}

#[test]
fn lines_cannot_be_dropped_doubled_or_swapped() {
    let bytes = written(&story().0);
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    for n in 0..lines.len() - 1 {
        let dropped: Vec<&[u8]> = lines.iter().enumerate().filter(|(k, _)| *k != n).map(|(_, l)| *l).collect();
        let mut doubled = lines.clone();
        doubled.insert(n, lines[n]);
        let mut swapped = lines.clone();
        swapped.swap(n, n + 1);
        for (what, lines) in [("dropped", dropped), ("doubled", doubled), ("swapped", swapped)] {
            let refused = read(&lines.concat()).expect_err(what);
            assert!((n as u64 + 1..=n as u64 + 2).contains(&refused.line), "{what} {n}: {refused}");
        }
    }
}

#[test]
fn refusals_say_where_why_and_what_to_do() {
    let entries = story().0;
    let mut bytes = written(&entries);
    let second = ends(&bytes)[0];
    bytes[second + 10] ^= 1;
    let text = read(&bytes).expect_err("damaged").to_string();
    assert!(text.starts_with(&format!("journal, line 2 (byte {second}): the checksum says ")), "{text}");
    assert!(text.contains("restore it from a copy"), "{text}");

    let mut newer = entries[..1].to_vec();
    let Record::Began(first) = &mut newer[0].record else { panic!("the first entry begins") };
    first.journal_version = 2;
    let text = read(&written(&newer)).expect_err("another version").to_string();
    assert!(text.contains("journal_version is 2; this nodeferry understands 1"), "{text}");

    let mut older = entries[..1].to_vec();
    let Record::Began(first) = &mut older[0].record else { panic!("the first entry begins") };
    first.plan.plan_version = 1;
    let text = read(&written(&older)).expect_err("a plan of an older version").to_string();
    assert!(text.contains("plan_version of its plan is 1; this nodeferry understands 2"), "{text}");
    assert!(text.contains("use the nodeferry that wrote it"), "{text}");

    let gap = [entries[0].clone(), Entry { seq: 2, ..entries[1].clone() }];
    let mut writer = Writer::new();
    writer.encode(&gap[0]).expect("the first");
    assert!(writer.encode(&gap[1]).expect_err("a gap").to_string().contains("entry 2 was to be written where 1 is"));
    assert!(fold(&gap).expect_err("a gap").to_string().contains("entry 2 follows where 1 is next"));
    assert!(fold(&[]).expect_err("nothing").to_string().contains("nothing was done"));
    let mut headless = entries[1].clone();
    headless.seq = 0;
    assert!(fold(&[headless]).expect_err("no beginning").to_string().contains("not the execution's beginning"));
}

#[test]
fn what_cannot_be_the_rest_of_a_write_is_no_torn_line() {
    let mut bytes = written(&story().0);
    let last = bytes.len() - 1;
    bytes[last] = b' ';
    assert!(read(&bytes).expect_err("the newline is another byte").why.contains("newline"));
}

/// Values as a progress might have them: deep, with keys that a pointer must escape.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c/~\"é]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[ab/~0]{0,2}", inner, 0..5).prop_map(|m| json!(m)),
        ]
    })
}

/// Writes the progresses through a log and folds all that was written.
fn folded(progresses: &[Value]) -> (usize, Option<Value>) {
    let mut scribe = Scribe::default();
    let world = World::new(1, 0, &[]);
    scribe.write(Record::Began(Box::new(began(&world, &[&[0]], Default::default()))));
    let mut log = ProgressLog::new();
    for p in progresses {
        log.records(p.clone(), Vec::new()).into_iter().for_each(|r| scribe.write(r));
    }
    let checkpoints = scribe.entries.iter().filter(|e| matches!(e.record, Record::Checkpoint { .. })).count();
    let mut folding = fold::Folding::default();
    for e in read(&written(&scribe.entries)).expect("what was written is read").entries {
        folding.take(&e).expect("what was written folds");
    }
    (checkpoints, folding.progress.map(|(_, p)| p))
}

proptest! {
    #[test]
    fn any_progresses_fold_to_the_last(progresses in prop::collection::vec(value(), 1..12)) {
        prop_assert_eq!(folded(&progresses).1, progresses.last().cloned());
    }
}

#[test]
fn a_checkpoint_comes_when_the_patches_outweigh_the_last() {
    let of = |n: u64| json!({ "same": "x".repeat(40_000), "list": vec![n; 100], "n": n });
    let progresses: Vec<Value> = (0..60).map(of).collect();
    let (checkpoints, last) = folded(&progresses);
    assert_eq!(last, Some(of(59)));
    assert!((2..20).contains(&checkpoints), "{checkpoints} checkpoints of 60");
    assert_eq!(folded(&vec![of(1); 5]).0, 1, "what does not change is not written");
}

#[test]
fn calls_are_announced_even_if_the_progress_is_the_same() {
    let call = Call { call: 7, what: "evict".into(), object: "default/web-1".into(), uid: "u".into() };
    let mut log = ProgressLog::new();
    let first = log.records(json!({"n": 1}), vec![call.clone()]);
    assert!(matches!(&first[..], [Record::Checkpoint { .. }, Record::Intends { progress, .. }] if progress.is_empty()));
    let again = log.records(json!({"n": 1}), vec![call.clone()]);
    assert!(matches!(&again[..], [Record::Intends { calls, progress }] if progress.is_empty() && calls == &[call]));
    assert_eq!(log.records(json!({"n": 1}), Vec::new()), []);
}

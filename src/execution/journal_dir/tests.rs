//! What a killed process leaves is mended, and only that; one process writes; orders are neither lost nor halved.

use super::*;
use crate::session::journal::testing::{story, written};
use crate::session::journal::{Entry, Record};
use std::fs;

fn dir() -> (tempfile::TempDir, JournalDir) {
    let tmp = tempfile::tempdir().expect("a temporary directory");
    let dir = JournalDir::at(tmp.path().join("a/journal"));
    (tmp, dir)
}

fn filled(entries: &[Entry]) -> (tempfile::TempDir, JournalDir) {
    let (tmp, dir) = dir();
    let mut writer = dir.create().expect("made");
    entries.iter().for_each(|e| writer.append(e).expect("written"));
    assert_eq!(writer.sync().expect("safe"), entries.len().checked_sub(1).map(|n| n as u64));
    (tmp, dir)
}

#[test]
fn what_was_appended_is_read_by_others_and_by_the_next_process() {
    let (entries, _) = story();
    let (_tmp, dir) = filled(&entries[..10]);
    assert_eq!(dir.read().expect("read").entries, entries[..10]);
    let (mut writer, journal) = dir.reopen().expect("reopened");
    assert_eq!(journal.entries, entries[..10]);
    for e in &entries[10..] {
        writer.append(e).expect("written on");
    }
    assert_eq!(fs::read(dir.file()).expect("the file"), written(&entries));
}

#[test]
fn an_execution_begins_only_where_none_is() {
    let (entries, _) = story();
    let (_tmp, dir) = dir();
    dir.vacant().expect("there is nothing");
    let mut writer = dir.create().expect("made");
    dir.vacant().expect("there is no entry");
    writer.append(&entries[0]).expect("written");
    let refused = dir.vacant().expect_err("refused").to_string();
    assert!(refused.contains("there is the journal of an execution already"), "{refused}");
}

#[test]
fn a_torn_line_is_cut_off_the_file_and_nothing_else_is() {
    let (entries, _) = story();
    let (_tmp, dir) = filled(&entries[..4]);
    let whole = fs::read(dir.file()).expect("the file");
    let torn = [&whole[..], b"{\"seq\":4,\"t_ms\":1"].concat();
    fs::write(dir.file(), &torn).expect("torn");
    let seen = dir.read().expect("a reader passes over it");
    assert_eq!((seen.entries.len(), seen.torn.expect("it is said").bytes), (4, 17));
    assert_eq!(fs::read(dir.file()).expect("the file"), torn, "a reader changes nothing");
    let (mut writer, _) = dir.reopen().expect("mended");
    assert_eq!(fs::read(dir.file()).expect("the file"), whole);
    writer.append(&entries[4]).expect("written on");
    assert_eq!(dir.read().expect("read").entries, entries[..5]);
    drop(writer);

    let mut damaged = whole.clone();
    damaged[20] ^= 4;
    fs::write(dir.file(), &damaged).expect("damaged");
    let refused = dir.reopen().expect_err("refused").to_string();
    assert!(refused.contains("journal, line 1 (byte 0): the checksum says"), "{refused}");
    assert_eq!(fs::read(dir.file()).expect("the file"), damaged, "what is refused is left as it is");
}

#[test]
fn one_process_writes() {
    let (entries, _) = story();
    let (_tmp, dir) = dir();
    assert!(matches!(dir.read(), Err(JournalDirError::Missing { .. })));
    assert!(matches!(dir.reopen(), Err(JournalDirError::Missing { .. })));
    assert_eq!(dir.process().expect("no lock"), None);
    let mut writer = dir.create().expect("made");
    let me = format!("process {}", std::process::id());
    assert_eq!(dir.process().expect("looked at"), Some(me.clone()));
    for busy in [dir.create().expect_err("locked"), dir.reopen().expect_err("locked")] {
        assert!(busy.to_string().contains(&format!("{me} carries this execution out")), "{busy}");
    }
    drop(writer);
    assert_eq!(dir.process().expect("looked at"), None);
    writer = dir.create().expect("a journal without an entry is begun again");
    writer.append(&entries[0]).expect("written");
    drop(writer);
    assert!(matches!(dir.create(), Err(JournalDirError::Exists { .. })));
}

#[test]
fn an_entry_out_of_turn_is_refused_and_not_written() {
    let (entries, _) = story();
    let (_tmp, dir) = filled(&entries[..2]);
    let (mut writer, _) = dir.reopen().expect("reopened");
    let late = Entry { seq: 7, t_ms: 0, record: Record::Note { text: String::new() } };
    assert!(writer.append(&late).expect_err("out of turn").to_string().contains("entry 7"));
    writer.append(&entries[2]).expect("the next one is still taken");
    assert_eq!(dir.read().expect("read").entries, entries[..3]);
}

#[test]
fn a_write_that_failed_is_the_last() {
    let (entries, _) = story();
    let (_tmp, dir) = filled(&entries[..2]);
    let (mut writer, _) = dir.reopen().expect("reopened");
    writer.break_for_test(fs::File::open(dir.file()).expect("a file that is not open for writing"));
    assert!(matches!(writer.append(&entries[2]), Err(JournalDirError::Io { .. })));
    assert!(matches!(writer.append(&entries[3]), Err(JournalDirError::Broken { .. })));
    assert!(matches!(writer.sync(), Err(JournalDirError::Broken { .. })));
}

#[test]
fn orders_come_in_turn_and_stay_until_they_are_taken() {
    let (_tmp, dir) = filled(&[]);
    let orders = [
        Order::Approve { batch: 1, by: "ada".into() },
        Order::Stop { terminate_drained: Some(false) },
        Order::Interrupt { why: "lunch".into() },
    ];
    orders.iter().for_each(|o| drop(dir.ask(o).expect("asked")));
    let (asked, refused) = dir.asked().expect("looked at");
    assert_eq!(asked.iter().map(|a| a.order.clone()).collect::<Vec<_>>(), orders);
    assert!(refused.is_empty());
    dir.taken(&asked[0]).expect("taken");
    dir.taken(&asked[0]).expect("taken twice does no harm");
    dir.ask(&orders[0]).expect("asked again");
    let left: Vec<Order> = dir.asked().expect("looked at").0.into_iter().map(|a| a.order).collect();
    assert_eq!(left, [orders[1].clone(), orders[2].clone(), orders[0].clone()], "later ones come later");
}

#[test]
fn the_next_process_is_not_ended_by_what_was_asked_of_the_one_before() {
    let (_tmp, dir) = filled(&story().0[..1]);
    dir.ask(&Order::Interrupt { why: "lunch".into() }).expect("asked");
    dir.ask(&Order::Stop { terminate_drained: None }).expect("asked");
    let _writer = dir.reopen().expect("resumed");
    assert_eq!(dir.pending().expect("looked at"), [Order::Stop { terminate_drained: None }]);
}

#[test]
fn what_is_no_order_is_put_aside_and_said() {
    let (_tmp, dir) = filled(&[]);
    fs::write(dir.requests().join("000001.json"), "{\"ask\":\"dance\"}").expect("a file");
    fs::write(dir.requests().join("000002.part"), "{\"ask\":\"st").expect("a file half-written");
    dir.ask(&Order::Stop { terminate_drained: None }).expect("asked");
    let (asked, refused) = dir.asked().expect("looked at");
    assert_eq!(asked.len(), 1);
    assert!(refused[0].contains("unknown variant `dance`"), "{refused:?}");
    assert!(dir.asked().expect("looked at").1.is_empty(), "it is said once");
}

#[test]
fn orders_of_many_at_once_are_all_there() {
    let (_tmp, dir) = filled(&[]);
    std::thread::scope(|scope| {
        for by in 0..8 {
            let dir = &dir;
            scope.spawn(move || {
                for batch in 0..10 {
                    dir.ask(&Order::Approve { batch, by: by.to_string() }).expect("asked");
                }
            });
        }
    });
    let (asked, refused) = dir.asked().expect("looked at");
    assert_eq!((asked.len(), refused.len()), (80, 0));
}

//! The rooms of `src/` and the arrows between them, read from the paths in the code (`crate::…`, `super::…`), without that of tests.
//!
//! A room uses only rooms that stand above it in [`ROOMS`], so that no arrow runs back. [`CIRCLES`] are the modules within one
//! room that use each other; no other ones may.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

/// A room, and the rooms that it uses: those above only.
const ROOMS: &str = "
    typed:      -
    private_file: -
    cluster:    -
    scheduler:  cluster typed
    disruption: cluster
    groups:     cluster
    snapshot:   cluster groups typed
    trace:      cluster groups typed
    intent:     cluster disruption groups
    runner:     cluster disruption groups intent trace typed
    sim:        cluster disruption groups intent runner scheduler snapshot trace
    plan:       cluster disruption groups intent runner scheduler sim trace typed
    session:    cluster intent plan runner snapshot trace typed
    experiment: cluster intent runner sim trace
    report:     cluster intent plan trace
    ack:        cluster experiment intent plan report runner sim snapshot trace typed
    transfer:   cluster experiment groups intent report runner sim snapshot trace typed
    request:    ack cluster disruption experiment intent plan report runner scheduler sim snapshot trace transfer typed
    sweep:      experiment plan report request runner trace
    discovery:  cluster disruption groups intent plan report runner typed
    rehearsal:  cluster disruption experiment intent plan request runner session sim snapshot trace
    execution:  ack plan private_file report runner session snapshot trace transfer typed
    compare:    cluster execution intent plan report runner sim trace
    verify:     ack cluster disruption intent plan request runner scheduler sim snapshot trace transfer typed
    bench:      cluster experiment request runner scheduler snapshot
    live:       ack cluster execution intent plan private_file report request runner session sim snapshot trace transfer
    cli:        ack bench cluster compare discovery execution intent live plan private_file rehearsal report request runner session sim snapshot sweep trace transfer typed verify
";

/// Arrows that run back and shall go: file, the room that it may not use. One that is gone must be struck out here.
const TEMPORARY: &[(&str, &str)] = &[];

/// Modules of one place that use each other in a circle, and why they may.
const CIRCLES: &[(&str, &str, &str)] = &[
    (
        "groups",
        "eligible template",
        "a template holds its instance types by what they offer, which is read off templates",
    ),
    ("groups", "headroom pack", "a packing keeps headroom, and headroom is packed as pods are"),
    (
        "intent",
        "batcher options procedure",
        "options name their batcher and procedure, whose tables hold the options that each has of its own",
    ),
    ("rehearsal", "lies luck", "a profile says how often each lie comes, and a lie is drawn from a profile"),
    ("sim/controllers", "job memory", "what controllers remember holds what Jobs do, and Jobs are given it"),
    ("snapshot/generate", "build traps", "a cluster is built with its traps, which are built as it is"),
    ("snapshot/generate/objects", "pod workload", "a workload holds a pod's template, a pod is made from its workload"),
    (
        "snapshot/groups",
        "machine_labels machines make ocean",
        "a form of a group is made from machines, which it may name",
    ),
    ("trace", "harm workloads", "a row of a workload is made from its track, and the tracker makes the rows"),
    (
        "transfer",
        "claims rules",
        "rules ask for the claims of a workload, and claims for where a workload has its pods",
    ),
    (
        "trace",
        "builder capacity ending metrics waits",
        "metrics are built from events, the builder is part of them, and so are a batch's waits and the ending, which are made from them",
    ),
];

/// What a file uses.
#[derive(Debug, Default)]
struct Used {
    /// Paths from the root of the crate on.
    paths: Vec<Vec<String>>,
    /// Modules that it declares for tests only.
    test_modules: Vec<String>,
}

/// Reads a file's tokens: comments and texts are none, and what stands under `#[cfg(test)]` is passed over.
fn used(text: &str, module: &[String]) -> Used {
    let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("{}: {e}", module.join("::")));
    let mut used = Used::default();
    read(tokens, module, &mut used);
    used
}

fn read(tokens: TokenStream, module: &[String], used: &mut Used) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            TokenTree::Group(group) if is(tokens.get(i.wrapping_sub(1)), "#") && is_for_tests(group) => {
                let end = i + 1 + item(&tokens[i + 1..]);
                used.test_modules.extend(declared(&tokens[i + 1..end]));
                i = end;
                continue;
            }
            // The branches of a `use`, read with its path.
            TokenTree::Group(_) if is(tokens.get(i.wrapping_sub(1)), ":") && is(tokens.get(i.wrapping_sub(2)), ":") => {
            }
            TokenTree::Group(group) => read(group.stream(), module, used),
            TokenTree::Ident(name) if !is(tokens.get(i.wrapping_sub(1)), ":") => {
                let base = match name.to_string().as_str() {
                    "crate" => Some(Vec::new()),
                    "self" => Some(module.to_vec()),
                    "super" => Some(module[..module.len() - 1].to_vec()),
                    _ => None,
                };
                if let Some(base) = base
                    && is(tokens.get(i + 1), ":")
                {
                    tree(&tokens[i + 1..], &base, &mut used.paths);
                }
            }
            _ => {}
        }
        i += 1;
    }
}

fn is(token: Option<&TokenTree>, text: &str) -> bool {
    token.is_some_and(|t| !matches!(t, TokenTree::Group(_)) && t.to_string() == text)
}

/// `cfg(test)` or `cfg(all(test, …))`.
fn is_for_tests(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    let inner = text.strip_prefix("cfg(").map(|t| t.strip_prefix("all(").unwrap_or(t));
    attribute.delimiter() == Delimiter::Bracket
        && inner.is_some_and(|t| t.starts_with("test,") || t.starts_with("test)"))
}

/// How many tokens the item, field or branch has that stands here: up to its block or `;`; no item ends with a `,`.
fn item(tokens: &[TokenTree]) -> usize {
    let items = ["const", "enum", "fn", "impl", "macro_rules", "mod", "static", "struct", "trait", "type", "use"];
    let is_item = tokens.iter().take(4).any(|t| items.contains(&t.to_string().as_str()));
    let ends = |t: &TokenTree| match t {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => is(Some(other), ";") || !is_item && is(Some(other), ","),
    };
    tokens.iter().position(ends).map_or(tokens.len(), |at| at + 1)
}

/// The module in `pub(crate) mod name;`.
fn declared(item: &[TokenTree]) -> Option<String> {
    let at = item.iter().position(|t| is(Some(t), "mod"))?;
    is(item.last(), ";").then(|| item[at + 1].to_string())
}

/// The paths of a `::a::{b, c::d}` that stands here, each behind a base.
fn tree(tokens: &[TokenTree], base: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = base.to_vec();
    let mut rest = tokens;
    while let [colon, _, next, after @ ..] = rest
        && is(Some(colon), ":")
    {
        match next {
            TokenTree::Ident(name) if name == "super" => {
                path.pop();
            }
            TokenTree::Ident(name) if name == "self" => {}
            TokenTree::Ident(name) => path.push(name.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|t| is(Some(t), ",")).filter(|b| !b.is_empty()) {
                    // As if each stood behind the colons alone.
                    let colons = [colon.clone(), colon.clone()];
                    tree(&[&colons[..], branch].concat(), &path, paths);
                }
                return;
            }
            _ => break,
        }
        rest = after;
    }
    paths.push(path);
}

/// The files of `src/`, read once for all tests.
static HOUSE: LazyLock<BTreeMap<Vec<String>, Used>> = LazyLock::new(house);

/// Every file of `src/` but the entrances, by module, and what it uses; without those for tests only.
fn house() -> BTreeMap<Vec<String>, Used> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inner = path.strip_prefix(&root).unwrap().with_extension("");
            let mut module: Vec<String> = inner.iter().map(|p| p.to_str().unwrap().to_owned()).collect();
            if module.last().is_some_and(|m| m == "mod") {
                module.pop();
            }
            if path.extension().is_some_and(|e| e == "rs") && !["main", "lib"].contains(&module[0].as_str()) {
                files.insert(module.clone(), used(&std::fs::read_to_string(&path).unwrap(), &module));
            }
        }
    }
    let mut tests = Vec::new();
    for (module, used) in &files {
        tests.extend(used.test_modules.iter().map(|m| [module.clone(), vec![m.clone()]].concat()));
    }
    files.retain(|module, _| !tests.iter().any(|t| module.starts_with(t)));
    files
}

fn text_of(module: &[String]) -> String {
    module.join("/") + ".rs"
}

/// The rooms as the code has them: of each those that it uses, with a file that does.
fn arrows(house: &BTreeMap<Vec<String>, Used>) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut arrows: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let rooms: BTreeSet<&String> = house.keys().map(|m| &m[0]).collect();
    for (module, used) in house {
        let to = arrows.entry(module[0].clone()).or_default();
        for room in used.paths.iter().filter_map(|p| p.first()).filter(|r| **r != module[0] && rooms.contains(r)) {
            let temporary = TEMPORARY.iter().any(|(file, to)| *file == text_of(module) && to == room);
            if !temporary {
                to.entry(room.clone()).or_insert_with(|| text_of(module));
            }
        }
    }
    arrows
}

/// The table, as names of rooms in its order.
fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let line = |l: &'static str| {
        let (room, uses) = l.split_once(':')?;
        Some((room.trim(), uses.split_whitespace().filter(|u| *u != "-").collect()))
    };
    ROOMS.lines().filter_map(line).collect()
}

#[test]
fn rooms_use_only_what_the_table_allows() {
    let arrows = arrows(&HOUSE);
    let table = table();
    let mut wrong = Vec::new();
    for (room, to) in &arrows {
        let Some((_, allowed)) = table.iter().find(|(r, _)| r == room) else {
            wrong.push(format!("the room {room} is not in the table"));
            continue;
        };
        let news = to.iter().filter(|(r, _)| !allowed.contains(&r.as_str()));
        wrong.extend(news.map(|(r, file)| format!("{room} uses {r} ({file}), which the table does not allow")));
        let gone = allowed.iter().filter(|r| !to.contains_key(**r));
        wrong.extend(gone.map(|r| format!("{room} does not use {r} any more: strike it out")));
    }
    let gone = table.iter().filter(|(room, _)| !arrows.contains_key(*room));
    wrong.extend(gone.map(|(room, _)| format!("there is no room {room} any more: strike it out")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_arrow_runs_back() {
    let table = table();
    for (at, (room, uses)) in table.iter().enumerate() {
        for used in uses {
            let above = table[..at].iter().any(|(r, _)| r == used);
            assert!(above, "{room} uses {used}, which does not stand above it");
        }
    }
}

#[test]
fn temporary_exceptions_are_still_needed() {
    for (file, room) in TEMPORARY {
        let used = HOUSE.iter().find(|(m, _)| text_of(m) == *file).map(|(_, used)| used);
        let holds = used.is_some_and(|u| u.paths.iter().any(|p| p.first().is_some_and(|r| r == room)));
        assert!(holds, "{file} does not use {room} any more: strike it out of TEMPORARY");
    }
}

/// Everything that one gets to from a module.
fn reached<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &'a str) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(at) = next.pop() {
        next.extend(graph.get(at).into_iter().flatten().filter(|to| seen.insert(**to)));
    }
    seen
}

/// Modules that use each other, of each place: parts of the graph in which one gets from everywhere to everywhere.
fn circles(house: &BTreeMap<Vec<String>, Used>) -> BTreeSet<(String, BTreeSet<String>)> {
    let mut graphs: BTreeMap<String, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for (module, used) in house {
        for path in &used.paths {
            let Some(target) = (1..=path.len()).rev().find_map(|n| house.get_key_value(&path[..n])).map(|(m, _)| m)
            else {
                continue;
            };
            let common = module.iter().zip(target).take_while(|(a, b)| a == b).count();
            // Where one holds the other they are no two; between rooms the other table speaks.
            if common > 0
                && let (Some(from), Some(to)) = (module.get(common), target.get(common))
            {
                graphs.entry(module[..common].join("/")).or_default().entry(from).or_default().insert(to);
            }
        }
    }
    let mut circles = BTreeSet::new();
    for (place, graph) in &graphs {
        let reach: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|m| (*m, reached(graph, m))).collect();
        for (module, own) in reach.iter().filter(|(m, own)| own.contains(**m)) {
            let circle = own.iter().filter(|o| reach.get(**o).is_some_and(|back| back.contains(module)));
            circles.insert((place.clone(), circle.map(ToString::to_string).collect()));
        }
    }
    circles
}

#[test]
fn circles_within_rooms_are_known() {
    let circles = circles(&HOUSE);
    let holds = |modules: &str, circle: &BTreeSet<String>| {
        let modules: BTreeSet<&str> = modules.split_whitespace().collect();
        circle.iter().all(|m| modules.contains(m.as_str()))
    };
    let mut wrong = Vec::new();
    for (place, circle) in &circles {
        if !CIRCLES.iter().any(|(p, modules, _)| p == place && holds(modules, circle)) {
            let list: Vec<&str> = circle.iter().map(String::as_str).collect();
            wrong.push(format!("a new circle in {place}: {}", list.join(" ")));
        }
    }
    for (place, modules, _) in CIRCLES {
        if !circles.iter().any(|(p, circle)| p == place && holds(modules, circle)) {
            wrong.push(format!("{place}: {modules} is no circle any more: strike it out"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_read_wherever_they_stand() {
    let text = r#"
        //! crate::comment
        use crate::a::{b::c, d};
        use crate::{e, f::g};
        use super::{h, super::super::i};
        fn x() -> crate::j::K { println!("crate::text {}", $crate::l::m!(crate::n::o)) }
        #[cfg(test)]
        pub(crate) mod only;
        #[cfg(all(test, feature = "live"))]
        mod tests { use crate::p::q; }
        #[cfg(not(test))]
        use crate::r::s;
    "#;
    let module = ["room", "sub", "file"].map(str::to_owned);
    let used = used(text, &module);
    let paths: Vec<String> = used.paths.iter().map(|p| p.join("/")).collect();
    assert_eq!(paths, ["a/b/c", "a/d", "e", "f/g", "room/sub/h", "i", "j/K", "l/m", "n/o", "r/s"]);
    assert_eq!(used.test_modules, ["only"]);
}

//! Lines of a text of several YAML documents.

/// The line (from 1 on) on which the content of each document begins; documents without content are not counted, as the parser gives null for them.
pub(super) fn documents(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut begun = false;
    for (nth, line) in text.lines().enumerate() {
        let marker = line == "---" || line.starts_with("--- ") || line == "...";
        if marker {
            begun = false;
            let rest = line.trim_start_matches("---").trim();
            if line != "..." && !rest.is_empty() && !rest.starts_with('#') {
                begun = true;
                starts.push(nth + 1);
            }
            continue;
        }
        let content = line.trim();
        if !begun && !content.is_empty() && !content.starts_with('#') && !content.starts_with('%') {
            begun = true;
            starts.push(nth + 1);
        }
    }
    starts
}

/// The first line with a template of Helm's in it, comments aside.
pub(super) fn template(text: &str) -> Option<usize> {
    let is = |line: &str| !line.trim_start().starts_with('#') && line.contains("{{") && line.contains("}}");
    text.lines().position(is).map(|nth| nth + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_begin_where_their_content_does() {
        let text = "# a comment\n---\n# another\nkind: A\n---\n---\n\nkind: B\ntext: |\n  ---\n--- # said\nkind: C\n--- {kind: D}\n...\n";
        assert_eq!(documents(text), [4, 8, 12, 13]);
        assert_eq!(documents("kind: A\n"), [1]);
        assert_eq!(documents("\n# nothing\n"), Vec::<usize>::new());
    }

    #[test]
    fn a_template_is_found_by_its_braces() {
        assert_eq!(template("a: 1\n# {{ x }}\nname: {{ .Values.name }}\n"), Some(3));
        assert_eq!(template("a: {b: {}}\n"), None);
    }
}

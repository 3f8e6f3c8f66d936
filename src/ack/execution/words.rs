//! Commands as people write them: words, quotes, and places that are filled in.

/// Splits a command into words at white space; quotes keep a word together as a shell's do, and a backslash takes the next character as it is
/// (within single quotes it is itself). Nothing else is special: no shell runs it.
///
/// # Errors
/// A quote that is not closed, or no word at all.
pub fn split(command: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut quote = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"') | None, '\\') => match chars.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err(format!("`{command}` ends with a backslash")),
            },
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("`{command}` has a {quote} that is not closed"));
    }
    words.extend(word);
    if words.is_empty() {
        return Err("the command is empty".to_owned());
    }
    Ok(words)
}

/// What a command may name: `{cluster_id}` in its words, `NODEFERRY_CLUSTER_ID` in its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Name of the execution.
    pub execution: String,
    /// The cluster's id at ACK.
    pub cluster_id: String,
    /// The bucket.
    pub bucket: String,
    /// Its endpoint.
    pub bucket_endpoint: String,
    /// The task that was begun; empty until then.
    pub task_id: String,
}

impl Context {
    /// Names and values.
    fn all(&self) -> [(&'static str, &str); 5] {
        [
            ("execution", &self.execution),
            ("cluster_id", &self.cluster_id),
            ("bucket", &self.bucket),
            ("bucket_endpoint", &self.bucket_endpoint),
            ("task_id", &self.task_id),
        ]
    }

    /// The variables of a command's environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.all()
            .iter()
            .map(|(name, value)| (format!("NODEFERRY_{}", name.to_uppercase()), (*value).to_owned()))
            .collect()
    }
}

/// Fills in the places of a command's words; other braces stay as they are, for a body of JSON has them too.
pub fn substitute(words: &[String], context: &Context) -> Vec<String> {
    let fill = |word: &String| {
        context.all().iter().fold(word.clone(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
    };
    words.iter().map(fill).collect()
}

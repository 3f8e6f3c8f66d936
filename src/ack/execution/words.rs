//! Places in commands that are filled in.

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

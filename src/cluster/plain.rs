//! What the decoders of JSON and YAML say, in words for the people who wrote the text.

/// What a typed decoder says, in words of the API: `invalid type: map, expected a string` is `expected a string, found an object`.
pub fn plain(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    let between = |start: &str| message.strip_prefix(start).and_then(|rest| rest.split_once(", expected "));
    if let Some((found, expected)) =
        between("invalid type: ").or(between("invalid value: ")).or(between("invalid length "))
    {
        return format!("expected {}, found {}", expectation(expected), what_is(found));
    }
    if let Some((field, rest)) = message.strip_prefix("unknown field `").and_then(|m| m.split_once('`')) {
        let known = rest.trim_start_matches(", expected ").trim_start_matches("one of ").replace('`', "");
        let known = if known.is_empty() { String::new() } else { format!("; known are {known}") };
        return format!("the field {field} is not known here{known}");
    }
    if let Some((value, rest)) = message.strip_prefix("unknown variant `").and_then(|m| m.split_once('`')) {
        let known = rest.trim_start_matches(", expected ").trim_start_matches("one of ").replace('`', "");
        return format!("{value} is not among {known}");
    }
    if let Some(field) = message.strip_prefix("missing field `") {
        return format!("{} is missing", field.trim_end_matches('`'));
    }
    if let Some(field) = message.strip_prefix("duplicate field `") {
        return format!("{} stands twice in one object", field.trim_end_matches('`'));
    }
    match message {
        "expected value" => "expected a value".into(),
        "trailing comma" => "a comma without a value after it".into(),
        "key must be a string" => "a key must be a string in double quotes".into(),
        "trailing characters" => "more follows after the value".into(),
        "recursion limit exceeded" => "objects are nested too deeply".into(),
        other => other.replace('`', ""),
    }
}

/// What was found, as serde calls it.
fn what_is(found: &str) -> String {
    let quoted = |prefix: &str| found.strip_prefix(prefix).map(|v| v.trim_matches('`').to_owned());
    match found {
        "map" | "Map" => "an object".into(),
        "sequence" | "seq" => "a list".into(),
        "null" | "unit" | "unit value" | "Option value" => "null".into(),
        _ => quoted("integer ")
            .or_else(|| quoted("floating point "))
            .or_else(|| quoted("boolean "))
            .or_else(|| quoted("string "))
            .or_else(|| quoted("character "))
            .unwrap_or_else(|| found.replace('`', "")),
    }
}

/// What was expected: Rust's names of types in words.
fn expectation(expected: &str) -> String {
    match expected {
        "u16" => "a whole number from 0 to 65535".into(),
        "u8" | "u32" | "u64" | "usize" => "a whole number from 0".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" | "bool" => "true or false".into(),
        "a map" | "map" => "an object".into(),
        "a sequence" | "sequence" => "a list".into(),
        "unit" => "null".into(),
        other if other.starts_with("struct ") || other.starts_with("internally tagged") => "an object".into(),
        other => other.replace('`', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decoders_say_becomes_words_of_the_api() {
        for (message, words) in [
            ("invalid type: map, expected a string at line 1 column 2", "expected a string, found an object"),
            ("invalid type: integer `5`, expected a sequence", "expected a list, found 5"),
            ("invalid value: integer `-1`, expected u16", "expected a whole number from 0 to 65535, found -1"),
            ("invalid type: string \"x\", expected i64", "expected a whole number, found \"x\""),
            ("invalid type: sequence, expected struct Meta", "expected an object, found a list"),
            ("unknown field `a`, expected one of `b`, `c`", "the field a is not known here; known are b, c"),
            ("unknown variant `a`, expected `b` or `c`", "a is not among b or c"),
            ("missing field `kind`", "kind is missing"),
            ("expected a quantity such as 100m", "expected a quantity such as 100m"),
        ] {
            assert_eq!(plain(message), words);
        }
    }
}

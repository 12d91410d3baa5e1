//! The keys of the config files: from the comments of the sample, and from the help.

use crate::help::Program;

/// A key of a config file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigKey {
    pub(crate) name: String,
    /// Placeholder of the value.
    pub(crate) hint: String,
    pub(crate) about: String,
}

impl ConfigKey {
    /// Returns name and value, in macros.
    pub(crate) fn heading(&self) -> String {
        format!("Cm {}= Ns Ar {}", self.name, self.hint)
    }
}

/// Returns the keys of the coordinator: the comment above each in the sample, and its placeholder
/// in the help. The sample has a paragraph for each key, and its default in the last line.
pub(crate) fn of_coordinator(sample: &str, program: &Program) -> Vec<ConfigKey> {
    let key = |paragraph: &str| {
        let lines = paragraph.lines().map(|line| line.strip_prefix("// ").unwrap_or(line));
        let lines: Vec<&str> = lines.collect();
        let (last, comment) = lines.split_last()?;
        let (name, default) = last.split_once('=').filter(|(name, _)| is_key(name))?;
        let option = program.options.iter().find(|it| it.long.replace('-', "_") == name).unwrap();
        let default = if default.is_empty() { "" } else { &format!(" The default is {default}.") };
        Some(ConfigKey {
            name: name.to_owned(),
            hint: option.hint.clone().unwrap(),
            about: comment.join(" ") + default,
        })
    };
    sample.split("\n\n").filter_map(key).collect()
}

/// Returns the keys that only a site has, with the words of the help.
#[cfg(feature = "engine")]
pub(crate) fn of_site(program: &Program) -> Vec<ConfigKey> {
    let key = |name: String| {
        let option = program.options.iter().find(|it| it.long.replace('-', "_") == name).unwrap();
        ConfigKey { name, hint: option.hint.clone().unwrap(), about: option.about.clone() }
    };
    program.keys().into_iter().map(key).collect()
}

/// Returns the keys of a participant: the paragraph about its file in the help has `key=value`.
pub(crate) fn of_participant(program: &Program) -> Vec<ConfigKey> {
    let words = program.file.split([' ', ',']).map(|word| word.trim_end_matches('.'));
    let keys = words.filter_map(|word| word.split_once('='));
    let key = |(name, value): (&str, &str)| {
        let option = program.options.iter().find(|it| it.long.replace('-', "_") == name).unwrap();
        let hint = option.hint.clone().unwrap_or_else(|| value.to_owned());
        ConfigKey { name: name.to_owned(), hint, about: option.about.clone() }
    };
    keys.map(key).collect()
}

fn is_key(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|char| char.is_ascii_lowercase() || char == '_')
}

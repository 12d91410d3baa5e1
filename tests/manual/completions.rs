//! The completions of both programs for bash, zsh and fish.

use crate::help::{HelpOption, Program, Values};

const MADE: &str = "`make manual` makes it: do not edit.";

pub(crate) fn bash(program: &Program) -> String {
    let name = program.name;
    let function = format!("_{}", name.replace('-', "_"));
    let mut arms: Vec<(Values, Vec<String>)> = Vec::new();
    for option in &program.options {
        let (values, names) = (option.values(&program.commands), names(option, "|"));
        match arms.iter_mut().find(|(other, _)| *other == values) {
            Some((_, all)) => all.push(names),
            None => arms.push((values, vec![names])),
        }
    }
    let arms = arms.into_iter().filter_map(|(values, names)| {
        const IS_FILES: &str = "compopt -o filenames 2> /dev/null\n            ";
        let action = match values {
            Values::Flag => return None,
            Values::Free => "return ;;".to_owned(),
            Values::Words(words) => format!("candidates=(-W '{}') ;;", words.join(" ")),
            Values::File => format!("{IS_FILES}candidates=(-f) ;;"),
            Values::Directory => format!("{IS_FILES}candidates=(-d) ;;"),
        };
        Some(format!("        {})\n            {action}\n", names.join("|")))
    });
    let arms: String = arms.collect();
    let all: Vec<String> = program.options.iter().map(|option| names(option, " ")).collect();
    let all = all.join("\n            ");
    format!(
        "# Completion of {name} for bash. {MADE}
{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} candidates
    # Bash splits --option=value at the equals sign.
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    COMPREPLY=()
    case $before in
{arms}        *)
            if [[ $word == -* ]]; then
                candidates=(-W '
            {all}')
            else
                compopt -o filenames 2> /dev/null
                candidates=(-f)
            fi ;;
    esac
    mapfile -t COMPREPLY < <(compgen \"${{candidates[@]}}\" -- \"$word\")
}}
complete -F {function} {name}
"
    )
}

pub(crate) fn zsh(program: &Program) -> String {
    let specs = program.options.iter().map(|option| {
        let values = option.values(&program.commands);
        let action = match &values {
            Values::Flag => String::new(),
            Values::Free => format!(":{}: ", zsh_text(option.hint.as_deref().unwrap())),
            Values::Words(words) => format!(":value:({})", words.join(" ")),
            Values::File => ":file:_files".to_owned(),
            Values::Directory => ":directory:_files -/".to_owned(),
        };
        let (plus, equals) = if values == Values::Flag { ("", "") } else { ("+", "=") };
        let about = zsh_text(option.summary());
        let excluded = format!("({})", names(option, " "));
        let excluded = if option.is_repeatable() { "*" } else { &excluded };
        let forms = match &option.short {
            Some(short) => format!("'{{-{short}{plus},--{}{equals}}}'", option.long),
            None => format!("--{}{equals}", option.long),
        };
        format!("  '{excluded}{forms}[{about}]{action}' \\\n")
    });
    let specs: String = specs.collect();
    let name = program.name;
    format!(
        "#compdef {name}\n# Completion of {name} for zsh. {MADE}\n_arguments -s -S \\\n{specs}  \
         '1:config file:_files'\n"
    )
}

pub(crate) fn fish(program: &Program) -> String {
    let name = program.name;
    let lines = program.options.iter().map(|option| {
        let short = option.short.as_ref().map(|short| format!(" -s {short}")).unwrap_or_default();
        let values = match option.values(&program.commands) {
            Values::Flag => String::new(),
            Values::Free => " -x".to_owned(),
            Values::Words(words) => format!(" -x -a '{}'", words.join(" ")),
            Values::File => " -r -F".to_owned(),
            Values::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
        };
        let about = option.summary().replace('\\', "\\\\").replace('\'', "\\'");
        format!("complete -c {name}{short} -l {}{values} -d '{about}'\n", option.long)
    });
    format!("# Completion of {name} for fish. {MADE}\n{}", lines.collect::<String>())
}

/// Returns the forms of an option.
fn names(option: &HelpOption, separator: &str) -> String {
    let short = option.short.as_ref().map(|short| format!("-{short}{separator}"));
    format!("{}--{}", short.unwrap_or_default(), option.long)
}

/// Returns a text as it stands in a spec of zsh, within quotes.
fn zsh_text(text: &str) -> String {
    let special = |char| matches!(char, '[' | ']' | ':' | '\\');
    let chars = text.chars().map(|char| match char {
        '\'' => "'\\''".to_owned(),
        char if special(char) => format!("\\{char}"),
        char => char.to_string(),
    });
    chars.collect()
}

//! The list of keys, made from the bindings in force.

use super::action::{ACTIONS, Context, Group};
use super::keys::{Bindings, Key};

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelpRow {
    /// The heading of a group.
    Heading(&'static str),
    /// Keys and what they do.
    Keys(String, &'static str),
    /// Nothing.
    Gap,
}

/// Returns the keys that hold in a context, by group.
pub fn rows(bindings: &Bindings, context: Context) -> Vec<HelpRow> {
    let mut rows = Vec::new();
    for group in Group::ALL {
        let start = rows.len();
        for info in ACTIONS {
            let here = info
                .contexts
                .iter()
                .any(|place| *place == context || context.wider().contains(place));
            let keys = bindings.keys(info.action);
            if info.group == group && here && !keys.is_empty() {
                let labels: Vec<String> = keys.iter().map(Key::label).collect();
                rows.push(HelpRow::Keys(labels.join(" "), info.about));
            }
        }
        if rows.len() > start {
            rows.insert(start, HelpRow::Heading(group.title()));
            rows.push(HelpRow::Gap);
        }
    }
    rows.pop();
    rows
}

/// Returns the key list of the README: a Markdown table of every action.
pub fn markdown(bindings: &Bindings) -> String {
    let rows = Group::ALL.iter().flat_map(|group| {
        let of_group = ACTIONS.iter().filter(|info| info.group == *group);
        of_group.map(|info| {
            let keys = bindings.keys(info.action);
            let keys = keys.iter().map(|key| format!("`{}`", key.label()));
            // A bar would end the cell.
            let keys = keys.collect::<Vec<_>>().join(" ").replace('|', "\\|");
            format!("| {keys} | {} |\n", info.about)
        })
    });
    let head = "| keys | action |\n| --- | --- |\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Action;

    #[test]
    fn every_action_is_in_the_list_of_the_readme() {
        let table = markdown(&Bindings::default());
        assert_eq!(table.lines().count(), ACTIONS.len() + 2);
        assert!(table.contains("| `Ctrl-d` | half a page down |"));
        assert!(
            table
                .lines()
                .all(|row| row.starts_with("| ") && row.ends_with(" |"))
        );
    }

    #[test]
    fn the_help_lists_what_holds_where_it_was_opened() {
        let bindings = Bindings::default();
        let has = |context, about: &str| {
            let rows = rows(&bindings, context);
            rows.iter()
                .any(|row| matches!(row, HelpRow::Keys(_, said) if *said == about))
        };
        assert!(has(Context::Log, "copy the whole log"));
        assert!(!has(Context::Jobs, "copy the whole log"));
        assert!(has(Context::Jobs, Action::StartBuild.info().about));
        assert!(!has(Context::Jobs, Action::Yes.info().about));
    }
}

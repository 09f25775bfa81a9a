use std::{fmt::Display, path::PathBuf, str::FromStr};

use crate::{
    error::{Place, Problem, Warning},
    tree::{Node, Value},
};

/// Takes a tree apart and notes whatever is wrong with it, so that one look shows everything.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

/// A map being read: every key that is understood is taken out, what stays is unknown.
pub(crate) struct Section {
    /// Dotted path, empty for the document.
    path: String,
    pub(crate) place: Place,
    entries: Vec<(String, Node)>,
}

impl Section {
    /// Dotted path of `key` in here.
    pub(crate) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name == key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn place_of(&self, key: &str) -> Option<Place> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node.place.clone())
    }

    pub(crate) fn node(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    fn take(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(index).1)
    }
}

impl Reader {
    /// The document itself.
    pub(crate) fn document(&mut self, root: Node) -> Section {
        self.open(String::new(), root)
    }

    fn open(&mut self, path: String, node: Node) -> Section {
        let entries = match node.value {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::List(_) => {
                let key = if path.is_empty() { "the configuration".into() } else { path.clone() };
                let expected = "must hold keys and values".into();
                self.problems.push(Problem::Invalid { place: node.place.clone(), key, expected });
                Vec::new()
            }
        };
        Section { path, place: node.place, entries }
    }

    /// The map at `key`; an absent one is empty.
    pub(crate) fn section(&mut self, section: &mut Section, key: &str) -> Section {
        let place = section.place.clone();
        let absent = Section { path: section.key(key), place, entries: Vec::new() };
        self.present_section(section, key).unwrap_or(absent)
    }

    /// The map at `key`, if the key is there, even with nothing in it.
    pub(crate) fn present_section(&mut self, section: &mut Section, key: &str) -> Option<Section> {
        let node = section.take(key)?;
        Some(self.open(section.key(key), node))
    }

    /// The maps in the list at `key`.
    pub(crate) fn sections(&mut self, section: &mut Section, key: &str) -> Vec<Section> {
        let items = self.list(section, key);
        let path = section.key(key);
        let indexed = items.into_iter().enumerate();
        indexed.map(|(index, item)| self.open(format!("{path}[{index}]"), item)).collect()
    }

    /// The texts in the list at `key`.
    pub(crate) fn strings(&mut self, section: &mut Section, key: &str) -> Vec<String> {
        let items = self.list(section, key);
        let mut texts = Vec::new();
        for item in items {
            match item.value {
                Value::Scalar(text) if !text.is_empty() => texts.push(text),
                _ => self.invalid(item.place, section.key(key), "must be a list of texts"),
            }
        }
        texts
    }

    fn list(&mut self, section: &mut Section, key: &str) -> Vec<Node> {
        let Some(node) = section.take(key) else { return Vec::new() };
        match node.value {
            Value::List(items) => items,
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::Map(_) => {
                self.invalid(node.place, section.key(key), "must be a list");
                Vec::new()
            }
        }
    }

    fn scalar(&mut self, section: &mut Section, key: &str) -> Option<(Place, String)> {
        let node = section.take(key)?;
        match node.value {
            Value::Scalar(text) if !text.is_empty() => Some((node.place, text)),
            Value::Scalar(_) | Value::Null => None,
            Value::List(_) | Value::Map(_) => {
                self.invalid(node.place, section.key(key), "must be a single value");
                None
            }
        }
    }

    /// The text at `key`; an empty one counts as absent, as in distribution.
    pub(crate) fn string(&mut self, section: &mut Section, key: &str) -> Option<String> {
        self.scalar(section, key).map(|(_, text)| text)
    }

    /// YAML 1.1's booleans, which Go's parser reads.
    pub(crate) fn boolean(&mut self, section: &mut Section, key: &str) -> Option<bool> {
        let (place, text) = self.scalar(section, key)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => {
                self.invalid(place, section.key(key), "must be true or false");
                None
            }
        }
    }

    pub(crate) fn choice<T: Copy>(
        &mut self,
        section: &mut Section,
        key: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let (place, text) = self.scalar(section, key)?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.invalid(place, section.key(key), &format!("must be one of {}", names.join(", ")));
        }
        found
    }

    /// A value whose type knows its own form.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&mut self, section: &mut Section, key: &str) -> Option<T> {
        let (place, text) = self.scalar(section, key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.invalid(place, section.key(key), &error.to_string());
                None
            }
        }
    }

    /// An absolute path: a server's working directory is nobody's intention.
    pub(crate) fn path(&mut self, section: &mut Section, key: &str) -> Option<PathBuf> {
        let (place, text) = self.scalar(section, key)?;
        let path = PathBuf::from(text);
        if path.is_absolute() {
            return Some(path);
        }
        self.invalid(place, section.key(key), "must be an absolute path");
        None
    }

    pub(crate) fn required_path(
        &mut self,
        section: &mut Section,
        key: &str,
        remedy: &str,
    ) -> Option<PathBuf> {
        let before = self.problems.len();
        let path = self.path(section, key);
        if path.is_none() && self.problems.len() == before {
            self.problems.push(Problem::Missing { key: section.key(key), remedy: remedy.into() });
        }
        path
    }

    /// The path of a URL.
    pub(crate) fn url_path(&mut self, section: &mut Section, key: &str) -> Option<String> {
        let (place, text) = self.scalar(section, key)?;
        if text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#')) {
            return Some(text);
        }
        self.invalid(place, section.key(key), "must begin with a slash and hold no spaces");
        None
    }

    /// Text that goes into a quoted string of a header.
    pub(crate) fn header_text(&mut self, section: &mut Section, key: &str) -> Option<String> {
        let (place, text) = self.scalar(section, key)?;
        if text.bytes().all(|b| (b == b' ' || b.is_ascii_graphic()) && !matches!(b, b'"' | b'\\')) {
            return Some(text);
        }
        self.invalid(place, section.key(key), "must be printable ASCII without quotes and backslashes");
        None
    }

    /// Takes keys out that distribution knows and that are harmless to do without.
    pub(crate) fn ignore(&mut self, section: &mut Section, keys: &[&str]) {
        for key in keys {
            if let Some(node) = section.take(key) {
                self.warnings.push(Warning::Ignored { place: node.place, key: section.key(key) });
            }
        }
    }

    /// A key of distribution's that must not be passed over in silence.
    pub(crate) fn refuse(&mut self, section: &mut Section, key: &str, remedy: &str) {
        if let Some(node) = section.take(key) {
            let (place, key) = (node.place, section.key(key));
            self.problems.push(Problem::Unsupported { place, key, remedy: remedy.into() });
        }
    }

    /// Ends a section where an unknown key may be a misspelt safeguard.
    pub(crate) fn refuse_the_rest(&mut self, section: &Section, known: &[&str]) {
        for (key, node) in &section.entries {
            let (place, key) = (node.place.clone(), section.key(key));
            self.problems.push(Problem::Unknown { place, key, known: known.join(", ") });
        }
    }

    /// Ends a section where an unknown key does no harm; `ignored` are known to distribution.
    pub(crate) fn warn_about_the_rest(&mut self, section: &mut Section, ignored: &[&str]) {
        self.ignore(section, ignored);
        for (key, node) in &section.entries {
            self.warnings.push(Warning::UnknownKey { place: node.place.clone(), key: section.key(key) });
        }
    }

    fn invalid(&mut self, place: Place, key: String, expected: &str) {
        self.problems.push(Problem::Invalid { place, key, expected: expected.into() });
    }
}

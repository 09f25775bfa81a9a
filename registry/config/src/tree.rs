use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use crate::error::{Place, Problem};

/// A YAML node that remembers where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// Scalars stay text: what `0123` or `yes` means depends on the key, and a secret must not lose its leading zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The document in `text`, each node placed at its line.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let raw: Spanned<Raw> = serde_saphyr::from_str(text)
            .map_err(|error| Problem::Syntax { message: error.without_snippet().to_string() })?;
        Ok(place(raw, text))
    }

    /// The same node with every place replaced.
    pub(crate) fn at(self, place: &Place) -> Self {
        let value = match self.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| item.at(place)).collect()),
            Value::Map(entries) => {
                Value::Map(entries.into_iter().map(|(key, node)| (key, node.at(place))).collect())
            }
            scalar => scalar,
        };
        Self { place: place.clone(), value }
    }
}

/// What the deserialiser can tell: a scalar that is no string has lost its spelling, which its span gives back.
enum Raw {
    Null,
    Text(String),
    Plain,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn place(raw: Spanned<Raw>, text: &str) -> Node {
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(text),
        Raw::Plain => Value::Scalar(spelling(&raw.defined, text)),
        Raw::List(items) => Value::List(items.into_iter().map(|item| place(item, text)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    // The line of the key: a value may begin lines later.
                    let line = Place::Line(key.referenced.line());
                    let node = place(value, text);
                    (key.value, Node { place: line, value: node.value })
                })
                .collect(),
        ),
    };
    Node { place: Place::Line(raw.referenced.line()), value }
}

fn spelling(location: &serde_saphyr::Location, text: &str) -> String {
    let span = location.span();
    let slice = |start: u64, length: u64| {
        let start = usize::try_from(start).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        text.get(start..end)
    };
    let spelled = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| slice(start, length));
    spelled.unwrap_or_default().trim().to_owned()
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(line: u64, text: &str) -> Node {
        Node { place: Place::Line(line), value: Value::Scalar(text.into()) }
    }

    #[test]
    fn keeps_lines_and_spelling() {
        let text = "a: 0123\nb:\n  - yes\n  - 1.10 # comment\nc: 'x'\nd:\ne: 0x1F\nf: true\n";
        let list = Value::List(vec![scalar(3, "yes"), scalar(4, "1.10")]);
        let expected = Value::Map(vec![
            ("a".into(), scalar(1, "0123")),
            ("b".into(), Node { place: Place::Line(2), value: list }),
            ("c".into(), scalar(5, "x")),
            ("d".into(), Node { place: Place::Line(6), value: Value::Null }),
            ("e".into(), scalar(7, "0x1F")),
            ("f".into(), scalar(8, "true")),
        ]);
        assert_eq!(Node::parse(text).unwrap().value, expected);
    }

    #[test]
    fn an_alias_stands_at_its_own_line_with_the_text_of_its_anchor() {
        let node = Node::parse("a: &x 5000\nb: *x\n").unwrap();
        let expected = vec![("a".into(), scalar(1, "5000")), ("b".into(), scalar(2, "5000"))];
        assert_eq!(node.value, Value::Map(expected));
    }

    #[test]
    fn a_key_written_twice_is_refused() {
        let Problem::Syntax { message } = Node::parse("a: 1\na: 2\n").unwrap_err() else {
            panic!("not a syntax problem")
        };
        assert!(message.contains("line 2") && message.contains('a'), "{message}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = Node::parse(&text);
        }
    }
}

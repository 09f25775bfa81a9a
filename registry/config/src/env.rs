use crate::{
    error::{Place, Problem, Warning},
    tree::{Node, Value},
};

const PREFIX: &str = "REGISTRY_";

/// Names the configuration file; whoever opens the file reads it.
const PATH_VARIABLE: &str = "REGISTRY_CONFIGURATION_PATH";

/// Top-level keys of distribution's schema and ours.
pub(crate) const TOP_LEVEL: [&str; 17] = [
    "version",
    "log",
    "loglevel",
    "storage",
    "auth",
    "middleware",
    "http",
    "notifications",
    "redis",
    "health",
    "proxy",
    "validation",
    "policy",
    "compatibility",
    "catalog",
    "reporting",
    "entrepot",
];

/// A variable name has no case to tell these apart from.
const CAMEL_CASE: [&str; 2] = ["secretFile", "pullOnly"];

/// Below `storage`, what is no driver and so survives the choice of one.
const STORAGE_OPTIONS: [&str; 5] = ["cache", "delete", "maintenance", "redirect", "tag"];

/// Writes every `REGISTRY_*` variable into `root`, in lexical order of their names, as distribution does.
pub(crate) fn apply(
    root: &mut Node,
    variables: impl Iterator<Item = (String, String)>,
) -> (Vec<Problem>, Vec<Warning>) {
    let mut variables: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for (name, text) in variables {
        if name == PATH_VARIABLE || is_service_link(&name, &text) {
            continue;
        }
        let path: Vec<String> = name[PREFIX.len()..].split('_').map(canonical).collect();
        if !path.first().is_some_and(|first| TOP_LEVEL.contains(&first.as_str())) {
            warnings.push(Warning::UnknownVariable { name });
            continue;
        }
        let place = Place::Variable(name);
        let Ok(node) = Node::parse(&text) else {
            problems.push(Problem::VariableSyntax { place });
            continue;
        };
        let written = match path.as_slice() {
            [key] if key == "storage" || key == "auth" => choose(root, key, node.at(&place)),
            path => write(root, path, node.at(&place)),
        };
        problems.extend(written.err());
    }
    (problems, warnings)
}

fn canonical(segment: &str) -> String {
    let ours = CAMEL_CASE.iter().find(|key| key.eq_ignore_ascii_case(segment));
    ours.map_or_else(|| segment.to_ascii_lowercase(), |key| (*key).to_owned())
}

/// What the kubelet injects for a Service called `registry`, or `registry-…`: addresses, not configuration.
fn is_service_link(name: &str, value: &str) -> bool {
    let segments: Vec<&str> = name.split('_').collect();
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let protocol = |text: &str| matches!(text, "TCP" | "UDP" | "SCTP");
    let address = |text: &str| ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme));
    let host_or_port = segments.windows(2).any(|pair| matches!(pair, ["SERVICE", "HOST" | "PORT"]));
    let numbered = segments.windows(3).any(|w| w[0] == "PORT" && number(w[1]) && protocol(w[2]));
    host_or_port || numbered || (segments.last() == Some(&"PORT") && address(value))
}

/// `REGISTRY_STORAGE=filesystem`: of all drivers that one, with what is already written beneath it.
fn choose(root: &mut Node, key: &str, choice: Node) -> Result<(), Problem> {
    let Value::Scalar(kind) = &choice.value else {
        return write(root, &[key.to_owned()], choice);
    };
    let survives = |name: &str| name == kind || (key == "storage" && STORAGE_OPTIONS.contains(&name));
    in_child(root, key, &choice.place, |section| {
        normalise_choice(section);
        if let Value::Map(entries) = &mut section.value {
            entries.retain(|(name, _)| survives(name));
        }
        in_child(section, kind, &choice.place, |_| ());
    });
    Ok(())
}

/// `storage: filesystem` is short for `storage: {filesystem: {}}`, and the same for `auth`.
pub(crate) fn normalise_choice(section: &mut Node) {
    if let Value::Scalar(kind) = &section.value {
        let empty = Node { place: section.place.clone(), value: Value::Null };
        section.value = Value::Map(vec![(kind.clone(), empty)]);
    }
}

fn write(node: &mut Node, path: &[String], value: Node) -> Result<(), Problem> {
    let Some((first, rest)) = path.split_first() else {
        *node = value;
        return Ok(());
    };
    match (&mut node.value, first.parse::<usize>()) {
        (Value::List(items), Ok(index)) if index < items.len() => write(&mut items[index], rest, value),
        (Value::List(items), Ok(index)) if index == items.len() => {
            items.push(Node { place: value.place.clone(), value: Value::Null });
            write(&mut items[index], rest, value)
        }
        (Value::List(items), _) => Err(Problem::VariableIndex { place: value.place, length: items.len() }),
        (Value::Null, Ok(0)) => {
            node.value = Value::List(Vec::new());
            write(node, path, value)
        }
        _ => {
            normalise_choice(node);
            let place = value.place.clone();
            in_child(node, first, &place, |child| write(child, rest, value))
        }
    }
}

/// Changes the entry `key` of `node`, made if it is not there; whatever is no map becomes one.
fn in_child<R>(node: &mut Node, key: &str, place: &Place, change: impl FnOnce(&mut Node) -> R) -> R {
    let mut entries = match std::mem::replace(&mut node.value, Value::Null) {
        Value::Map(entries) => entries,
        Value::Null | Value::Scalar(_) | Value::List(_) => Vec::new(),
    };
    let index = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        entries.push((key.to_owned(), Node { place: place.clone(), value: Value::Null }));
        entries.len() - 1
    });
    let result = change(&mut entries[index].1);
    node.value = Value::Map(entries);
    result
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("REGISTRY_PORT", "tcp://10.0.0.1:5000", true)]
    #[case("REGISTRY_SERVICE_HOST", "10.0.0.1", true)]
    #[case("REGISTRY_SERVICE_PORT_HTTPS", "443", true)]
    #[case("REGISTRY_PORT_5000_TCP_ADDR", "10.0.0.1", true)]
    #[case("REGISTRY_HTTP_PORT_5000_TCP", "tcp://10.0.0.1:5000", true)]
    #[case("REGISTRY_STORAGE_SERVICE_HOST", "10.0.0.1", true)]
    #[case("REGISTRY_HTTP_ADDR", ":5000", false)]
    #[case("REGISTRY_HTTP_SECRET", "tcp://x", false)]
    fn service_links(#[case] name: &str, #[case] value: &str, #[case] expected: bool) {
        assert_eq!(is_service_link(name, value), expected);
    }
}

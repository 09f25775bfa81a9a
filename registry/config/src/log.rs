use serde::Serialize;

use crate::{
    error::{Problem, Warning},
    reader::{Reader, Section},
};

/// `log`: what is written to standard output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Log {
    /// Least level that is written.
    pub level: Level,
    /// How a line looks.
    pub formatter: Formatter,
    /// One line a request.
    pub accesslog: AccessLog,
}

/// `log.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Only what needs somebody's attention.
    Error,
    /// And what may need it soon.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And why.
    Debug,
}

/// `log.formatter`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Formatter {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// `log.accesslog`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AccessLog {
    /// True: requests are not logged.
    pub disabled: bool,
}

impl Log {
    pub(crate) fn read(reader: &mut Reader, mut section: Section) -> Self {
        let level = reader
            .choice(
                &mut section,
                "level",
                &[
                    ("error", Level::Error),
                    ("warn", Level::Warn),
                    ("warning", Level::Warn),
                    ("info", Level::Info),
                    ("debug", Level::Debug),
                ],
            )
            .unwrap_or_default();
        let formatter = Formatter::read(reader, &mut section);
        let mut access = reader.section(&mut section, "accesslog");
        let disabled = reader.boolean(&mut access, "disabled").unwrap_or_default();
        reader.warn_about_the_rest(&mut access, &[]);
        reader.warn_about_the_rest(&mut section, &["fields", "hooks", "reportcaller"]);
        Self { level, formatter, accesslog: AccessLog { disabled } }
    }
}

impl Formatter {
    fn read(reader: &mut Reader, section: &mut Section) -> Self {
        let place = section.place_of("formatter");
        let Some(text) = reader.string(section, "formatter") else { return Self::default() };
        match (text.as_str(), place) {
            ("text", _) => Self::Text,
            ("json", _) => Self::Json,
            ("logstash", Some(place)) => {
                reader.warnings.push(Warning::Logstash { place });
                Self::Json
            }
            (_, Some(place)) => {
                let (key, expected) = (section.key("formatter"), "must be text or json".into());
                reader.problems.push(Problem::Invalid { place, key, expected });
                Self::default()
            }
            (_, None) => Self::default(),
        }
    }
}

//! The description of options.

use std::borrow::Cow;
use std::time::Duration;

use super::Choice;
use super::settings::Value;

/// The type of an option.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A signed integer of 64 bits.
    Int,
    /// A duration with its unit; an integer of the file counts milliseconds.
    Duration,
    /// A number.
    Float,
    /// A text.
    Text,
    /// Texts; the flag may be given several times.
    Texts,
    /// Numbers; the flag may be given several times, and takes several at once with commas between them.
    Floats,
    /// One of a few words.
    Choice(&'static Choice),
}

/// Says what is wrong with a text.
pub type Check = fn(&str) -> Result<(), String>;

/// One option: a flag of the command line and, unless said otherwise, a key of the file.
///
/// Made by [`boolean`], [`int`], [`float`], [`duration`], [`text`], [`texts`], [`floats`] and [`choice`].
#[derive(Debug, Clone)]
pub struct Flag {
    name: &'static str,
    key: Option<Cow<'static, str>>,
    kind: Kind,
    default: Value,
    default_note: Option<&'static str>,
    argument: &'static str,
    help: &'static str,
    no_effect: Option<&'static str>,
    check: Option<Check>,
}

/// A boolean option.
pub fn boolean(name: &'static str, default: bool, help: &'static str) -> Flag {
    Flag::new(name, Kind::Bool, Value::Bool(default), "", help)
}

/// An integer option.
pub fn int(name: &'static str, default: i64, help: &'static str) -> Flag {
    Flag::new(name, Kind::Int, Value::Int(default), "int", help)
}

/// A number.
pub fn float(name: &'static str, default: f64, help: &'static str) -> Flag {
    Flag::new(name, Kind::Float, Value::Float(default), "number", help)
}

/// A duration option.
///
/// # Panics
/// If the default is longer than 292 years.
pub fn duration(name: &'static str, default: Duration, help: &'static str) -> Flag {
    let ns = i64::try_from(default.as_nanos()).expect("a default is shorter than 292 years");
    Flag::new(name, Kind::Duration, Value::Duration { ns }, "duration", help)
}

/// A text option.
pub fn text(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Text, Value::Text(default.to_owned()), "string", help)
}

/// A list of texts, by default empty.
pub fn texts(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Texts, Value::Texts(Vec::new()), "string", help)
}

/// A list of numbers, by default empty.
pub fn floats(name: &'static str, help: &'static str) -> Flag {
    Flag::new(name, Kind::Floats, Value::Floats(Vec::new()), "number", help)
}

/// An option that takes one of a few words.
///
/// # Panics
/// If the default is none of them.
pub fn choice(
    name: &'static str,
    choice: &'static Choice,
    default: &'static str,
    help: &'static str,
) -> Flag {
    let number = (choice.parse)(default).expect("a default is one of the words");
    Flag::new(name, Kind::Choice(choice), Value::Choice(number), "word", help).default_note(default)
}

impl Flag {
    fn new(
        name: &'static str,
        kind: Kind,
        default: Value,
        argument: &'static str,
        help: &'static str,
    ) -> Self {
        let key = Some(Cow::Owned(name.replace('-', "_")));
        Self { name, key, kind, default, default_note: None, argument, help, no_effect: None, check: None }
    }

    /// Gives the option another key in the file than its name with underscores.
    #[must_use]
    pub fn key(mut self, key: &'static str) -> Self {
        self.key = Some(Cow::Borrowed(key));
        self
    }

    /// Makes the option one of the command line only.
    #[must_use]
    pub fn flag_only(mut self) -> Self {
        self.key = None;
        self
    }

    /// Says what the value is, in the usage text: `path`, `address`.
    #[must_use]
    pub fn argument(mut self, argument: &'static str) -> Self {
        self.argument = argument;
        self
    }

    /// Says in the usage text what applies when the option is not given, in place of the default value.
    #[must_use]
    pub fn default_note(mut self, note: &'static str) -> Self {
        self.default_note = Some(note);
        self
    }

    /// Marks an option that is accepted for the sake of old command lines. Whoever gives it is told `why` in the log.
    #[must_use]
    pub fn no_effect(mut self, why: &'static str) -> Self {
        self.no_effect = Some(why);
        self
    }

    /// Has each text of the command line checked while it is read, so that a wrong one is a usage error. The check's error
    /// is what follows the flag's name.
    #[must_use]
    pub fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// The name, without dashes.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn config_key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn default(&self) -> &Value {
        &self.default
    }

    pub(super) fn shown_default(&self) -> Option<&'static str> {
        self.default_note
    }

    /// What the value is: `path`, `address`. Empty for a boolean.
    pub fn placeholder(&self) -> &'static str {
        self.argument
    }

    pub(super) fn help(&self) -> &'static str {
        self.help
    }

    pub(super) fn why_no_effect(&self) -> Option<&'static str> {
        self.no_effect
    }

    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        self.check.map_or(Ok(()), |check| check(text))
    }

    /// Whether the flag alone means `true` and never takes the next argument.
    pub fn is_boolean(&self) -> bool {
        match self.kind {
            Kind::Bool => true,
            Kind::Choice(choice) => choice.is_boolean,
            Kind::Int | Kind::Float | Kind::Duration | Kind::Text | Kind::Texts | Kind::Floats => false,
        }
    }
}

/// Options that stand together in the usage text.
#[derive(Debug, Clone)]
pub struct Group {
    pub(super) title: &'static str,
    pub(super) flags: Vec<Flag>,
}

impl Group {
    /// A group of options under a title.
    pub fn new(title: &'static str, flags: Vec<Flag>) -> Self {
        Self { title, flags }
    }

    /// What the options of the group have in common.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// The options, in the order of the usage text.
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }
}

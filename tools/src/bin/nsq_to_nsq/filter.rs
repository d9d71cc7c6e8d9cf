//! Which messages pass, and what of them.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::json;

/// `--require-json-field`, `--require-json-value`, `--whitelist-json-field`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    required: Option<Required>,
    whitelist: Vec<String>,
}

#[derive(Debug, Clone)]
struct Required {
    field: String,
    value: Option<RequiredValue>,
}

#[derive(Debug, Clone)]
struct RequiredValue {
    text: String,
    number: Option<f64>,
}

/// What is to be done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Publish this.
    Pass(Bytes),
    /// Not this one.
    Drop,
    /// It is no JSON object: drop it, and say so.
    NotJson,
    /// The field whose value is required is not there: send it back, and back off.
    FieldMissing,
}

impl Filter {
    /// Empty texts are options that were not given. A value is of no effect without a field.
    pub(crate) fn new(field: &str, value: &str, whitelist: &[String]) -> Self {
        let value =
            (!value.is_empty()).then(|| RequiredValue { text: value.to_owned(), number: value.parse().ok() });
        let required = (!field.is_empty()).then(|| Required { field: field.to_owned(), value });
        let mut whitelist = whitelist.to_vec();
        whitelist.sort_unstable();
        whitelist.dedup();
        Self { required, whitelist }
    }

    pub(crate) fn judge(&self, body: &Bytes) -> Verdict {
        if self.required.is_none() && self.whitelist.is_empty() {
            return Verdict::Pass(body.clone());
        }
        let text = json::lenient(body);
        let Some(fields) = fields(&text) else { return Verdict::NotJson };
        if let Some(required) = &self.required {
            match (fields.get(required.field.as_str()), &required.value) {
                (None, Some(_)) => return Verdict::FieldMissing,
                (None, None) => return Verdict::Drop,
                (Some(_), None) => {}
                (Some(found), Some(value)) => {
                    if !value.matches(found) {
                        return Verdict::Drop;
                    }
                }
            }
        }
        if self.whitelist.is_empty() { Verdict::Pass(body.clone()) } else { Verdict::Pass(self.cut(&fields)) }
    }

    /// The object of the listed fields.
    fn cut(&self, fields: &BTreeMap<Cow<'_, str>, &RawValue>) -> Bytes {
        let mut out = vec![b'{'];
        for name in &self.whitelist {
            let Some(value) = fields.get(name.as_str()) else { continue };
            if out.len() > 1 {
                out.push(b',');
            }
            json::push_text(&mut out, name);
            out.push(b':');
            json::push_value(&mut out, value);
        }
        out.push(b'}');
        out.into()
    }
}

/// The fields of an object; `null` counts as an empty one. Of equal names the last counts.
fn fields(text: &str) -> Option<BTreeMap<Cow<'_, str>, &RawValue>> {
    serde_json::from_str::<Option<json::Fields<'_>>>(text).ok().map(|fields| fields.unwrap_or_default().0)
}

impl RequiredValue {
    fn matches(&self, found: &RawValue) -> bool {
        let found = found.get();
        match found.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<Cow<'_, str>>(found).is_ok_and(|text| text == self.text),
            Some(b'-' | b'0'..=b'9') => self.number.is_some_and(|number| found.parse() == Ok(number)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(field: &str, value: &str, whitelist: &[&str]) -> Filter {
        let whitelist: Vec<String> = whitelist.iter().map(|name| (*name).to_owned()).collect();
        Filter::new(field, value, &whitelist)
    }

    #[track_caller]
    fn check(filter: &Filter, body: &str, expected: &Verdict) {
        assert_eq!(&filter.judge(&Bytes::copy_from_slice(body.as_bytes())), expected, "{body}");
    }

    fn pass(body: &str) -> Verdict {
        Verdict::Pass(Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn without_a_filter_everything_passes_untouched() {
        check(&filter("", "", &[]), "no json", &pass("no json"));
        check(&filter("", "5", &[]), "no json", &pass("no json"));
    }

    #[test]
    fn what_is_no_object_is_told_apart() {
        for filter in [filter("a", "", &[]), filter("", "", &["a"])] {
            for body in ["", "no json", "[1]", "5", "\"a\"", "true", "{", "{}x", "{\"a\":}"] {
                check(&filter, body, &Verdict::NotJson);
            }
        }
        check(&filter("", "", &["a"]), " null ", &pass("{}"));
        check(&filter("a", "", &[]), "null", &Verdict::Drop);
    }

    #[test]
    fn a_required_field_must_be_there() {
        let field = filter("a", "", &[]);
        check(&field, "{ \"a\" : null }", &pass("{ \"a\" : null }"));
        check(&field, "{\"b\":{\"a\":1}}", &Verdict::Drop);
        let value = filter("a", "x", &[]);
        check(&value, "{\"b\":1}", &Verdict::FieldMissing);
        check(&value, "null", &Verdict::FieldMissing);
    }

    #[test]
    fn a_required_value_is_a_text_or_a_number() {
        let five = filter("a", "5", &[]);
        for body in ["{\"a\":5}", "{\"a\":5.0}", "{\"a\":\"5\"}", "{\"a\":50e-1}", "{\"a\":1,\"a\":5}"] {
            check(&five, body, &pass(body));
        }
        for body in ["{\"a\":\"5.0\"}", "{\"a\":6}", "{\"a\":[5]}", "{\"a\":true}", "{\"a\":5,\"a\":1}"] {
            check(&five, body, &Verdict::Drop);
        }
        check(&filter("a", "true", &[]), "{\"a\":true}", &Verdict::Drop);
        check(&filter("a", "\u{e9}", &[]), "{\"a\":\"\\u00e9\"}", &pass("{\"a\":\"\\u00e9\"}"));
    }

    /// The reference sent numbers through 64-bit floats.
    #[test]
    fn a_whitelist_makes_a_sorted_compact_object_with_exact_numbers() {
        let listed = filter("", "", &["b", "a", "f", "g", "a"]);
        check(
            &listed,
            r#"{"a":1, "b":"x","c":2,"f":1.50,"g":{"z" : [1,2.0, 12345678901234567890]}}"#,
            &pass(r#"{"a":1,"b":"x","f":1.50,"g":{"z":[1,2.0,12345678901234567890]}}"#),
        );
        check(&listed, r#"{"c":1}"#, &pass("{}"));
        check(
            &listed,
            r#"{"g":{"y":1,"x":[{},[],null,true]}}"#,
            &pass(r#"{"g":{"x":[{},[],null,true],"y":1}}"#),
        );
        check(
            &listed,
            "{\"a\":\"<&>\u{2028}\\u00e9\\/\"}",
            &pass("{\"a\":\"\\u003c\\u0026\\u003e\\u2028é/\"}"),
        );
        check(&filter("", "", &["<"]), "{\"<\":1}", &pass("{\"\\u003c\":1}"));
    }

    #[test]
    fn both_filters_together() {
        let both = filter("a", "1", &["b"]);
        check(&both, r#"{"a":1,"b":2}"#, &pass(r#"{"b":2}"#));
        check(&both, r#"{"a":2,"b":2}"#, &Verdict::Drop);
    }
}

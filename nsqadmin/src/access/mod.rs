//! Who may do what: by a header that a proxy sets, as in NSQ, and not at all from other sites' pages.

use std::{collections::BTreeSet, net::IpAddr};

use base64::prelude::{BASE64_STANDARD, Engine};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HOST, HeaderName, ORIGIN},
};
use ipnet::IpNet;
use reqwest::Url;

use crate::options::Options;

/// Why somebody may not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("nsqadmin runs with --read-only")]
    ReadOnly,
    #[error("the user is none of --admin-user")]
    NoAdmin,
    #[error("the request comes from a page of another site")]
    OtherSite,
    #[error("the address is not in --allow-config-from-cidr")]
    Address,
}

/// The rules.
#[derive(Debug)]
pub(crate) struct Access {
    header: HeaderName,
    /// Empty: everyone.
    admins: BTreeSet<String>,
    is_read_only: bool,
    /// `None`: from everywhere.
    config_from: Option<IpNet>,
}

impl Access {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            header: HeaderName::try_from(options.acl_http_header.as_str())
                .expect("the options have the name of a header"),
            admins: options.admin_users.clone(),
            is_read_only: options.read_only,
            config_from: options.allow_config_from,
        }
    }

    /// Whether who asks is one of those who may act.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_admin(&self, headers: &HeaderMap) -> Result<(), Denied> {
        if self.is_read_only {
            return Err(Denied::ReadOnly);
        }
        let is_admin =
            self.admins.is_empty() || self.proxy_user(headers).is_some_and(|user| self.admins.contains(user));
        if is_admin { Ok(()) } else { Err(Denied::NoAdmin) }
    }

    /// Whether the request may change something.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_action(&self, headers: &HeaderMap) -> Result<(), Denied> {
        self.check_admin(headers)?;
        if is_other_site(headers) { Err(Denied::OtherSite) } else { Ok(()) }
    }

    /// Whether options may be read, or with `is_change` changed, by this request from this address.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_config(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        is_change: bool,
    ) -> Result<(), Denied> {
        let is_near = self.config_from.is_none_or(|net| net.contains(&peer.to_canonical()));
        if !is_near {
            return Err(Denied::Address);
        }
        if !self.admins.is_empty() {
            // Behind a proxy on this host everybody has a near address.
            self.check_admin(headers)?;
        }
        if is_change { self.check_action(headers) } else { Ok(()) }
    }

    /// Who asks: the user of Basic credentials, or else who the proxy says it is. For notes, not for decisions.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Option<String> {
        basic_user(headers).or_else(|| self.proxy_user(headers).map(ToOwned::to_owned))
    }

    /// The first value of the header.
    fn proxy_user<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        headers.get(&self.header)?.to_str().ok().filter(|user| !user.is_empty())
    }
}

fn basic_user(headers: &HeaderMap) -> Option<String> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (user, _) = decoded.split_once(':')?;
    Some(user.to_owned())
}

/// Browsers say where a request comes from; scripts do not.
///
/// Source: Fetch Metadata (`Sec-Fetch-Site`), RFC 6454 (`Origin`).
fn is_other_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| Url::parse(origin).ok());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let (Some(origin), Some(host)) = (origin, host) else { return true };
    let here = Url::parse(&format!("{}://{host}", origin.scheme())).ok();
    here.is_none_or(|here| here.origin() != origin.origin())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn access(admins: &[&str], is_read_only: bool) -> Access {
        Access {
            header: HeaderName::from_static("x-forwarded-user"),
            admins: admins.iter().map(|user| (*user).to_owned()).collect(),
            is_read_only,
            config_from: "127.0.0.1/8".parse().ok(),
        }
    }

    /// Protects who may act: the user to the letter, and nobody in the read-only mode.
    #[test]
    fn admins_are_told_by_the_header() {
        let alice = access(&["alice"], false);
        assert_eq!(alice.check_admin(&headers(&[("x-forwarded-user", "alice")])), Ok(()));
        for user in ["Alice", "alice ", "", "bob"] {
            let headers = headers(&[("x-forwarded-user", user)]);
            assert_eq!(alice.check_admin(&headers), Err(Denied::NoAdmin), "{user}");
        }
        assert_eq!(alice.check_admin(&headers(&[])), Err(Denied::NoAdmin));
        assert_eq!(access(&[], false).check_admin(&headers(&[])), Ok(()));
        assert_eq!(access(&[], true).check_admin(&headers(&[])), Err(Denied::ReadOnly));
    }

    /// Protects operators' clusters from the pages that they visit, and scripts from this protection.
    #[test]
    fn other_sites_may_not_act() {
        for (pairs, is_other) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://a:1"), ("host", "a:1")], true),
            (&[("origin", "http://a:4171"), ("host", "a:4171")], false),
            (&[("origin", "https://a"), ("host", "a:443")], false),
            (&[("origin", "http://evil"), ("host", "a:4171")], true),
            (&[("origin", "null"), ("host", "a:4171")], true),
            (&[("origin", "http://a")], true),
        ] {
            assert_eq!(is_other_site(&headers(pairs)), is_other, "{pairs:?}");
        }
    }

    /// Protects the options: near addresses only, and admins only where there are some.
    #[test]
    fn options_are_for_those_near() {
        let (near, far) = ("127.0.0.9".parse().unwrap(), "10.0.0.1".parse().unwrap());
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        let open = access(&[], false);
        assert_eq!(open.check_config(near, &headers(&[]), true), Ok(()));
        assert_eq!(open.check_config(mapped, &headers(&[]), false), Ok(()));
        assert_eq!(open.check_config(far, &headers(&[]), false), Err(Denied::Address));
        let alice = access(&["alice"], false);
        assert_eq!(alice.check_config(near, &headers(&[]), false), Err(Denied::NoAdmin));
        let cross = headers(&[("sec-fetch-site", "cross-site")]);
        assert_eq!(open.check_config(near, &cross, true), Err(Denied::OtherSite));
        assert_eq!(access(&[], true).check_config(near, &headers(&[]), false), Ok(()));
    }

    #[test]
    fn the_user_is_that_of_the_credentials_or_of_the_proxy() {
        let access = access(&[], false);
        let both = headers(&[("authorization", "Basic Y2Fyb2w6cHc="), ("x-forwarded-user", "alice")]);
        assert_eq!(access.user(&both).as_deref(), Some("carol"));
        let bad = headers(&[("authorization", "Basic ?"), ("x-forwarded-user", "alice")]);
        assert_eq!(access.user(&bad).as_deref(), Some("alice"));
        assert_eq!(access.user(&headers(&[("authorization", "Bearer x")])), None);
    }
}

//! From the conf's table to a compiled affinity.

use super::cookie::{PinCookie, cookie_name};
use super::error::AffinityError;
use super::key::{KeyForm, KeySource};
use super::learn::{IdSource, LearnForm};
use super::route::RouteForm;
use super::seal::KeyRing;
use super::value::{PinValue, Seals, Texts};
use super::{Affinity, AffinityMethod, Member};
use crate::base::hash::hash64;
use crate::config::model;
use crate::config::model::{AffinityTable, CookieMode, CookieValue, SameSite};
use std::sync::Arc;

/// What every form is compiled against.
struct AffinityContext<'a> {
    cluster: &'a str,
    members: &'a [Member<'a>],
    keys: Arc<KeyRing>,
}

impl Affinity {
    /// Compiles a cluster's affinity for its nodes. Without a conf there is none.
    pub fn compile(
        conf: Option<&model::Affinity>,
        cluster: &str,
        members: &[Member<'_>],
        keys: Arc<KeyRing>,
    ) -> Result<Affinity, AffinityError> {
        let context = AffinityContext { cluster, members, keys };
        match conf {
            None => Ok(Self { main: None, also: Box::new([]) }),
            Some(model::Affinity::Word(_)) => {
                let table = AffinityTable { cookie: Some(default_name(cluster)), ..AffinityTable::default() };
                Self::of_table(&table, &context)
            }
            Some(model::Affinity::Table(table)) => Self::of_table(table, &context),
        }
    }

    fn of_table(table: &AffinityTable, context: &AffinityContext<'_>) -> Result<Self, AffinityError> {
        let main = form(table, context)?;
        let mut also = Vec::with_capacity(table.also.len());
        for other in &table.also {
            if !other.also.is_empty() {
                return Err(AffinityError::NestedAlso);
            }
            match form(other, context)? {
                AffinityMethod::Learn(_) => return Err(AffinityError::LearnUnderAlso),
                form => also.push(form),
            }
        }
        Ok(Self { main: Some(main), also: also.into() })
    }
}

/// Applications on one host must not trample each other's cookie.
fn default_name(cluster: &str) -> String {
    let hash = format!("{:016x}", hash64(cluster.as_bytes()));
    format!("homing-{}", &hash[..6])
}

fn form(table: &AffinityTable, context: &AffinityContext<'_>) -> Result<AffinityMethod, AffinityError> {
    match (&table.cookie, &table.route, &table.learn, &table.key) {
        (Some(name), None, None, None) => {
            pin_cookie(name, table, context).map(|form| AffinityMethod::Cookie(Box::new(form)))
        }
        (None, Some(name), None, None) => route(name, table, context).map(AffinityMethod::Route),
        (None, None, Some(id), None) => Ok(AffinityMethod::Learn(LearnForm { source: IdSource::parse(id)? })),
        (None, None, None, Some(key)) => {
            Ok(AffinityMethod::Key(KeyForm { source: KeySource::parse(key)?, remember: table.remember }))
        }
        _ => Err(AffinityError::Forms),
    }
}

fn route(
    name: &str,
    table: &AffinityTable,
    context: &AffinityContext<'_>,
) -> Result<RouteForm, AffinityError> {
    let separator = match table.route_separator() {
        Some("") => return Err(AffinityError::EmptySeparator),
        text => text.map(Box::from),
    };
    Ok(RouteForm {
        cookie: cookie_name(name)?,
        parameter: table.parameter.clone().unwrap_or_else(|| name.to_ascii_lowercase()).into(),
        separator,
        order: table.order,
        routes: Texts::routes(context.members),
    })
}

fn pin_cookie(
    name: &str,
    table: &AffinityTable,
    context: &AffinityContext<'_>,
) -> Result<PinCookie, AffinityError> {
    let insert = table.mode == CookieMode::Insert;
    let seconds = |limit: Option<crate::base::units::Duration>| limit.map(|limit| limit.0.as_secs());
    let (max_idle, max_life) = (seconds(table.max_idle), seconds(table.max_life));
    if !insert && (max_idle.is_some() || max_life.is_some()) {
        return Err(AffinityError::AgesOfAnothers);
    }
    if !insert && table.cookie_value() == CookieValue::Sealed {
        return Err(AffinityError::SealedAnothers);
    }
    let value = match table.cookie_value() {
        CookieValue::Sealed => {
            PinValue::Sealed(Seals::new(context.keys.clone(), name, context.cluster, context.members))
        }
        CookieValue::Route => {
            let routes = Texts::routes(context.members);
            let before = table.separator.as_deref().filter(|_| table.is_readable());
            PinValue::Text(match before {
                Some(before) => routes.written_behind(before),
                None => routes,
            })
        }
        CookieValue::Dynamic => {
            let key = table.dynamic_key.as_deref().ok_or(AffinityError::NoDynamicKey)?;
            PinValue::Text(Texts::dynamic(context.members, key))
        }
    };
    check_texts(&value, table.mode)?;
    Ok(PinCookie {
        name: cookie_name(name)?,
        mode: table.mode,
        value,
        indirect: table.indirect.unwrap_or(insert),
        nocache: table.nocache,
        postonly: table.postonly,
        preserve: table.preserve,
        max_idle,
        max_life,
        tail: tail(table, false)?.into(),
        tail_secure: tail(table, true)?.into(),
    })
}

/// A route with a byte that ends a cookie's value would never be recognised again.
fn check_texts(value: &PinValue, mode: CookieMode) -> Result<(), AffinityError> {
    let PinValue::Text(texts) = value else { return Ok(()) };
    let end = if mode == CookieMode::Prefix { b'~' } else { b'|' };
    for text in texts.all() {
        if text.iter().any(|byte| !byte.is_ascii_graphic() || b";,".contains(byte) || *byte == end) {
            return Err(AffinityError::Route(String::from_utf8_lossy(text).into_owned()));
        }
    }
    Ok(())
}

/// The attributes, from the first `;` on: HAProxy's text for readable values, ours for sealed ones.
fn tail(table: &AffinityTable, tls: bool) -> Result<Vec<u8>, AffinityError> {
    let sealed = table.cookie_value() == CookieValue::Sealed;
    let secure = table.secure.unwrap_or(sealed && tls);
    let mut parts: Vec<String> = Vec::new();
    parts.push(format!("{}={}", if sealed { "Path" } else { "path" }, table.path));
    for domain in table.domain.as_slice() {
        parts.push(format!("{}={domain}", if sealed { "Domain" } else { "domain" }));
    }
    if table.http_only.unwrap_or(sealed) {
        parts.push("HttpOnly".into());
    }
    if secure {
        parts.push("Secure".into());
    }
    let same_site = match table.same_site {
        // Browsers refuse SameSite=None without Secure.
        SameSite::Auto if sealed && tls && secure => Some("None"),
        SameSite::Auto | SameSite::Off => None,
        SameSite::None => Some("None"),
        SameSite::Lax => Some("Lax"),
        SameSite::Strict => Some("Strict"),
    };
    parts.extend(same_site.map(|word| format!("SameSite={word}")));
    if table.partitioned && secure {
        parts.push("Partitioned".into());
    }
    parts.extend(table.attributes.iter().cloned());
    if let Some(part) =
        parts.iter().find(|part| part.bytes().any(|byte| byte == b';' || byte.is_ascii_control()))
    {
        return Err(AffinityError::Attribute(part.clone()));
    }
    Ok(parts.iter().flat_map(|part| ["; ", part]).collect::<String>().into_bytes())
}
